// A server of another maker with alarms and methods: `node alarming_node_opcua.js PORT PKI_FOLDER`. Commands by line on
// stdin, each answered with "done": level VALUE (limits 10 and 90) | raise SEVERITY TEXT | storm COUNT. Start: "ready".
const readline = require("node:readline");
const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { nodesets } = require("node-opcua-nodesets");
const { StatusCodes } = require("node-opcua-status-code");

async function main() {
  const server = new OPCUAServer({
    port: Number(process.argv[2]),
    nodeset_filename: [nodesets.standard],
    serverCertificateManager: new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: process.argv[3] }),
    serverCapabilities: { minSupportedSampleRate: 0 },
  });
  await server.initialize();
  const addressSpace = server.engine.addressSpace;
  addressSpace.installAlarmsAndConditionsService();
  const space = addressSpace.getOwnNamespace();
  const tank = space.addObject({ organizedBy: addressSpace.rootFolder.objects, browseName: "Tank", nodeId: "s=Tank",
    notifierOf: addressSpace.rootFolder.objects.server });
  const level = space.addVariable({ componentOf: tank, browseName: "Level", nodeId: "s=Level", dataType: "Double",
    eventSourceOf: tank, minimumSamplingInterval: 0 });
  level.setValueFromSource({ dataType: "Double", value: 50 });
  space.instantiateExclusiveLimitAlarm("ExclusiveLimitAlarmType", { browseName: "LevelAlarm", conditionSource: level,
    inputNode: level, lowLimit: 10, highLimit: 90, highHighLimit: 95, optionals: ["ConfirmedState", "Confirm"] });
  const kind = space.addEventType({ browseName: "BatchEventType", nodeId: "s=BatchEventType", subtypeOf: "BaseEventType" });
  space.addVariable({ propertyOf: kind, browseName: "BatchId", dataType: "String", modellingRule: "Mandatory" });
  addMethods(space, tank);
  await server.start();
  console.log("ready");
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, first, ...rest] = line.split(" ");
    if (verb === "level") level.setValueFromSource({ dataType: "Double", value: Number(first) });
    if (verb === "raise") raise(tank, kind, Number(first), rest.join(" "));
    if (verb === "storm") for (let i = 0; i < Number(first); i++) raise(tank, kind, 300, `storm ${i}`);
    console.log("done");
  }
}

function raise(tank, kind, severity, text) {
  tank.raiseEvent(kind, { message: { dataType: "LocalizedText", value: { text, locale: "en" } },
    severity: { dataType: "UInt16", value: severity }, batchId: { dataType: "String", value: "B7" } });
}

function addMethods(space, tank) {
  const start = space.addMethod(tank, { browseName: "Start", nodeId: "s=Start",
    inputArguments: [{ name: "speed", dataType: "Double", description: { text: "in Hz" } }, { name: "count", dataType: "Int16" }],
    outputArguments: [{ name: "batch", dataType: "String" }] });
  start.bindMethod((given, _context, callback) => {
    if (given[0].value > 100) return callback(null, { statusCode: StatusCodes.BadOutOfRange });
    if (given[0].value < 0) return callback(null, { statusCode: StatusCodes.BadInternalError });
    callback(null, { statusCode: StatusCodes.Good, outputArguments: [{ dataType: "String", value: `${given[0].value}/${given[1].value}` }] });
  });
  const slow = space.addMethod(tank, { browseName: "Slow", nodeId: "s=Slow", inputArguments: [], outputArguments: [] });
  const calls = space.addVariable({ componentOf: tank, browseName: "Calls", nodeId: "s=Calls", dataType: "Int32",
    minimumSamplingInterval: 0, value: { dataType: "Int32", value: 0 } });
  let count = 0;
  slow.bindMethod((_given, _context, callback) => {
    calls.setValueFromSource({ dataType: "Int32", value: ++count });
    setTimeout(() => callback(null, { statusCode: StatusCodes.Good, outputArguments: [] }), 2000);
  });
}

main().catch((error) => { console.error(error); process.exit(1); });
