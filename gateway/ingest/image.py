"""The image: the last value of every tag, as columns. The one place that remembers."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.batch import Rows
from gateway.sdk.quality import BAD_WAITING_FOR_INITIAL_DATA, GOOD, UNCERTAIN_LAST_USABLE_VALUE
from gateway.sdk.tags import TagTable
from gateway.stages.condition import Readings, stale

_NEVER = 0xFFFFFFFF  # no StatusCode: whatever comes first differs from it, and is reported


class Image:
    """Columns over all N rows of a table.

    Attributes:
        value: f8[N], NaN where bad.
        time: i8[N], source time of the last usable reading, Unix ns.
        status: u4[N].
        heard: i8[N], monotonic ns at which the row was last read or confirmed.
        reported: f8[N], the value that was reported last.
        reported_status: u4[N], its status.
        other: what is no number, by row.
    """

    def __init__(self, table: TagTable) -> None:
        n = len(table)
        self._stale_after = table.stale_after
        self.value = np.full(n, np.nan)
        self.time = np.zeros(n, np.int64)
        self.status = np.full(n, BAD_WAITING_FOR_INITIAL_DATA, np.uint32)
        self.heard = np.zeros(n, np.int64)
        self.reported = np.full(n, np.nan)
        self.reported_status = np.full(n, _NEVER, np.uint32)
        self.other: dict[int, Any] = {}

    def take_over(self, old: "Image", moves: Sequence[tuple[slice, slice]]) -> None:
        """Go on from another image: each pair of `moves` is where rows stood there, and where they stand here."""
        for there, here in moves:
            for name in ("value", "time", "status", "heard", "reported", "reported_status"):
                getattr(self, name)[here] = getattr(old, name)[there]
        for row, thing in old.other.items():
            where = next(
                (here.start + row - there.start for there, here in moves if there.start <= row < there.stop), None
            )
            if where is not None:
                self.other[where] = thing

    def update(self, new: Readings, usable: NDArray[np.bool_], now: int) -> None:
        """Take conditioned readings. `usable` (mask, n) are those whose source time counts; `now` is monotonic ns."""
        rows = new.rows
        self.value[rows] = new.value
        self.status[rows] = new.status
        self.heard[rows] = now
        if usable.all():
            self.time[rows] = new.time
        else:
            self.time[rows[usable]] = new.time[usable]

    def forget(self, rows: NDArray[np.int64], still: Collection[int]) -> None:
        """Of what is no number, drop what was read again as one: `rows` were read, those in `still` are no numbers."""
        kept = np.fromiter(self.other, np.int64, len(self.other))
        for row in kept[np.isin(kept, rows)].tolist():
            if row not in still:
                del self.other[row]
                self.reported_status[row] = _NEVER  # the number is news, whatever was reported before the text

    def confirm(self, rows: Rows, now: int) -> None:
        """The source says that `rows` still hold: those that had gone stale are good again."""
        self.heard[rows] = now
        held = self.status[rows]
        held[held == UNCERTAIN_LAST_USABLE_VALUE] = GOOD
        self.status[rows] = held

    def report(self, new: Readings, mask: NDArray[np.bool_]) -> None:
        """Remember what is reported."""
        rows, value, status = new.rows, new.value, new.status
        if not mask.all():
            rows, value, status = rows[mask], value[mask], status[mask]
        self.reported[rows] = value
        self.reported_status[rows] = status

    def sweep(self, now: int) -> Readings:
        """Mark what has gone stale by `now` (monotonic ns); gives those rows, with their last value and source time."""
        rows = stale(self.status, self.heard, self._stale_after, now)
        self.status[rows] = UNCERTAIN_LAST_USABLE_VALUE
        return Readings(rows, self.value[rows], self.time[rows], self.status[rows])
