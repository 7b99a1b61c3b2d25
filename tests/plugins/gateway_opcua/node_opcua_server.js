// A server of another maker (node-opcua): `node node_opcua_server.js PORT PKI_FOLDER [NODES]`. Commands by line on stdin:
// write NAME VALUE | delete NAME | tick PERIOD COUNT | race NAME COUNT | count sessions | silence all. Each is answered with "done"; the start
// with "ready". After tick the first COUNT nodes count up, once in PERIOD (s), and the server keeps their history. count says how many sessions
// and subscriptions there are; after silence the subscriptions of now publish no more, not even that they live.
const path = require("node:path");
const readline = require("node:readline");
const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { VariantArrayType } = require("node-opcua-variant");
const { standardUnits } = require("node-opcua-data-access");
const { nodesets } = require("node-opcua-nodesets");

const port = Number(process.argv[2]);
const pki = process.argv[3];
const count = Number(process.argv[4] ?? 300);

const values = {
  Double: ["Double", 21.5], Float: ["Float", 1.5], Int16: ["Int16", -7], UInt32: ["UInt32", 4000000000],
  Boolean: ["Boolean", true], String: ["String", "warm"], Int64: ["Int64", [0, 5]], DateTime: ["DateTime", new Date(1714564800000)],
};

async function main() {
  const server = new OPCUAServer({
    port,
    nodeset_filename: [nodesets.standard, path.join(__dirname, "maker.xml")],
    serverCertificateManager: new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: pki }),
    userManager: { isValidUser: (user, password) => user === "op" && password === "secret" },
    allowAnonymous: true,
    serverCapabilities: { maxSessions: Number(process.env.MAX_SESSIONS ?? 100), minSupportedSampleRate: 0 },
  });
  await server.initialize();
  const space = server.engine.addressSpace.getOwnNamespace();
  const folder = space.addObject({ organizedBy: server.engine.addressSpace.rootFolder.objects, browseName: "Line" });
  const nodes = {};
  for (const [name, [dataType, value]] of Object.entries(values)) {
    nodes[name] = space.addVariable({ componentOf: folder, browseName: name, nodeId: `s=${name}`, dataType,
      minimumSamplingInterval: 20 });
    nodes[name].setValueFromSource({ dataType, arrayType: VariantArrayType.Scalar, value });
  }
  for (let i = 0; i < count; i++) {
    const node = space.addVariable({ componentOf: folder, browseName: `N${i}`, nodeId: `s=N${i}`, dataType: "Double",
      minimumSamplingInterval: 0 });
    node.setValueFromSource({ dataType: "Double", value: i });
    nodes[`N${i}`] = node;
  }
  const boiler = space.addObject({ organizedBy: server.engine.addressSpace.rootFolder.objects, browseName: "Boiler" });
  nodes["Boiler.Temperature"] = space.addAnalogDataItem({ componentOf: boiler, browseName: "Temperature", nodeId: "s=Boiler.Temperature", dataType: "Double",
    engineeringUnitsRange: { low: -20, high: 120 }, engineeringUnits: standardUnits.degree_celsius,
    minimumSamplingInterval: 20, value: { dataType: "Double", value: 21.5 } });
  space.addVariable({ componentOf: boiler, browseName: "Setpoint", nodeId: "s=Boiler.Setpoint", dataType: "Float",
    accessLevel: "CurrentRead | CurrentWrite", userAccessLevel: "CurrentRead | CurrentWrite",
    value: { dataType: "Float", value: 20.5 } });
  space.addVariable({ componentOf: boiler, browseName: "Serial", nodeId: "s=Boiler.Serial", dataType: "UInt32",
    accessLevel: "CurrentRead", userAccessLevel: "CurrentRead", value: { dataType: "UInt32", value: 4711 } });
  nodes.Fast = space.addVariable({ componentOf: folder, browseName: "Fast", nodeId: "s=Fast", dataType: "Double",
    minimumSamplingInterval: 0 }); // at every change
  nodes.Fast.setValueFromSource({ dataType: "Double", value: 0 });
  addRecipe(server.engine.addressSpace, space, folder);
  await server.start();
  console.log("ready");
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, name, value] = line.split(" ");
    if (verb === "write") nodes[name].setValueFromSource({ dataType: "Double", value: Number(value) });
    if (verb === "tick") tick(server.engine.addressSpace, nodes, Number(name) * 1000, Number(value));
    if (verb === "race") race(nodes[name], Number(value));
    if (verb === "count") console.log(server.engine.currentSessionCount, server.engine.currentSubscriptionCount);
    if (verb === "silence") silence(server.engine);
    if (verb === "delete") server.engine.addressSpace.deleteNode(nodes[name].nodeId);
    console.log("done");
  }
}

// A value of the types in maker.xml.
function addRecipe(addressSpace, space, folder) {
  const type = addressSpace.findDataType("Recipe", addressSpace.getNamespaceIndex("http://fieldgate.test/maker"));
  const one = { number: 1, colour: 1, limits: [0.5, 1.5] };
  const two = { number: 2, colour: 0, note: "slow", limits: [] };
  const value = addressSpace.constructExtensionObject(type, { first: one, steps: [one, two] });
  const colour = addressSpace.findDataType("Colour", addressSpace.getNamespaceIndex("http://fieldgate.test/maker"));
  space.addVariable({ componentOf: folder, browseName: "Colour", nodeId: "s=Colour", dataType: colour.nodeId,
    value: { dataType: "Int32", value: 1 } });
  space.addMultiStateDiscrete({ componentOf: folder, browseName: "Stage", nodeId: "s=Stage",
    enumStrings: ["idle", "filling", "heating"], value: 2 });
  space.addMultiStateValueDiscrete({ componentOf: folder, browseName: "Speed", nodeId: "s=Speed",
    enumValues: { slow: 10, fast: 20 }, value: 20 });
  space.addTwoStateDiscrete({ componentOf: folder, browseName: "Valve", nodeId: "s=Valve",
    trueState: "open", falseState: "shut", value: true });
  space.addVariable({ componentOf: folder, browseName: "Recipe", nodeId: "s=Recipe", dataType: type.nodeId,
    value: { dataType: "ExtensionObject", value } });
}

function tick(space, nodes, period, count) {
  const ticking = Array.from({ length: count }, (_, i) => nodes[`N${i}`]);
  for (const node of ticking) space.installHistoricalDataNode(node, { maxOnlineValues: 20000 });
  let number = 1000;
  function step() {
    for (const node of ticking) node.setValueFromSource({ dataType: "Double", value: number });
    number += 1;
    setTimeout(step, period); // never two at once: what samples the nodes would see the second one only
  }
  step();
}

function silence(engine) {
  for (const session of Object.values(engine._sessions)) {
    for (const subscription of session.publishEngine.subscriptions) clearInterval(subscription.timerId);
  }
}

// A thousand changes a second, `count` of them, whatever the timers do.
function race(node, count) {
  const start = Date.now();
  let number = 0;
  const timer = setInterval(() => {
    while (number < count && number < Date.now() - start) node.setValueFromSource({ dataType: "Double", value: ++number });
    if (number === count) clearInterval(timer);
  }, 1);
}

main().catch((error) => { console.error(error); process.exit(1); });
