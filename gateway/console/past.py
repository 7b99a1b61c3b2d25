"""The recent past of everything, in memory: one sample a second of every tag, and of scores and contributions.

Bounded in bytes: many tags have a shorter past. All tags are kept, not only those that are looked at, for whoever opens
a trend wants to see what has led to it; a second costs one copy of a column.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

EVERY: Final = 1.0  # s between two samples
LONGEST: Final = 3600  # samples
_SHORTEST: Final = 30
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


class Ring:
    """The last `depth` samples of `width` columns, oldest first when read. Written and read on one thread."""

    def __init__(self, width: int, depth: int) -> None:
        self._values = np.empty((depth, width))
        self._time = np.empty(depth, np.int64)
        self._count = 0

    def put(self, time: int, values: F8) -> None:
        """Take a sample: `time` in Unix ms, `values` f8[width]."""
        at = self._count % len(self._time)
        self._time[at], self._values[at] = time, values
        self._count += 1

    def read(self, columns: I8 | slice, since: int) -> tuple[I8, F8]:
        """Times i8[n] from `since` on, Unix ms, and values f8[n, columns]."""
        depth = len(self._time)
        order = np.arange(max(self._count - depth, 0), self._count) % depth
        order = order[self._time[order] >= since]
        return self._time[order], self._values[order][:, columns]

    @property
    def oldest(self) -> int | None:
        """Time of the oldest sample, Unix ms; None while there is none."""
        if not self._count:
            return None
        return int(self._time[self._count % len(self._time) if self._count > len(self._time) else 0])


def depth(width: int, room: int) -> int:
    """Samples of `width` columns that `room` bytes hold, at least half a minute and at most an hour."""
    return min(max(room // (8 * (width + 1)), _SHORTEST), LONGEST)


class Series:
    """Columns of samples, drawn together to at most `points`: mean, low and high of each bucket; NaN where none is."""

    def __init__(self, time: I8, points: int) -> None:
        """`time` i8[n], rising."""
        self._starts = np.arange(0, len(time), max(math.ceil(len(time) / points), 1))
        self.time = time[self._starts] if len(time) else time

    def of(self, values: F8) -> Mapping[str, F8]:
        """`values` f8[n] as `value`, `low` and `high`."""
        if not len(values):
            return {"value": values, "low": values, "high": values}
        known = ~np.isnan(values)
        count = np.add.reduceat(known.astype(float), self._starts)
        total = np.add.reduceat(np.where(known, values, 0.0), self._starts)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(count > 0, total / count, np.nan)
        low = np.minimum.reduceat(np.where(known, values, np.inf), self._starts)
        high = np.maximum.reduceat(np.where(known, values, -np.inf), self._starts)
        return {"value": mean, "low": np.where(count > 0, low, np.nan), "high": np.where(count > 0, high, np.nan)}


class Parts:
    """Series one after the other, as one; in the order of their times, for a clock may have been set back."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = series
        time = np.concatenate([one.time for one in series]) if series else np.zeros(0, np.int64)
        self._order = np.argsort(time, kind="stable")
        self.time: I8 = time[self._order]

    def of(self, values: Sequence[F8]) -> Mapping[str, F8]:
        """The values of each part, as `Series.of` draws them."""
        return self.joined([one.of(np.asarray(part, float)) for one, part in zip(self._series, values, strict=True)])

    def joined(self, drawn: Sequence[Mapping[str, F8]]) -> Mapping[str, F8]:
        """What each part has drawn, as one."""
        if not drawn:
            return dict.fromkeys(("value", "low", "high"), np.zeros(0))
        return {name: np.concatenate([one[name] for one in drawn])[self._order] for name in drawn[0]}
