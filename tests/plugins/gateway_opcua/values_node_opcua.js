// A node-opcua server whose variables take values of any type: `node values_node_opcua.js PORT PKI_FOLDER NODES`. They are
// V0, V1, ... in the namespace of values.xml; clients write them. It runs until it is killed.
const path = require("node:path");
const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { StatusCodes } = require("node-opcua-status-code");
const { nodesets } = require("node-opcua-nodesets");

const [port, pki, count] = process.argv.slice(2);

async function main() {
  const server = new OPCUAServer({
    port: Number(port),
    nodeset_filename: [nodesets.standard, path.join(__dirname, "values.xml")],
    serverCertificateManager: new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: pki }),
    allowAnonymous: true,
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const namespace = space.getNamespace("http://fieldgate.test/values");
  for (let i = 0; i < Number(count); i++) {
    const node = namespace.addVariable({ organizedBy: space.rootFolder.objects, browseName: `V${i}`, nodeId: `s=V${i}`,
      dataType: "BaseDataType", valueRank: -2, accessLevel: "CurrentRead | CurrentWrite | StatusWrite | TimestampWrite",
      userAccessLevel: "CurrentRead | CurrentWrite", minimumSamplingInterval: 0 });
    node.checkVariantCompatibility = () => StatusCodes.Good; // it takes numbers only for a BaseDataType
    node.verifyVariantCompatibility = () => {};
    node.checkExtensionObjectIsCorrect = () => true;
  }
  await server.start();
  console.log("ready");
}

main().catch((error) => { console.error(error); process.exit(1); });
