"""How fast a local rule acts: a value changes in a simulated PLC, a limit alarm is raised, a write reaches the PLC.

The PLC is a Modbus TCP server in a process of its own with its own clock; the gateway is the daemon itself, reading at
a 10 ms scan and told by `then` to write when the limit is passed. Measured in the PLC, from the change in its memory to
the write in its memory, so that nothing of the way is left out. Held: p99 within 50 ms.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from bench.rig import quantile
from gateway.cli.children import Child, daemon, listening, write_configuration
from gateway_sim.servers.modbus import ModbusServer
from gateway_sim.servers.pdu import Memory

BOUND = 0.050  # s, at the 99th of 100
LEVEL, FEED, BESIDE = 0, 1, 2  # registers; BESIDE and on are read with them
HIGH, LOW, LIMIT = 100, 0, 50
REST = 0.15  # s between two changes, and as much again by chance: not in step with the scans
GIVE_UP = 2.0  # s


async def plc(rounds: int, registers: int) -> None:
    """Be the PLC: say where, wait to be read, then measure; prints one JSON line each."""
    server = ModbusServer([], Memory(holding=np.zeros(registers, np.uint16)))
    written, read = asyncio.Event(), asyncio.Event()
    server.on_write, server.on_read = lambda _pdu: written.set(), lambda _rows: read.set()
    port = await server.start()
    print(orjson.dumps({"port": port}).decode(), flush=True)
    await read.wait()
    await asyncio.sleep(2.0)
    chance, memory = random.Random(1), server.memory.holding
    took: list[float] = []
    lost = 0
    for _ in range(rounds):
        memory[LEVEL], memory[FEED] = LOW, 1
        await asyncio.sleep(REST * (1 + chance.random()))
        written.clear()
        began = time.perf_counter()
        memory[LEVEL] = HIGH
        try:
            await asyncio.wait_for(written.wait(), GIVE_UP)
        except TimeoutError:
            lost += 1
            continue
        took.append(time.perf_counter() - began)
        lost += int(memory[FEED] != 0)
    print(orjson.dumps({"took": took, "lost": lost}).decode(), flush=True)
    await server.stop()


def configuration(folder: Path, port: int, registers: int) -> Path:
    """One PLC at a 10 ms scan, a limit, and what follows it."""
    beside = {f"r{n}": {"at": f"holding:{n}"} for n in range(BESIDE, registers)}
    feed = {"at": f"holding:{FEED}", "range": [0, 1], "write": {"allow": ["rule"]}}
    device = {
        "device": "plc", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{port}?unit=1", "every": "10ms",
        "tags": {"level": {"at": f"holding:{LEVEL}"}, "feed": feed, **beside},
    }  # fmt: skip
    alarm = {"on_delay": "0s", "off_delay": "0s", "then": [{"write": "plc.feed", "value": 0}]}
    full = {"tag": "plc.level", "above": LIMIT, "alarm": alarm}
    root = {
        "gateway": {"id": "bench"}, "writes": {"enabled": True}, "telemetry": "changes",
        "assets": {"tank": {"tags": ["plc.level"], "sensors": False, "rules": {"full": full}}},
    }  # fmt: skip
    return write_configuration(folder, root, [device])


def measure(folder: Path, rounds: int, registers: int) -> dict[str, Any]:
    """What the PLC says."""
    simulated = Child(["bench.loop", "--plc", str(rounds), str(registers)], folder / "plc.log")
    gateway: Child | None = None
    try:
        config = configuration(folder, simulated.line()["port"], registers)
        (folder / "state").mkdir()
        gateway = daemon(config, folder / "state", folder / "gateway.log")
        listening(gateway, folder / "state")
        found: dict[str, Any] = simulated.line(60.0 + rounds * (2 * REST + GIVE_UP / 10))
        return found
    finally:
        if gateway is not None:
            gateway.stop()
        simulated.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="changes of the value (default: 200)")
    parser.add_argument("--registers", type=int, default=100, help="registers that each scan reads (default: 100)")
    parser.add_argument("--plc", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plc:
        asyncio.run(plc(*args.plc))
        return 0
    with tempfile.TemporaryDirectory(prefix="fieldgate-loop-") as folder:
        found = measure(Path(folder), args.rounds, args.registers)
    took = found["took"]
    p50, p99 = (quantile(took, share) for share in (0.5, 0.99))
    held = p99 <= BOUND and not found["lost"] and len(took) == args.rounds
    print(f"value change → alarm → write in the PLC, 10 ms scan of {args.registers} registers, {len(took)} times")
    print(f"p50 {p50 * 1e3:.1f} ms   p99 {p99 * 1e3:.1f} ms   worst {max(took, default=0) * 1e3:.1f} ms")
    print(f"lost {found['lost']}")
    print(f"{'held' if held else 'NOT HELD'}: p99 within {BOUND * 1e3:.0f} ms")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
