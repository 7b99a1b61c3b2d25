"""What a Modbus poll costs: ours against pymodbus and against a client in C, all on one farm of devices in C.

    ./dev bench modbus [--devices 500] [--seconds 8] [--paced 20] [--loop uvloop|asyncio]

saturated: every device is asked again as soon as it has answered; microseconds of CPU per request of 125 registers.
           Ours decodes all 125 tags and makes a batch of them; pymodbus gives its list of registers; C throws away.
paced:     every device once a second; share of a core.
decode:    500 devices of one profile in one pass; microseconds per tag.
"""

import argparse
import asyncio
import gc
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pymodbus.client import AsyncModbusTcpClient

from gateway.sdk import Batch, Connection, TagTable
from gateway.sdk.testing import host
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.coding import Coding
from gateway_modbus.config import ModbusDevice
from gateway_modbus.decode import Decoder, Place

REGISTERS, ROUNDS = 125, 3
Client = Callable[[int, int, float, float], Coroutine[Any, Any, tuple[int, float]]]


def built(folder: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        sys.exit("this bench needs a C compiler: apt install gcc")
    program = folder / "floor"
    subprocess.run([compiler, "-O2", "-o", program, Path(__file__).with_name("modbus_floor.c")], check=True)
    return program


@contextmanager
def farm(program: Path) -> Iterator[int]:
    with subprocess.Popen([program, "farm"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def table(port: int, devices: int, every: float) -> TagTable:
    """Devices of four kinds of tags, as maps of real devices have them."""
    tags: dict[str, Any] = {f"f{i}": {"at": f"holding:{2 * i}", "type": "float32", "order": "CDAB"} for i in range(20)}
    tags |= {f"i{i}": {"at": f"holding:{40 + 2 * i}", "type": "int32"} for i in range(10)}
    tags |= {f"u{i}": {"at": f"holding:{60 + i}"} for i in range(REGISTERS - 60)}
    base = {"adapter": "modbus", "connect": f"tcp://127.0.0.1:{port}", "every": every, "timeout": 5.0, "tags": tags}
    return TagTable.build([ModbusDevice.model_validate(base | {"device": f"d{i}"}) for i in range(devices)])


async def ours(port: int, devices: int, seconds: float, hertz: float) -> tuple[int, float]:
    made = table(port, devices, 1 / hertz if hertz else 1e-6)
    batches = 0

    def sink(batch: Batch) -> None:  # noqa: ARG001 - the sink's signature
        nonlocal batches
        batches += 1

    with tempfile.TemporaryDirectory() as home:
        lines = [
            ModbusAdapter(Connection(device.name, (device,), device.id / devices), host(Path(home)))
            for device in made.devices
        ]
        for line in lines:
            await line.connect()
        runs = [asyncio.ensure_future(line.run(sink)) for line in lines]
        await asyncio.sleep(2.0)
        gc.collect()
        gc.freeze()  # as the daemon does
        start, before = time.process_time(), batches
        await asyncio.sleep(seconds)
        spent, polls = time.process_time() - start, batches - before
        assert not any(run.done() for run in runs)
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        for line in lines:
            await line.close()
    return polls, spent * 1e6


async def theirs(port: int, devices: int, seconds: float, hertz: float) -> tuple[int, float]:
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port) for _ in range(devices)]
    loop, polls, stopped = asyncio.get_running_loop(), 0, False

    async def poll(client: AsyncModbusTcpClient, phase: float) -> None:
        nonlocal polls
        due = loop.time() + phase
        while not stopped:
            if hertz:
                due += 1 / hertz
                await asyncio.sleep(due - loop.time())
            answer = await client.read_holding_registers(0, count=REGISTERS)
            assert answer.registers[1] == 1
            polls += 1

    for client in clients:
        await client.connect()
    runs = [asyncio.ensure_future(poll(client, (i * 20 // devices) / 20)) for i, client in enumerate(clients)]
    await asyncio.sleep(2.0)
    gc.collect()
    gc.freeze()
    start, before = time.process_time(), polls
    await asyncio.sleep(seconds)
    spent, done = time.process_time() - start, polls - before
    stopped = True  # pymodbus turns a cancellation into an error of the call
    await asyncio.wait(runs)
    for client in clients:
        client.close()
    return done, spent * 1e6


CLIENTS: dict[str, Client] = {"ours": ours, "pymodbus": theirs}


def child(args: argparse.Namespace) -> None:
    """One client in a process of its own, so that nothing of another run is counted."""
    import uvloop  # noqa: PLC0415 - optional

    factory = uvloop.new_event_loop if args.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        print(json.dumps(runner.run(CLIENTS[args.child](args.port, args.devices, args.seconds, args.hertz))))


def measured(who: str, port: int, args: argparse.Namespace, seconds: float, hertz: float) -> tuple[int, float]:
    """(requests, microseconds of CPU)."""
    words = [
        who,
        "--port",
        port,
        "--devices",
        args.devices,
        "--seconds",
        seconds,
        "--hertz",
        hertz,
        "--loop",
        args.loop,
    ]
    command = [sys.executable, __file__, "--child", *map(str, words)]
    if who == "C":
        command = [args.program, "client", *(str(word) for word in (port, args.devices, seconds, hertz))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    requests, spent = json.loads(done.stdout) if who != "C" else done.stdout.split()
    return int(requests), float(spent)


def compared(port: int, args: argparse.Namespace, seconds: float, hertz: float) -> dict[str, float]:
    """CPU per request of each, microseconds: the median of a few rounds, all three in each."""
    rounds = []
    for _ in range(ROUNDS):
        each = {who: measured(who, port, args, seconds, hertz) for who in ("C", "ours", "pymodbus")}
        rounds.append({who: spent / requests for who, (requests, spent) in each.items()})
    return {who: statistics.median(found[who] for found in rounds) for who in rounds[0]}


def decode(devices: int) -> float:
    """Microseconds per tag."""
    places = [Place(4 * i, Coding("float32", "CDAB")) for i in range(20)]
    places += [Place(80 + 4 * i, Coding("int32")) for i in range(10)]
    places += [Place(120 + 2 * i, Coding("uint16")) for i in range(REGISTERS - 60)]
    decoder, raw = Decoder(places), np.zeros((devices, 2 * REGISTERS), np.uint8)
    took = []
    for _ in range(200):
        start = time.perf_counter()
        decoder(raw)
        took.append(time.perf_counter() - start)
    return statistics.median(took) / devices / len(places) * 1e6


def verdict(what: str, figure: float, wanted: float, *, most: bool) -> bool:
    good = figure <= wanted if most else figure >= wanted
    print(f"  {what:46} {figure:8.3f}   wanted {'≤' if most else '≥'} {wanted:g}   {'met' if good else 'NOT MET'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--paced", type=float, default=15.0)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    for name, kind in (("--child", str), ("--port", int), ("--hertz", float), ("--program", str)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        args.program = str(built(Path(folder)))
        with farm(Path(args.program)) as port:
            fast = compared(port, args, args.seconds, 0.0)
            slow = compared(port, args, args.paced, 1.0)
    print(
        f"{args.devices} devices of {REGISTERS} registers, {args.loop}; CPU in us per request, median of {ROUNDS} rounds"
    )
    print(f"  saturated  C {fast['C']:6.1f}   ours {fast['ours']:6.1f}   pymodbus {fast['pymodbus']:6.1f}")
    print(f"  paced 1 Hz C {slow['C']:6.1f}   ours {slow['ours']:6.1f}   pymodbus {slow['pymodbus']:6.1f}")
    verdicts = [
        verdict("pymodbus to ours, saturated", fast["pymodbus"] / fast["ours"], 4, most=False),
        verdict("pymodbus to ours, paced", slow["pymodbus"] / slow["ours"], 4, most=False),
        verdict("ours to C, saturated", fast["ours"] / fast["C"], 1.5, most=True),
        verdict("plugin at 1 Hz, share of a core in %", slow["ours"] * args.devices / 1e4, 3, most=True),
        verdict("decode, us per tag", decode(args.devices), 0.02, most=True),
    ]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
