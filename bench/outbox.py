"""What delivery costs in CPU time of this process: encoding, outbox (put to accepted, real fsync), SQLite, MQTT.

    ./dev bench outbox [FOLDER]

encode:   columnar JSON of one scan of 40 tags.
paced:    500 messages a second, as a plant sends them: how long until they are safe.
durable:  batches of 1,000 readings as fast as they become safe, acknowledged and freed: readings a second, CPU a
          reading, bytes written a byte; and the same batches, as many to a commit, through SQLite in WAL mode with
          synchronous=FULL, which is as durable.
publish:  a full outbox emptied to mosquitto.
"""

import asyncio
import functools
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from gateway.config.broker import MqttConfig
from gateway.config.schema import OutboxConfig
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.deliver.payloads.columnar import Columnar
from gateway.deliver.publisher import Publisher
from gateway.ops.files import RealFiles
from gateway.sdk import DeviceConfig, TagTable
from gateway.sdk.testing import LoopClock, SilentLog
from tests.deliver.brokers import free_port, mosquitto

T = TypeVar("T")
TAGS = 40
RUNS = 5
BATCH = 1000  # readings
GROUP = 10  # batches to a commit
TOPIC = "fieldgate/line-3/telemetry/pump-7"


class Cost(NamedTuple):
    """What it took to make readings safe."""

    a_second: float  # readings
    us: float  # of CPU a reading
    written: float  # bytes a byte of payload


def table(count: int) -> TagTable:
    tags: dict[str, dict[str, str]] = {f"tag_{index}": {} for index in range(count)}
    return TagTable.build(
        [DeviceConfig.model_validate({"device": "pump-7", "adapter": "sim", "every": "1s", "tags": tags})]
    )


def scan(count: int) -> Callable[[int], bytes]:
    """The encoder of a scan of `count` tags: by the sequence."""
    encoder, rng = Columnar("line-3", table(count)), np.random.default_rng(0)
    rows, value = np.arange(count), rng.normal(50, 10, count).round(3)
    stamp, status = np.full(count, 1_700_000_000_000_000_000), np.zeros(count, np.uint32)

    def encode(sequence: int) -> bytes:
        return encoder.encode(0, rows, value, stamp, status, {}, "18bcfe56800", sequence, 1_700_000_000_000_000_000)

    return encode


def encoding(messages: int = 20_000) -> bytes:
    """Columnar JSON of one scan of 40 tags."""
    encode = scan(TAGS)
    best, body = 1e9, b""
    for _ in range(RUNS):
        start = time.process_time()
        for sequence in range(messages):
            body = encode(sequence)
        best = min(best, time.process_time() - start)
    report("encode", best, messages, f"{len(body)} bytes")
    return body


async def paced(folder: Path, body: bytes, pace: float = 500, seconds: float = 3.0) -> None:
    """Records at `pace` a second in ticks of 50 ms: put, accepted, taken, acknowledged."""
    arrived = asyncio.Event()
    outbox = Outbox(RealFiles(), folder, OutboxConfig(), LoopClock(), arrived.set)
    outbox.open()
    outbox.start()
    group = round(pace * 0.05)
    wall, cpu, records, waits = time.perf_counter(), time.process_time(), 0, []
    while time.perf_counter() - wall < seconds:
        start = time.perf_counter()
        await through(outbox, arrived, body, group, TAGS)
        records += group
        waits.append(time.perf_counter() - start)
        await asyncio.sleep(max(0.0, 0.05 - (time.perf_counter() - start)))
    spent, elapsed = time.process_time() - cpu, time.perf_counter() - wall
    await outbox.close()
    waits.sort()
    share, p50, p99 = 100 * spent / elapsed, waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3
    report(
        f"outbox {pace} records/s",
        spent,
        records,
        f"{share:.1f} % of a core, safe after p50 {p50:.2f} p99 {p99:.2f} ms",
    )


async def through(outbox: Outbox, arrived: asyncio.Event, body: bytes, group: int, readings: int) -> None:
    """Put a group, wait until it is safe, take and acknowledge it."""
    for _ in range(group):
        outbox.put(Class.TELEMETRY, outbox.reserve(Class.TELEMETRY), TOPIC, body, readings)
    taken = 0
    while taken < group:
        await arrived.wait()
        arrived.clear()
        for record in outbox.take(10_000):
            outbox.ack(record.cls, record.sequence)
            taken += 1


async def durable(folder: Path, body: bytes, seconds: float = 3.0) -> Cost:
    """Batches as fast as they become safe, each group waited for, as a commit of SQLite is."""
    arrived = asyncio.Event()
    outbox = Outbox(RealFiles(), folder, OutboxConfig(), LoopClock(), arrived.set)
    outbox.open()
    outbox.start()
    wall, cpu, batches = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - wall < seconds:
        await through(outbox, arrived, body, GROUP, BATCH)
        batches += GROUP
    spent, elapsed = time.process_time() - cpu, time.perf_counter() - wall
    written = outbox.stats().written_bytes
    await outbox.close()
    return Cost(batches * BATCH / elapsed, spent / batches / BATCH * 1e6, written / batches / len(body))


