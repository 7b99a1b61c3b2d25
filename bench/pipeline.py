"""From batch to outbox at 30,000 readings a second: CPU per reading, ours against an object per reading.

    ./dev bench pipeline [--seconds 10] [--rounds 3]

The plant: 250 devices of 120 registers each second (the device on which the peers were measured), 500 assets of 8 tags
with the default detector, calibrated; telemetry on; every message fsynced into the outbox. Both sides get the same
values at the same instants, check and scale the same way, give one message per device and scan that is durable first,
score the same assets with the same ONNX graph. The control does it the way gateways are usually written: an object per
reading, through a queue and from stage to stage, against dictionaries, a row per reading in SQLite (synchronous=FULL,
committed every 100 ms, deleted once sent), one JSON object per reading, one inference call per asset. Each side runs in
a process of its own, in turns with the others; the CPU of a process that only makes the batches is taken off both, and
the medians of the rounds are compared.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.pipeline_control import ObjectPerReading, Rows
from gateway.cli.run import loop_factory
from gateway.config.assets import AlarmConfig, AssetConfig
from gateway.config.schema import OutboxConfig, PipelineConfig
from gateway.deliver.outbox import Outbox
from gateway.deliver.topics import Topics
from gateway.ingest.gate import Gate
from gateway.models.cohorts import assemble
from gateway.models.detector import Detector, Member
from gateway.ops.clock import SystemClock
from gateway.ops.files import RealFiles
from gateway.pipeline import Outward, Pipeline
from gateway.sdk.batch import Batch
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.sdk.tags import TagTable
from gateway.sdk.testing import SilentLog
from gateway.stages.sensor import Sensors

DEVICES, TAGS, ASSETS, WIDTH = 250, 120, 500, 8
STEP = 0.02  # s between two deliveries of batches
ROWS = 400  # of calibration
SETS = 16  # different scans of each device, over and over


def table() -> TagTable:
    tag = TagConfig(scale=0.1, offset=1.0, deadband=0.001)
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
        self.values = rng.normal(1000, 50, (SETS, TAGS)).round()  # what 16-bit registers give
        turns = round(1 / STEP)
        self.turns = [self.groups[i::turns] for i in range(turns)]
        self.count = 0

    async def run(self, sink: Callable[[Batch], None], seconds: float, clock: SystemClock) -> None:
        start = clock.monotonic()
        for number in range(round(seconds / STEP)):
            await clock.sleep_until(start + number * STEP)
            now, pick = clock.wall_ns(), number // len(self.turns)
            for group in self.turns[number % len(self.turns)]:
                sink(Batch.of(group, self.values[(pick + group.id) % SETS], now))
                self.count += len(group)


def calibrated(detector: Detector) -> None:
    """Teach every asset the same normal running."""
    teacher = Detector(WIDTH, [Member(1e-6, ROWS)])
    rng = np.random.default_rng(2)
    for row in rng.normal(1000, 50, (ROWS, 1, WIDTH)).round() * 0.1 + 1.0:
        teacher.score(np.zeros(1, np.int64), row)
    teacher.poll()
    lesson = teacher.calibration(0)
    assert lesson is not None
    for member in range(len(detector)):
        detector.restore(member, lesson)


def taught(sensors: Sensors) -> None:
    """Let all members learn what is usual for their sensors."""
    members = np.arange(ASSETS)
    for row in np.random.default_rng(3).normal(1000, 50, (ROWS, 1, WIDTH)).round() * 0.1 + 1.0:
        sensors.step(members, np.repeat(row, ASSETS, axis=0))


async def ours(plant: Plant, tags: TagTable, outbox: Outbox, seconds: float) -> None:
    clock, log = SystemClock(), SilentLog()
    judged = assemble(assets(), tags)
    for detector in judged.detectors:
        calibrated(detector)
    for cohort in judged.watch.cohorts:
        assert cohort.sensors is not None
        taught(cohort.sensors)
    topics = Topics("fieldgate/{gateway}/{class}/{name}", "bench")
    pipeline = Pipeline(tags, judged.watch, Outward("bench", outbox, topics.of, "changes"))
    gate = Gate(pipeline.process, clock, log, tick=PipelineConfig().tick, limit=2**26)
    await measured(plant, gate, outbox, seconds, lambda: pipeline.counters["rows_scored_total"])
    assert not gate.counters["turns_failed_total"], log.lines


async def control(plant: Plant, tags: TagTable, outbox: Outbox, seconds: float) -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        rows = Rows(Path(folder))
        detector = Detector(WIDTH, [Member(1e-6, ROWS)] * ASSETS)
        calibrated(detector)
        other = ObjectPerReading(tags, rows, detector, WIDTH)
        tasks = [asyncio.create_task(other.consume()), asyncio.create_task(rows.run())]
        await measured(plant, other.sink, outbox, seconds, lambda: other.scored)
        for task in tasks:
            task.cancel()
        rows.thread.shutdown()
        print(json.dumps({"messages": rows.messages}), file=sys.stderr)


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
    return all(bool(c.balances) and not c.dropped for c in outbox.stats().classes.values())


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
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=("ours", "control", "nothing"))
    args = parser.parse_args(arguments)
    if args.side:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:  # the daemon's own loop, for all sides
            runner.run(side(args.side, args.seconds))
        return 0
    found: dict[str, list[dict[str, Any]]] = {"nothing": [], "ours": [], "control": []}
    for _ in range(args.rounds):
        for which, results in found.items():
            command = [sys.executable, __file__, "--side", which, "--seconds", str(args.seconds)]
            results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(f"{which:8} {json.dumps(results[-1])}", file=sys.stderr)
    base, mine, theirs = (median(one["us"] for one in results) for results in found.values())
    rss, times = max(one["rss_mb"] for one in found["ours"]), (theirs - base) / (mine - base)
    print(
        f"ours {mine - base:.2f} us of CPU per reading ({mine:.2f} with the making of batches), {rss:.0f} MB; "
        f"object per reading {theirs - base:.2f} us: {times:.1f} times as much"
    )
    return 0 if mine - base <= 1.0 and times >= 15 and rss <= 150 else 1


if __name__ == "__main__":
    sys.exit(main())
