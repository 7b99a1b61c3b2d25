"""What a Modbus poll costs: ours against pymodbus and against a client in C, all on one farm of devices in C.

    ./dev bench modbus [--devices 500] [--seconds 5] [--paced 15] [--rounds 3] [--loop uvloop|asyncio]

registers: every device is asked again as soon as all have answered; CPU per request until 125 registers lie in a
           buffer, answers checked. Our engine, pymodbus, and a client in C that checks nothing but the length.
values:    the same as far as 95 tags of four kinds: ours with quality and time as batches, pymodbus with its own
           conversion to a list.
paced:     every device once a second, as values; C still throws away what it gets.
decode:    500 devices of one profile in one pass; microseconds per tag.
dead:      100 devices, ten of them dead (half refuse, half are silent); how late the others are then.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pymodbus.client import AsyncModbusTcpClient

from gateway.sdk import Batch, Connection, DisconnectedError, Sink, TagTable
from gateway.sdk.testing import host
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.coding import Coding
from gateway_modbus.config import ModbusDevice
from gateway_modbus.decode import Decoder, Place
from gateway_modbus.endpoint import Endpoint
from gateway_modbus.frames import Request, read_request
from gateway_modbus.link import Link
from gateway_modbus.opening import open_link
from gateway_modbus.poller import PHASES

REGISTERS, FLOATS, LONGS = 125, 20, 10
WARM_UP = 2.0  # s
Progress = Callable[[], int]  # requests so far
Running = contextlib.AbstractAsyncContextManager[Progress]


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


def table(ports: list[int], every: float, timeout: float = 5.0) -> TagTable:
    """Devices with float32 in CDAB, int32 and uint16, as maps of real devices have them."""
    float32 = {"type": "float32", "order": "CDAB"}
    tags: dict[str, Any] = {f"f{i}": {"at": f"holding:{2 * i}"} | float32 for i in range(FLOATS)}
    tags |= {f"i{i}": {"at": f"holding:{40 + 2 * i}", "type": "int32"} for i in range(LONGS)}
    tags |= {f"u{i}": {"at": f"holding:{60 + i}"} for i in range(REGISTERS - 60)}
    base = {"adapter": "modbus", "every": every, "timeout": timeout, "tags": tags}
    places = [{"device": f"d{i}", "connect": f"tcp://127.0.0.1:{port}"} for i, port in enumerate(ports)]
    return TagTable.build([ModbusDevice.model_validate(base | place) for place in places])


@contextlib.asynccontextmanager
async def running(made: TagTable, sink: Sink) -> AsyncIterator[None]:
    """Every device by an adapter of its own, which connects again as the gateway has it do."""

    async def kept(line: ModbusAdapter) -> None:
        while True:
            with contextlib.suppress(DisconnectedError):
                await line.connect()
                await line.run(sink)
            await line.close()
            await asyncio.sleep(0.5)

    with tempfile.TemporaryDirectory() as home:
        lines = [
            ModbusAdapter(Connection(device.name, (device,), device.id / len(made.devices)), host(Path(home)))
            for device in made.devices
        ]
        runs = [asyncio.ensure_future(kept(line)) for line in lines]
        yield
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        for line in lines:
            await line.close()


@contextlib.asynccontextmanager
async def plugin(port: int, devices: int, hertz: float) -> AsyncIterator[Progress]:
    count = 0

    def sink(batch: Batch) -> None:
        nonlocal count
        count += not batch.status[0]

    async with running(table([port] * devices, 1 / hertz if hertz else 1e-6), sink):
        yield lambda: count


@contextlib.asynccontextmanager
async def engine(port: int, devices: int, _: float) -> AsyncIterator[Progress]:
    """Links alone: all are asked, and when all have answered all are asked again."""
    counters, count, left = Counter[str](), 0, 0
    buffer = memoryview(bytearray(2 * REGISTERS * devices))
    links = [
        await open_link(Endpoint("127.0.0.1", port, 1), lambda manners: Link(counters, 0, manners), 5.0)
        for _ in range(devices)
    ]

    def request(place: int) -> Request:
        slot = buffer[2 * REGISTERS * place :][: 2 * REGISTERS]

        def store(payload: bytes) -> None:
            slot[:] = payload

        return Request(read_request(1, 3, 0, REGISTERS), 2 * REGISTERS, store, 5.0)

    jobs = [(link, [request(place)]) for place, link in enumerate(links)]

    def ask() -> None:
        nonlocal left
        left = devices
        for link, requests in jobs:
            link.begin(requests, done)

    def done(outcomes: list[int] | None) -> None:
        nonlocal count, left
        assert outcomes == [0] or left < 0
        count, left = count + 1, left - 1
        if left == 0:
            asyncio.get_running_loop().call_soon(ask)

    ask()
    yield lambda: count
    left = -1
    for link in links:
        await link.close()


@contextlib.asynccontextmanager
async def pymodbus(port: int, devices: int, hertz: float, *, values: bool) -> AsyncIterator[Progress]:
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port) for _ in range(devices)]
    loop, count, stopped = asyncio.get_running_loop(), 0, False

    async def poll(client: AsyncModbusTcpClient, phase: float) -> None:
        nonlocal count
        due = loop.time() + phase
        while not stopped:
            if hertz:
                due += 1 / hertz
                await asyncio.sleep(due - loop.time())
            answer = await client.read_holding_registers(0, count=REGISTERS)
            if values:
                assert len(converted(client, list(answer.registers))) == FLOATS + LONGS + REGISTERS - 60
            count += 1

    for client in clients:
        await client.connect()
    runs = [
        asyncio.ensure_future(poll(client, place * PHASES // devices / PHASES)) for place, client in enumerate(clients)
    ]
    yield lambda: count
    stopped = True  # pymodbus turns a cancellation into an error of the call
    await asyncio.wait(runs)
    for client in clients:
        client.close()


def converted(client: AsyncModbusTcpClient, registers: list[int]) -> list[Any]:
    kinds, convert = client.DATATYPE, client.convert_from_registers
    found = [convert(registers[2 * i : 2 * i + 2], kinds.FLOAT32, word_order="little") for i in range(FLOATS)]
    found += [convert(registers[40 + 2 * i : 42 + 2 * i], kinds.INT32) for i in range(LONGS)]
    return found + [convert(registers[60 + i : 61 + i], kinds.UINT16) for i in range(REGISTERS - 60)]


CLIENTS: dict[str, Callable[[int, int, float], Running]] = {
    "plugin": plugin,
    "engine": engine,
    "pymodbus": lambda *where: pymodbus(*where, values=False),
    "pymodbus-values": lambda *where: pymodbus(*where, values=True),
}


async def watched(client: Running, seconds: float) -> tuple[int, float]:
    """(requests, microseconds of CPU)."""
    async with client as progress:
        while not progress():  # noqa: ASYNC110 - a bench
            await asyncio.sleep(0.1)
        await asyncio.sleep(WARM_UP)
        gc.collect()
        gc.freeze()  # as the daemon does
        start, before = time.process_time(), progress()
        await asyncio.sleep(seconds)
        return progress() - before, (time.process_time() - start) * 1e6


def in_loop(kind: str, work: Coroutine[Any, Any, Any]) -> Any:
    import uvloop  # noqa: PLC0415 - optional

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if kind == "uvloop" else asyncio.new_event_loop) as runner:
        return runner.run(work)


def measured(who: str, port: int, args: argparse.Namespace, seconds: float, hertz: float) -> float:
    """Microseconds of CPU per request, in a process of its own, so that nothing of another client is counted."""
    numbers = [str(number) for number in (port, args.devices, seconds, hertz)]
    command = [sys.executable, __file__, "--child", who, *numbers, args.loop]
    if who == "C":
        command = [args.program, "client", *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 120)
    requests, spent = json.loads(done.stdout) if who != "C" else done.stdout.split()
    return float(spent) / int(requests)


def compared(clients: list[str], port: int, args: argparse.Namespace, seconds: float, hertz: float) -> dict[str, float]:
    """CPU per request of each: the median of a few rounds, all of them in each."""
    rounds = [{who: measured(who, port, args, seconds, hertz) for who in clients} for _ in range(args.rounds)]
    return {who: statistics.median(found[who] for found in rounds) for who in clients}


def decode(devices: int) -> float:
    """Microseconds per tag."""
    places = [Place(4 * i, Coding("float32", "CDAB")) for i in range(FLOATS)]
    places += [Place(80 + 4 * i, Coding("int32")) for i in range(LONGS)]
    places += [Place(120 + 2 * i, Coding("uint16")) for i in range(REGISTERS - 60)]
    decoder, raw = Decoder(places), np.zeros((devices, 2 * REGISTERS), np.uint8)
    took = []
    for _ in range(200):
        start = time.perf_counter()
        decoder(raw)
        took.append(time.perf_counter() - start)
    return statistics.median(took) / devices / len(places) * 1e6


async def lateness(port: int, dead: int, seconds: float) -> float:
    """How late, in ms, 99 % of the batches of the living devices are, where `dead` of 100 are dead."""
    late: list[float] = []

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    nobody = await asyncio.start_server(silent, "127.0.0.1", 0)
    refusing = nobody.sockets[0].getsockname()[1]
    nobody.close()
    ports = [port] * 100
    for place in range(dead):
        ports[place * 10] = refusing if place % 2 else server.sockets[0].getsockname()[1]

    def sink(batch: Batch) -> None:
        if not batch.status[0]:
            late.append((time.monotonic() - int(batch.device / 100 * PHASES) / PHASES) % 1.0)

    async with running(table(ports, 1.0, 1.0), sink):
        await asyncio.sleep(2.5)  # the first reads come off the grid
        late.clear()
        await asyncio.sleep(seconds)
    server.close()
    return float(np.percentile(late, 99)) * 1e3


def verdict(what: str, figure: float, wanted: float, *, most: bool) -> bool:
    good = figure <= wanted if most else figure >= wanted
    print(f"  {what:46} {figure:8.3f}   wanted {'≤' if most else '≥'} {wanted:g}   {'met' if good else 'NOT MET'}")
    return good


def shown(what: str, costs: dict[str, float]) -> None:
    print(f"  {what:11}" + "".join(f"{who} {cost:.1f}   " for who, cost in costs.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--paced", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--child", nargs=6, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        who, port, devices, seconds, hertz, loop = args.child
        client = CLIENTS[who](int(port), int(devices), float(hertz))
        print(json.dumps(in_loop(loop, watched(client, float(seconds)))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        args.program = str(built(Path(folder)))
        with farm(Path(args.program)) as port:
            bare = compared(["C", "engine", "pymodbus"], port, args, args.seconds, 0.0)
            full = compared(["plugin", "pymodbus-values"], port, args, args.seconds, 0.0)
            slow = compared(["C", "plugin", "pymodbus-values"], port, args, args.paced, 1.0)
            alive, dead = (in_loop(args.loop, lateness(port, count, args.paced)) for count in (0, 10))
    print(
        f"{args.devices} devices of {REGISTERS} registers, {args.loop}; us of CPU per request, median of {args.rounds}"
    )
    for what, costs in (("registers", bare), ("values", full), ("paced 1 Hz", slow)):
        shown(what, costs)
    verdicts = [
        verdict("registers: pymodbus to ours", bare["pymodbus"] / bare["engine"], 4, most=False),
        verdict("registers: ours to C", bare["engine"] / bare["C"], 1.5, most=True),
        verdict("values: pymodbus to ours", full["pymodbus-values"] / full["plugin"], 4, most=False),
        verdict("paced, values: pymodbus to ours", slow["pymodbus-values"] / slow["plugin"], 4, most=False),
        verdict("plugin at 1 Hz, share of a core in %", slow["plugin"] * args.devices / 1e4, 3, most=True),
        verdict("decode, us per tag", decode(args.devices), 0.02, most=True),
        verdict("10 of 100 dead: p99 of the others moves, ms", dead - alive, 50, most=True),
    ]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
