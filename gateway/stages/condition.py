"""First stage: raw readings become values in engineering units, each with an honest quality, and are reported or held.

Pure functions over columns of n readings. What comes in is what adapters delivered; what goes out never carries a NaN,
an infinity or a step back in time as good.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.quality import (
    BAD,
    BAD_INVALID_TIMESTAMP,
    BAD_OUT_OF_RANGE,
    GOOD,
    UNCERTAIN,
    UNCERTAIN_ENGINEERING_UNITS_EXCEEDED,
)
from gateway.sdk.tags import TagTable

EXACT = 2**53  # whole numbers up to here are doubles
EXACT_POWER = 22  # and so are powers of ten up to this one

Mode = Literal["changes", "all", "off"]


@dataclass(slots=True)
class Readings:
    """n readings of any tags, as columns of one length.

    Attributes:
        rows: i8[n], row of each reading (numpy converts any other index each time it is used).
        value: f8[n].
        time: i8[n], source time, Unix ns.
        status: u4[n], StatusCode.
    """

    rows: NDArray[np.int64]
    value: NDArray[np.float64]
    time: NDArray[np.int64]
    status: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, mask: NDArray[np.bool_]) -> "Readings":
        """Those that `mask` marks."""
        return Readings(self.rows[mask], self.value[mask], self.time[mask], self.status[mask])

    def part(self, start: int, end: int) -> "Readings":
        """Those from `start` to before `end`, as views."""
        return Readings(self.rows[start:end], self.value[start:end], self.time[start:end], self.status[start:end])


def exact_terms(scale: float, offset: float) -> tuple[float, float, float]:
    """Raw * scale + offset as (raw * factor + addend) / divisor, with whole numbers where the decimals allow it.

    0.01 is no double, 100 is: 57 * 0.01 is 0.5700000000000001, 57 / 100 is the double that is shown as 0.57. One
    rounding at the end gives the nearest double of the exact decimal as long as all before it is below 2**53.
    """
    decimals = [Decimal(repr(number)) for number in (scale, offset)]
    places = max(0, *(-int(number.normalize().as_tuple().exponent) for number in decimals))
    factor, addend = (int(number.scaleb(places)) for number in decimals)
    whole = places <= EXACT_POWER and max(abs(factor), abs(addend)) <= EXACT
    return (float(factor), float(addend), 10.0**places) if whole else (scale, offset, 1.0)


class Conditioner:
    """Scaling and checks for the tags of one table. Holds constants only."""

    def __init__(self, table: TagTable) -> None:
        terms = [exact_terms(*pair) for pair in zip(table.scale.tolist(), table.offset.tolist(), strict=True)]
        self._terms = np.array(terms, float).reshape(-1, 3)
        self._low, self._high = table.low, table.high
        self._deadband = table.deadband
        self._scaled = bool((table.scale != 1).any() or (table.offset != 0).any())
        self._ranged = bool(np.isfinite(table.low).any() or np.isfinite(table.high).any())

    def __call__(
        self, raw: Readings, last_time: NDArray[np.int64], exempt: NDArray[np.bool_] | None = None
    ) -> Readings:
        """Condition `raw`.

        Args:
            raw: what was read.
            last_time: i8[n], source time of the last usable reading of the same rows.
            exempt: mask of the readings that are no numbers (text, arrays): they are not judged as such.
        """
        value = raw.value
        if self._scaled:
            factor, addend, divisor = self._terms.take(raw.rows, axis=0).T
            value = (value * factor + addend) / divisor
        sound = np.isfinite(value) & (raw.time >= last_time)
        if not self._ranged and sound.all() and not raw.status.any():  # almost always: nothing to mark, nothing to copy
            return Readings(raw.rows, value, raw.time, raw.status)
        return self._marked(Readings(raw.rows, value, raw.time, raw.status.copy()), last_time, exempt)

    def _marked(self, new: Readings, last_time: NDArray[np.int64], exempt: NDArray[np.bool_] | None) -> Readings:
        """Mark in `new` (its own copy) what is no number, steps back in time or lies beyond its range."""
        value, status = new.value, new.status
        usable = status < BAD
        broken = usable & ~np.isfinite(value)
        if exempt is not None:
            broken &= ~exempt
        status[broken] = BAD_OUT_OF_RANGE
        status[usable & (new.time < last_time)] = BAD_INVALID_TIMESTAMP
        if self._ranged:
            value = self._clamp(new.rows, value, status)
        bad = status >= BAD
        if bad.any():
            value = np.where(bad, np.nan, value)
        return Readings(new.rows, value, new.time, status)

    def _clamp(
        self, rows: NDArray[np.int64], value: NDArray[np.float64], status: NDArray[np.uint32]
    ) -> NDArray[np.float64]:
        """Hold values within the engineering range; what lay beyond it is uncertain (status is marked in place)."""
        low, high = self._low[rows], self._high[rows]
        beyond = ((value < low) | (value > high)) & (status < UNCERTAIN)
        status[beyond] = UNCERTAIN_ENGINEERING_UNITS_EXCEEDED
        clamped: NDArray[np.float64] = np.clip(value, low, high)
        return clamped

    def worth_reporting(
        self, new: Readings, reported: NDArray[np.float64], reported_status: NDArray[np.uint32], mode: Mode
    ) -> NDArray[np.bool_]:
        """Mask of the readings that go out: beyond the dead-band of what was reported last, or of another quality.

        Args:
            new: conditioned readings.
            reported: f8[n], the values reported last for the same rows.
            reported_status: u4[n], their status.
            mode: `changes` as said; `all` and `off` report everything and nothing.
        """
        if mode != "changes":
            return np.full(len(new), mode == "all")
        with np.errstate(invalid="ignore"):
            moved = np.abs(new.value - reported) > self._deadband[new.rows]
        mask: NDArray[np.bool_] = moved | (new.status != reported_status)
        return mask


def stale(
    status: NDArray[np.uint32], heard: NDArray[np.int64], stale_after: NDArray[np.int64], now: int
) -> NDArray[np.int64]:
    """Rows whose value is still called good though it was not refreshed within its time (all i8[N] in monotonic ns)."""
    rows: NDArray[np.int64] = np.flatnonzero((status == GOOD) & (now - heard > stale_after))
    return rows
