"""What delivery costs in CPU time of this process: encoding, outbox (put to accepted, real fsync), MQTT.

python bench/outbox.py [folder]
"""

import asyncio
import functools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import numpy as np

from gateway.config.schema import MqttConfig, OutboxConfig
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.deliver.payloads.columnar import Columnar
from gateway.deliver.publisher import Publisher
from gateway.ops.files import RealFiles
from gateway.sdk import DeviceConfig, TagTable
from gateway.sdk.testing import LoopClock, SilentLog
from tests.deliver.brokers import free_port, mosquitto

TAGS = 40
RUNS = 5


def table() -> TagTable:
    tags: dict[str, dict[str, str]] = {f"tag_{index}": {} for index in range(TAGS)}
    return TagTable.build(
        [DeviceConfig.model_validate({"device": "pump-7", "adapter": "sim", "every": "1s", "tags": tags})]
    )


def encoding(messages: int = 20_000) -> bytes:
    """Columnar JSON of one scan of 40 tags."""
    encoder, rng = Columnar("line-3", table()), np.random.default_rng(0)
    rows, value = np.arange(TAGS), rng.normal(50, 10, TAGS).round(3)
    stamp, status = np.full(TAGS, 1_700_000_000_000_000_000), np.zeros(TAGS, np.uint32)
    best, body = 1e9, b""
    for _ in range(RUNS):
        start = time.process_time()
        for sequence in range(messages):
            body = encoder.encode(0, rows, value, stamp, status, {}, "18bcfe56800", sequence, 1_700_000_000_000_000_000)
        best = min(best, time.process_time() - start)
    report("encode", best, messages, f"{len(body)} bytes")
    return body


async def storing(folder: Path, body: bytes, pace: float, seconds: float = 3.0) -> None:
    """Records at `pace` a second in ticks of 50 ms, or as fast as they go: put, accepted, taken, acknowledged."""
    arrived = asyncio.Event()
    outbox = Outbox(RealFiles(), folder, OutboxConfig(), LoopClock(), arrived.set)
    outbox.open()
    outbox.start()
    group = max(1, round(pace * 0.05)) if pace else 200
    wall, cpu, records, waits = time.perf_counter(), time.process_time(), 0, []
    while time.perf_counter() - wall < seconds:
        start = time.perf_counter()
        for _ in range(group):
            outbox.put(
                Class.TELEMETRY, outbox.reserve(Class.TELEMETRY), "fieldgate/line-3/telemetry/pump-7", body, TAGS
            )
        records += group
        taken = 0
        while taken < group:
            await arrived.wait()
            arrived.clear()
            for record in outbox.take(10_000):
                outbox.ack(record.cls, record.sequence)
                taken += 1
        waits.append(time.perf_counter() - start)
        if pace:
            await asyncio.sleep(max(0.0, 0.05 - (time.perf_counter() - start)))
    spent, elapsed = time.process_time() - cpu, time.perf_counter() - wall
    stats = outbox.stats()
    await outbox.close()
    waits.sort()
    report(
        f"outbox {pace or records / elapsed:.0f} records/s",
        spent,
        records,
        f"{records * TAGS / elapsed:.0f} readings/s, {100 * spent / elapsed:.1f} % of a core, {stats.fsyncs} fsyncs, "
        f"{stats.written_bytes / records / (len(body) + 33):.2f} x written, group accepted p50 "
        f"{waits[len(waits) // 2] * 1e3:.2f} p99 {waits[len(waits) * 99 // 100] * 1e3:.2f} ms",
    )


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
        outbox.put(Class.TELEMETRY, outbox.reserve(Class.TELEMETRY), "fieldgate/line-3/telemetry/pump-7", body, TAGS)
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


def fresh(folder: Path, run: Callable[[Path], Coroutine[None, None, None]]) -> None:
    folder = Path(tempfile.mkdtemp(dir=folder))
    try:
        asyncio.run(run(folder))
    finally:
        shutil.rmtree(folder)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir())
    body = encoding()
    for pace in (500, 0):
        fresh(folder, functools.partial(storing, body=body, pace=pace))
    fresh(folder, functools.partial(publishing, body=body))


if __name__ == "__main__":
    main()
