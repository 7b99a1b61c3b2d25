// A Modbus TCP server on npm's modbus-serial. Prints its port. Arguments: folder of node_modules, size of the tables.
const net = require("net");
const path = require("path");
const { ServerTCP } = require(path.join(process.argv[2], "modbus-serial"));
const size = Number(process.argv[3]);
const registers = new Uint16Array(size);
const coils = new Uint8Array(size);
const within = (address, take) => {
  if (address >= size) throw { modbusErrorCode: 2, msg: "beyond the table" };
  return take();
};
const vector = {
  getInputRegister: (address) => within(address, () => registers[address]),
  getHoldingRegister: (address) => within(address, () => registers[address]),
  getCoil: (address) => within(address, () => Boolean(coils[address])),
  getDiscreteInput: (address) => within(address, () => Boolean(coils[address])),
  setRegister: (address, value) => within(address, () => { registers[address] = value; }),
  setCoil: (address, value) => within(address, () => { coils[address] = value ? 1 : 0; }),
};
const probe = net.createServer().listen(0, "127.0.0.1", () => {
  const port = probe.address().port;
  probe.close(() => {
    const server = new ServerTCP(vector, { host: "127.0.0.1", port, unitID: 255 });
    server.on("initialized", () => console.log(port));
    server.on("socketError", () => {});
  });
});
