// A pump's controller on npm's modbus-serial, by another maker: `node pump.js NODE_MODULES HOST PORT`. Says "ready".
// Holding 100-101 flow (float32, CDAB), 102 pressure (0.01 bar), 103 motor temperature (0.1 °C). On a line, it gets hot.
const path = require("path");
const readline = require("readline");
const { ServerTCP } = require(path.join(process.argv[2], "modbus-serial"));
let motor = 61.0;

function registers() {
  const t = Date.now() / 1000;
  const flow = Buffer.alloc(4);
  flow.writeFloatBE(121 + 4 * Math.sin(2 * t));
  return {
    100: flow.readUInt16BE(2), 101: flow.readUInt16BE(0),
    102: Math.round(100 * (5.87 + 0.1 * Math.sin(t / 4))),
    103: Math.round(10 * (motor + 0.5 * Math.sin(t / 5))),
  };
}

const vector = {
  getHoldingRegister: (address) => {
    if (address >= 120 && address < 130) throw { modbusErrorCode: 2, msg: "not there" };
    return registers()[address] ?? 0;
  },
};
const server = new ServerTCP(vector, { host: process.argv[3], port: Number(process.argv[4]), unitID: 1 });
server.on("initialized", () => console.log("ready"));
server.on("socketError", () => {});
readline.createInterface({ input: process.stdin }).on("line", () => { motor = 95.0; console.log("done"); });
