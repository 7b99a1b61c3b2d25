"""The control of `pipeline.py`: the same work as gateways usually do it, an object per reading."""

import asyncio
import math
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gateway.models.detector import Detector
from gateway.sdk import quality
from gateway.sdk.batch import Batch
from gateway.sdk.tags import TagTable


@dataclass
class Reading:
    device: int
    row: int
    tag: str
    time: int
    value: float
    status: int


class Rows:
    """A store of readings, one row each: what an outbox is to a gateway that thinks in readings."""

    def __init__(self, folder: Path) -> None:
        self.db = sqlite3.connect(folder / "rows.db", isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute(
            "CREATE TABLE reading (id INTEGER PRIMARY KEY, device INT, tag TEXT, time INT, value REAL, status INT)"
        )
        self.thread = ThreadPoolExecutor(1)
        self.waiting: list[Reading] = []
        self.messages = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            taken, self.waiting = self.waiting, []
            await asyncio.get_running_loop().run_in_executor(self.thread, self.keep, taken)

    def keep(self, readings: list[Reading]) -> None:
        """Insert and commit, then build the messages from what is durable, then delete it: it is sent."""
        self.db.execute("BEGIN")
        rows = [(r.device, r.tag, r.time, r.value, r.status) for r in readings]
        self.db.executemany("INSERT INTO reading (device, tag, time, value, status) VALUES (?, ?, ?, ?, ?)", rows)
        self.db.execute("COMMIT")
        found = self.db.execute("SELECT id, device, tag, time, value, status FROM reading ORDER BY id").fetchall()
        scans: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for _, device, tag, time_ns, value, status in found:
            reading = {"tag": tag, "time": time_ns // 1_000_000, "value": value, "status": status}
            scans.setdefault((device, time_ns), []).append(reading)
        for (device, _), scan in scans.items():
            orjson.dumps({"schema": 1, "gateway": "bench", "device": device, "readings": scan})
            self.messages += 1
        if found:
            self.db.execute("DELETE FROM reading WHERE id <= ?", (found[-1][0],))


class ObjectPerReading:
    """The same work, one reading at a time."""

    def __init__(self, tags: TagTable, rows: Rows, detector: Detector, width: int) -> None:
        self.tags, self.rows, self.queue = tags, rows, asyncio.Queue[Reading | None](1_000_000)
        columns = (tags.scale, tags.offset, tags.low, tags.high, tags.deadband)
        self.scale, self.offset, self.low, self.high, self.deadband = (column.tolist() for column in columns)
        self.image: dict[int, Reading] = {}
        self.detector, self.width = detector, width
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
        while True:
            reading = await self.queue.get()
            if reading is None:
                self.complete(seen)
                seen = []
                continue
            self.counters["readings_total"] += 1
            reading = self.condition(reading)
            if self.worth_reporting(reading):
                self.rows.waiting.append(reading)
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
        return bool(abs(reading.value - last.value) > self.deadband[reading.row])

    def complete(self, seen: list[Reading]) -> None:
        device = seen[0].device
        for which in range(2):
            tags = seen[self.width * which : self.width * (which + 1)]
            x = np.array([[r.value if r.status == quality.GOOD else math.nan for r in tags]])
            scores = self.detector.score(np.array([2 * device + which]), x)
            self.scored += 1
            self.above += bool(scores.score[0] > scores.threshold[0])
