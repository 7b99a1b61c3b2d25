// An OTLP/HTTP receiver on OpenTelemetry's own JavaScript decoder (npm @opentelemetry/otlp-transformer, on protobufjs).
// Each request is one JSON line on stdout. A line on stdin says how it answers from then on: a status, or "silent".

const http = require("node:http");
const readline = require("node:readline");
const root = require("@opentelemetry/otlp-transformer/build/src/generated/root");

const Request = root.opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let answer = "200";

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const found = Request.toObject(Request.decode(Buffer.concat(parts)), { longs: Number, enums: String });
    const { authorization = "", "content-type": type } = request.headers;
    say({ path: request.url, authorization, type, answer, found });
    if (answer === "silent") return;
    response.writeHead(Number(answer), { "retry-after": "0" }).end();
  });
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => say({ port: server.address().port }));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  answer = line;
  say({ now: line });
}).on("close", () => process.exit(0));
