"""From batch to outbox at 30,000 readings a second: CPU per reading, ours against an object per reading.

    ./dev bench pipeline [--seconds 20]

The plant: 250 devices of 120 tags each second (the device on which the peers were measured), 500 assets of 8 tags with the
default detector, calibrated; telemetry on; every message fsynced into the outbox. Both sides get the same values at the
same instants, check and scale the same way, give one message per device and scan to the same outbox and score the same
assets with the same ONNX graph. The control does it the way gateways are usually written: an object per reading, through a
queue and from stage to stage, against dictionaries, one JSON object per reading, one inference call per asset. Each side
runs in a process of its own; the CPU of the process that only makes the batches is measured too and taken off both.
"""

import argparse
import asyncio
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from gateway.config.schema import AlarmConfig, AssetConfig, OutboxConfig, PipelineConfig
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.deliver.topics import Topics
from gateway.ingest.gate import Gate
from gateway.models.cohorts import assemble
from gateway.models.detector import Detector, Member
from gateway.ops.clock import SystemClock
from gateway.ops.files import RealFiles
from gateway.pipeline import Outward, Pipeline
from gateway.sdk import quality
from gateway.sdk.batch import Batch
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.sdk.tags import TagTable
from gateway.sdk.testing import SilentLog

DEVICES, TAGS, ASSETS, WIDTH = 250, 120, 500, 8
STEP = 0.02  # s between two deliveries of batches
ROWS = 400  # of calibration
SETS = 16  # different scans of each device, over and over


def table() -> TagTable:
    tag = TagConfig(scale=0.1, offset=1.0, deadband=0.001, range=(-1e6, 1e6))
    tags = {f"t{k}": tag for k in range(TAGS)}
    return TagTable.build([DeviceConfig(device=f"d{i}", adapter="bench", every=1.0, tags=tags) for i in range(DEVICES)])


def assets() -> dict[str, AssetConfig]:
    """Two a device, of different tags."""
    return {
        f"a{i}": AssetConfig(
            tags=[f"d{i // 2}.t{WIDTH * (i % 2) + k}" for k in range(WIDTH)], calibrate=ROWS, alarm=AlarmConfig()
        )
        for i in range(ASSETS)
    }


class Plant:
    """Batches at their instants: an even spread of all devices over each second."""

    def __init__(self, tags: TagTable) -> None:
        rng = np.random.default_rng(1)
        self.groups = tags.groups
        self.values = {len(g): rng.normal(100, 5, (SETS, len(g))) for g in self.groups}
        turns = round(1 / STEP)
        self.turns = [self.groups[i::turns] for i in range(turns)]
        self.count = 0

    async def run(self, sink: Callable[[Batch], None], seconds: float, clock: SystemClock) -> None:
        start = clock.monotonic()
        for number in range(round(seconds / STEP)):
            await clock.sleep_until(start + number * STEP)
            now, pick = clock.wall_ns(), number // len(self.turns)
            for group in self.turns[number % len(self.turns)]:
                sink(Batch.of(group, self.values[len(group)][(pick + group.id) % SETS], now))
                self.count += len(group)


def calibrated(detector: Detector) -> None:
    """Teach every asset the same normal running."""
    teacher = Detector(WIDTH, [Member(1e-6, ROWS)])
    rng = np.random.default_rng(2)
    for row in rng.normal(100, 5, (ROWS, 1, WIDTH)) * 0.1 + 1.0:
        teacher.score(np.zeros(1, np.int64), row)
    teacher.poll()
    lesson = teacher.calibration(0)
    assert lesson is not None
    for member in range(len(detector)):
        detector.restore(member, lesson)


async def ours(plant: Plant, tags: TagTable, outbox: Outbox, seconds: float) -> None:
    clock, log = SystemClock(), SilentLog()
    judged = assemble(assets(), tags)
    for detector in judged.detectors:
        calibrated(detector)
    topics = Topics("fieldgate/{gateway}/{class}/{name}", "bench")
    pipeline = Pipeline(tags, judged.watch, Outward("bench", outbox, topics.of, "changes"))
    gate = Gate(pipeline.process, clock, log, tick=PipelineConfig().tick, limit=2**26)
    await measured(plant, gate, outbox, seconds, lambda: pipeline.counters["rows_scored_total"])
    assert not gate.counters["turns_failed_total"], log.lines


@dataclass
class Reading:
    device: int
    row: int
    tag: str
    time: int
    value: float
    status: int


