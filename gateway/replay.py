"""Recorded readings through the very stages of the daemon, without a clock, a socket or a disk.

Time is that of the recording, calibrations are fitted inline: the same recording gives the same events every time, and
a row's answer depends on nothing that comes after it.
"""

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from gateway.config.assets import AssetConfig
from gateway.deliver.event import Class
from gateway.deliver.topics import Topics
from gateway.models.cohorts import Own, assemble
from gateway.models.learning import Learning
from gateway.pipeline import Outward, Pipeline
from gateway.sdk.batch import Batch
from gateway.sdk.config import DeviceConfig
from gateway.sdk.errors import FieldgateError
from gateway.sdk.tags import TagTable


class RecordingError(FieldgateError):
    """A recording cannot be read. The message names the file, the line and what is wrong."""


@dataclass
class Message:
    """What would have been sent."""

    cls: Class
    topic: str
    body: bytes
    readings: int


@dataclass
class Kept:
    """An outbox that only keeps: for replays and tests."""

    epoch: str = "0"
    messages: list[Message] = field(default_factory=list)
    _sequence: dict[Class, int] = field(default_factory=dict)

    def reserve(self, cls: Class) -> int:
        """The next sequence number."""
        self._sequence[cls] = self._sequence.get(cls, 0) + 1
        return self._sequence[cls]

    def put(self, cls: Class, sequence: int, topic: str, body: bytes, readings: int) -> None:  # noqa: ARG002 - a port
        """Keep it."""
        self.messages.append(Message(cls, topic, body, readings))

    def take(self) -> list[Message]:
        """What was kept since the last call."""
        taken, self.messages = self.messages, []
        return taken


class Replay:
    """One configuration, fed row by row. Every row is a scan of every group at once.

    `own` gives the scorers of users' models; unless given their assets abstain.
    """

    def __init__(
        self, gateway: str, devices: Sequence[DeviceConfig], assets: dict[str, AssetConfig], own: Own | None = None
    ) -> None:
        self.table = TagTable.build(devices)
        self.judged = assemble(assets, self.table, own=own) if own else assemble(assets, self.table)
        self.out = Kept()
        topics = Topics("fieldgate/{gateway}/{class}/{name}", gateway)
        self.pipeline = Pipeline(self.table, self.judged.watch, Outward(gateway, self.out, topics.of, "off"))
        self._learning = Learning(self.judged, lambda _asset, _rows: None, None)

    def row(self, time: int, value: NDArray[np.float64]) -> None:
        """Take one row: `value` f8[N] in table order, NaN where the recording has nothing; `time` Unix ns."""
        batches = [Batch.of(group, value[group.rows], time) for group in self.table.groups]
        self.pipeline.process(batches, time)
        self._learning.poll()

    @property
    def score(self) -> float:
        """Score of the first asset in the last row; NaN where it abstained."""
        return float(self.pipeline.scored[0][3].score[0]) if self.pipeline.scored else float("nan")


class Recording:
    """A CSV file: `timestamp` (ISO 8601, UTC unless it says otherwise), then a column a tag; an empty field is NaN."""

    def __init__(self, path: Path) -> None:
        """Read the header. Raises RecordingError when there is none."""
        self.path = path
        try:
            with self._open() as text:
                header = next(csv.reader(text), [])
        except (OSError, UnicodeDecodeError) as error:
            raise RecordingError(f"{path}: {error}") from error
        self.columns = header[1:]
        if header[:1] != ["timestamp"] or not self.columns:
            raise RecordingError(f"{path}:1: the first column must be `timestamp`, followed by one column a tag")

    def rows(self) -> Iterator[tuple[int, str, list[float]]]:
        """(Unix ns, timestamp as written, values) of each row. Raises RecordingError at one that cannot be read."""
        with self._open() as text:
            reader = csv.reader(text)
            next(reader)
            for number, line in enumerate(reader, 2):
                try:
                    yield _row(line, len(self.columns))
                except ValueError as error:
                    raise RecordingError(f"{self.path}:{number}: {error}") from error

    def _open(self) -> TextIO:
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rt", encoding="utf-8")
        return self.path.open(encoding="utf-8")


def _row(line: list[str], columns: int) -> tuple[int, str, list[float]]:
    if len(line) != columns + 1:
        raise ValueError(f"{len(line)} fields, the header has {columns + 1}")
    stamp = datetime.fromisoformat(line[0])
    aware = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1e6) * 1000, line[0], [float(cell) if cell else float("nan") for cell in line[1:]]