async def sqlite(folder: Path, body: bytes, seconds: float = 3.0) -> Cost:
    """The same through a table: a group is inserted and committed, read, and deleted with the next commit."""
    database = sqlite3.connect(folder / "outbox.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE outbox (sequence INTEGER PRIMARY KEY, topic TEXT, readings INTEGER, body BLOB)")
    before, wall, cpu, batches = handed_over(), time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - wall < seconds:
        database.execute("BEGIN")
        database.execute("DELETE FROM outbox WHERE sequence <= ?", (batches,))
        rows = [(batches + 1 + place, TOPIC, BATCH, body) for place in range(GROUP)]
        database.executemany("INSERT INTO outbox VALUES (?, ?, ?, ?)", rows)
        database.execute("COMMIT")
        taken = database.execute("SELECT * FROM outbox ORDER BY sequence").fetchall()
        assert len(taken) == GROUP
        batches += GROUP
    spent, elapsed = time.process_time() - cpu, time.perf_counter() - wall
    written = handed_over() - before
    database.close()
    return Cost(batches * BATCH / elapsed, spent / batches / BATCH * 1e6, written / batches / len(body))


def handed_over() -> int:
    """Bytes that this process has handed to the kernel to be written: proc(5), `wchar`."""
    return int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])


async def publishing(folder: Path, body: bytes, messages: int = 10_000) -> None:
    """A full outbox emptied to mosquitto: take, publish, PUBACK, acknowledge."""
    broker = mosquitto(folder, free_port(), "allow_anonymous true")
    broker.start()
    outbox = Outbox(RealFiles(), folder / "mqtt", OutboxConfig(), LoopClock())
    outbox.open()
    outbox.start()
    config = MqttConfig(url=f"mqtt://127.0.0.1:{broker.ports[0]}", window=200)
    publisher = Publisher(outbox, config, "line-3", LoopClock(), SilentLog())
    for _ in range(messages):
        outbox.put(Class.TELEMETRY, outbox.reserve(Class.TELEMETRY), TOPIC, body, TAGS)
    while outbox.stats().classes[Class.TELEMETRY].queued.records < messages:  # noqa: ASYNC110 - not what is measured
        await asyncio.sleep(0.01)
    wall, cpu = time.perf_counter(), time.process_time()
    task = asyncio.create_task(publisher.run())
    while publisher.counters["acked"] < messages:  # noqa: ASYNC110 - 100 looks a second cost nothing
        await asyncio.sleep(0.01)
    spent, elapsed = time.process_time() - cpu, time.perf_counter() - wall
    await publisher.stop()
    await task
    await outbox.close()
    broker.kill()
    report("publish QoS 1, window 200", spent, messages, f"{messages / elapsed:.0f} messages/s")


def report(what: str, seconds: float, records: int, more: str) -> None:
    each = seconds / records * 1e6
    print(f"{what:32s} {each:7.2f} us/record {each / TAGS:7.3f} us/reading   {more}", flush=True)


def fresh(folder: Path, run: Callable[[Path], Coroutine[None, None, T]]) -> T:
    folder = Path(tempfile.mkdtemp(dir=folder))
    try:
        return asyncio.run(run(folder))
    finally:
        shutil.rmtree(folder)


def compared(folder: Path) -> bool:
    """Ours against SQLite, in turns; medians of the CPU."""
    body = scan(BATCH)(1)
    sides = (functools.partial(durable, body=body), functools.partial(sqlite, body=body))
    rounds = [[fresh(folder, side) for side in sides] for _ in range(3)]
    ours, theirs = (sorted(costs, key=lambda cost: cost.us)[1] for costs in zip(*rounds, strict=True))
    for name, cost in (("outbox, batches of 1,000", ours), ("SQLite FULL, the same", theirs)):
        more = f"{cost.a_second / 1e6:.2f} million readings/s, {cost.written:.2f} x written"
        print(f"{name:32s} {cost.us:.4f} us/reading   {more}", flush=True)
    print(
        f"{'outbox against SQLite':32s} {ours.a_second / theirs.a_second:.2f} times the readings/s, "
        f"{theirs.us / ours.us:.2f} times less CPU, {theirs.written / ours.written:.2f} times less written"
    )
    wanted = ours.a_second >= 250_000, ours.us <= 0.2, ours.written <= 2
    print("  wanted: 250,000 readings/s, 0.2 us, 2 bytes a byte:", "met" if all(wanted) else "NOT MET")
    return all(wanted)


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir())
    body = encoding()
    fresh(folder, functools.partial(paced, body=body))
    good = compared(folder)
    fresh(folder, functools.partial(publishing, body=body))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
