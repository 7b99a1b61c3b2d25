// node-opcua with a certificate that a test has made: `node secured_node_opcua.js PORT FOLDER`. FOLDER holds certificate.pem
// (with its chain), key.pem and options.json: uri, accept (whether it takes any client), user (whether it takes any user's
// certificate). Its own trust lists are made in FOLDER/pki. It says "ready" once, and "done" to each line.
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { nodesets } = require("node-opcua-nodesets");

const port = Number(process.argv[2]);
const folder = process.argv[3];
const options = JSON.parse(fs.readFileSync(path.join(folder, "options.json")));

function manager(name, accept) {
  return new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: accept, rootFolder: path.join(folder, name) });
}

async function main() {
  const users = manager("users", options.user ?? true);
  await users.initialize();
  const server = new OPCUAServer({
    port,
    nodeset_filename: [nodesets.standard],
    serverInfo: { applicationUri: options.uri },
    certificateFile: path.join(folder, "certificate.pem"),
    privateKeyFile: path.join(folder, "key.pem"),
    serverCertificateManager: manager("pki", options.accept ?? true),
    userCertificateManager: users,
    allowAnonymous: true,
  });
  await server.initialize();
  await server.start();
  console.log("ready");
  for await (const _ of readline.createInterface({ input: process.stdin })) console.log("done");
}
main().catch((error) => { console.error(error); process.exit(1); });
