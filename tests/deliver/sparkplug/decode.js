// Decodes payloads with npm sparkplug-payload: one in hexadecimal a line in, one JSON object a line out.
const readline = require("readline");
const sparkplug = require("sparkplug-payload").get("spBv1.0");

const plain = (key, value) => (value && value.unsigned !== undefined && value.low !== undefined ? value.toString() : value);

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  console.log(JSON.stringify(sparkplug.decodePayload(Buffer.from(line, "hex")), plain));
});
