"""Readings on their way in and on: batches → condition → image → telemetry. Per batch, never per reading."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.telemetry import Sends
from gateway.ingest.image import Image
from gateway.sdk.batch import Batch
from gateway.sdk.quality import BAD
from gateway.sdk.tags import TagTable
from gateway.stages.condition import Conditioner, Mode, Readings


class Intake:
    """Takes readings.

    Args:
        table: the tags.
        telemetry: tells of them.
        mode: which ones are told of.
        counters: what came in, and what became of it.

    Attributes:
        image: the last value of every tag.
    """

    def __init__(self, table: TagTable, telemetry: Sends, mode: Mode, counters: Counter[str]) -> None:
        self.image = Image(table)
        self._table, self._telemetry, self._mode, self._counters = table, telemetry, mode, counters
        self._condition = Conditioner(table)
        self._every_row = np.arange(len(table))

    def take(self, batches: Sequence[Batch], now: int) -> None:
        """Condition what was read, keep it in the image, and send what is worth it. `now` is monotonic ns."""
        raw = self._columns(batches)
        other = {row: thing for batch in batches for row, thing in batch.other.items()}
        if self.image.other:
            self.image.forget(raw.rows, other)
        exempt = np.isin(raw.rows, list(other)) if other else None
        new = self._condition(raw, self.image.time[raw.rows], exempt)
        mode = self._mode
        mask = self._condition.worth_reporting(
            new, self.image.reported[raw.rows], self.image.reported_status[raw.rows], mode
        )
        if other and mode == "changes":
            mask |= np.isin(raw.rows, [row for row, thing in other.items() if self.image.other.get(row) != thing])
        self.image.update(new, raw.status < BAD, now)
        self.image.report(new, mask)
        self.image.other.update(other)
        self._count(batches, new, mask)
        if mode != "off":
            self._report(batches, new, mask)

    def pass_on(self, batch: Batch) -> None:
        """Readings of the past go out as such, all of them; image, models and alarms live in the present."""
        rows = self._every_row[batch.rows]
        exempt = np.isin(rows, list(batch.other)) if batch.other else None
        raw = Readings(rows, batch.value, batch.time, batch.status)
        past = self._condition(raw, np.zeros(len(raw), np.int64), exempt)
        self._count([batch], past, np.full(len(past), self._mode != "off"))
        if self._mode != "off":
            served = batch.served
            self._telemetry.send(batch.device, past, batch.other, batch.received, historical=True, served=served)

    def sweep(self, now: int, wall: int) -> None:
        """Mark what has gone stale by `now` (monotonic ns), and report it as of `wall` (Unix ns)."""
        gone = self.image.sweep(now)
        if not len(gone) or self._mode == "off":
            return
        self.image.report(gone, np.ones(len(gone), bool))
        devices = self._table.device[gone.rows]
        for device in np.unique(devices).tolist():
            mine = devices == device
            self._telemetry.send(device, gone.chosen(mine), {}, wall, readings=0)

    def _columns(self, batches: Sequence[Batch]) -> Readings:
        rows = [self._every_row[b.rows] for b in batches]
        if len(batches) == 1:
            return Readings(rows[0], batches[0].value, batches[0].time, batches[0].status)
        return Readings(
            np.concatenate(rows),
            np.concatenate([b.value for b in batches]),
            np.concatenate([b.time for b in batches]),
            np.concatenate([b.status for b in batches]),
        )

    def _count(self, batches: Sequence[Batch], new: Readings, mask: NDArray[np.bool_]) -> None:
        count = self._counters
        told = int(np.count_nonzero(mask))
        count["readings_total"] += len(new)
        count["readings_bad_total"] += int(np.count_nonzero(new.status >= BAD))
        count["readings_suppressed_total" if self._mode == "changes" else "readings_not_sent_total"] += len(new) - told
        count["batches_total"] += len(batches)

    def _report(self, batches: Sequence[Batch], new: Readings, mask: NDArray[np.bool_]) -> None:
        """One message a batch, with what is worth reporting of it."""
        ends = whole = np.cumsum([len(batch) for batch in batches])
        if not mask.all():
            ends, new = np.cumsum(mask)[ends - 1], new.chosen(mask)
        start = 0
        for batch, end, stop in zip(batches, ends.tolist(), whole.tolist(), strict=True):
            if end > start:
                served = None if batch.served is None else batch.served[mask[stop - len(batch) : stop]]
                self._telemetry.send(batch.device, new.part(start, end), batch.other, batch.received, served=served)
            start = end