class ObjectPerReading:
    """The same work, one reading at a time."""

    def __init__(self, tags: TagTable, outbox: Outbox) -> None:
        self.tags, self.outbox, self.queue = tags, outbox, asyncio.Queue[Reading | None](1_000_000)
        columns = (tags.scale, tags.offset, tags.low, tags.high, tags.deadband)
        self.scale, self.offset, self.low, self.high, self.deadband = (column.tolist() for column in columns)
        self.image: dict[int, Reading] = {}
        self.detector = Detector(WIDTH, [Member(1e-6, ROWS)] * ASSETS)
        calibrated(self.detector)
        self.counters: Counter[str] = Counter()
        self.scored = 0
        self.above = 0

    def sink(self, batch: Batch) -> None:
        start = batch.rows.start  # type: ignore[union-attr]
        for i, value in enumerate(batch.value.tolist()):
            row = start + i
            self.queue.put_nowait(Reading(batch.device, row, self.tags.names[row], batch.received, value, 0))
        self.queue.put_nowait(None)  # the scan is complete

    async def consume(self) -> None:
        seen: list[Reading] = []
        changed: list[Reading] = []
        while True:
            reading = await self.queue.get()
            if reading is None:
                self.complete(seen, changed)
                seen, changed = [], []
                continue
            self.counters["readings_total"] += 1
            reading = self.condition(reading)
            if self.worth_reporting(reading):
                changed.append(reading)
            else:
                self.counters["readings_suppressed_total"] += 1
            self.image[reading.row] = reading
            seen.append(reading)

    def condition(self, reading: Reading) -> Reading:
        row, status = reading.row, reading.status
        value = reading.value * self.scale[row] + self.offset[row]
        last = self.image.get(row)
        if not math.isfinite(value):
            value, status = math.nan, quality.BAD_OUT_OF_RANGE
        elif last is not None and reading.time < last.time:
            value, status = math.nan, quality.BAD_INVALID_TIMESTAMP
        elif not self.low[row] <= value <= self.high[row]:
            value, status = min(max(value, self.low[row]), self.high[row]), quality.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED
        return Reading(reading.device, row, reading.tag, reading.time, value, status)

    def worth_reporting(self, reading: Reading) -> bool:
        last = self.image.get(reading.row)
        if last is None or last.status != reading.status:
            return True
        return abs(reading.value - last.value) > self.deadband[reading.row]

    def complete(self, seen: list[Reading], changed: list[Reading]) -> None:
        device = seen[0].device
        for which in range(2):
            tags = seen[WIDTH * which : WIDTH * (which + 1)]
            x = np.array([[r.value if r.status == quality.GOOD else math.nan for r in tags]])
            scores = self.detector.score(np.array([2 * device + which]), x)
            self.scored += 1
            self.above += bool(scores.score[0] > scores.threshold[0])
        if changed:
            self.send(device, changed)

    def send(self, device: int, changed: list[Reading]) -> None:
        name, sequence = self.tags.devices[device].name, self.outbox.reserve(Class.TELEMETRY)
        message = {
            "schema": 1,
            "id": f"bench/{self.outbox.epoch}/telemetry/{sequence}",
            "gateway": "bench",
            "epoch": self.outbox.epoch,
            "device": name,
            "sequence": sequence,
            "readings": [
                {"tag": r.tag, "time": r.time // 1_000_000, "value": r.value, "status": r.status} for r in changed
            ],
        }
        topic = f"fieldgate/bench/telemetry/{name}"
        self.outbox.put(Class.TELEMETRY, sequence, topic, orjson.dumps(message), len(changed))


async def control(plant: Plant, tags: TagTable, outbox: Outbox, seconds: float) -> None:
    other = ObjectPerReading(tags, outbox)
    task = asyncio.create_task(other.consume())
    await measured(plant, other.sink, outbox, seconds, lambda: other.scored)
    task.cancel()


async def nothing(plant: Plant, _tags: TagTable, outbox: Outbox, seconds: float) -> None:
    await measured(plant, lambda _batch: None, outbox, seconds, lambda: 0)


async def measured(
    plant: Plant, sink: Callable[[Batch], None], outbox: Outbox, seconds: float, scored: Callable[[], int]
) -> None:
    """Two seconds to settle, then the run that counts. Everything is acknowledged at once, as a fast broker would."""

    def swallow() -> None:
        for record in outbox.take(10_000):
            outbox.ack(record.cls, record.sequence)

    outbox.on_accepted = swallow
    await plant.run(sink, 2.0, SystemClock())
    before, rows, messages, at, wall = (
        plant.count,
        scored(),
        messages_put(outbox),
        time.process_time(),
        time.monotonic(),
    )
    await plant.run(sink, seconds, SystemClock())
    await asyncio.sleep(0.2)
    spent, took = time.process_time() - at, time.monotonic() - wall
    readings = plant.count - before
    print(json.dumps({
        "readings": readings, "per_second": round(readings / took), "cpu": spent, "us": 1e6 * spent / readings,
        "scored": scored() - rows, "messages": messages_put(outbox) - messages, "accounts balance": balanced(outbox),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))  # fmt: skip


def messages_put(outbox: Outbox) -> int:
    return sum(c.put.records for c in outbox.stats().classes.values())


def balanced(outbox: Outbox) -> bool:
    return all(c.balances and not c.dropped for c in outbox.stats().classes.values())


async def side(which: str, seconds: float) -> None:
    tags = table()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        outbox = Outbox(RealFiles(), Path(folder), OutboxConfig(), SystemClock())
        outbox.open()
        outbox.start()
        await {"ours": ours, "control": control, "nothing": nothing}[which](Plant(tags), tags, outbox, seconds)
        await outbox.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--side", choices=("ours", "control", "nothing"))
    args = parser.parse_args(arguments)
    if args.side:
        asyncio.run(side(args.side, args.seconds))
        return 0
    found = {}
    for which in ("nothing", "ours", "control"):
        command = [sys.executable, __file__, "--side", which, "--seconds", str(args.seconds)]
        found[which] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{which:8} {json.dumps(found[which])}", file=sys.stderr)
    base = found["nothing"]["us"]
    mine, theirs = found["ours"]["us"] - base, found["control"]["us"] - base
    print(
        f"ours {mine:.2f} us of CPU per reading ({found['ours']['us']:.2f} with the making of batches), "
        f"{found['ours']['rss_mb']:.0f} MB; object per reading {theirs:.2f} us: {theirs / mine:.1f} times as much"
    )
    return 0 if mine <= 1.0 and theirs / mine >= 15 and found["ours"]["rss_mb"] <= 150 else 1


if __name__ == "__main__":
    sys.exit(main())
