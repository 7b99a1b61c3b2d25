"""What of one device is missing: from which instant to which, tag by tag. Pure.

An outage begins for each tag with its last usable reading and ends with the first one after it, both in source time, so
that the clocks of gateway and device need not agree.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.batch import Rows
from gateway.sdk.quality import BAD
from gateway.sdk.tags import NANOSECONDS

_SET_BACK = 20 * 60 * NANOSECONDS  # ns by which a device's clock must go back to have been set, and not adjusted
_MOST = 8  # outages that are still to be filled; then the two oldest become one
Instants = NDArray[np.int64]


@dataclass(slots=True)
class Outage:
    """One outage of a device with n tags.

    Attributes:
        since: i8[n], from when on readings are missing, Unix ns; it moves on while they are filled in. 0: unknown.
        until: i8[n], when the first reading behind it was; 0 while none has come.
        told: rows and times within it that the device had held back, and told by itself.
    """

    since: Instants
    until: Instants
    told: list[NDArray[np.void]] = field(default_factory=list)

    def missing(self) -> NDArray[np.bool_]:
        """Mask of the tags of which readings may be asked for, shape (n,)."""
        mask: NDArray[np.bool_] = (self.since > 0) & (self.until > self.since)
        return mask

    def untold(self, rows: Rows, time: Instants) -> NDArray[np.bool_]:
        """Mask of the readings that the device has not told by itself already."""
        pairs = _pairs(rows, time)
        return ~np.isin(pairs, np.concatenate(self.told)) if self.told else np.ones(len(pairs), bool)

    def filled(self, at: NDArray[np.intp], upto: int) -> None:
        """The tags at these places have no gap up to `upto` any more."""
        self.since[at] = np.maximum(self.since[at], np.minimum(upto, self.until[at]))


@dataclass(slots=True)
class Missed:
    """The tags of one device.

    Attributes:
        first: row of its first tag.
        last: i8[n], source time of the newest usable reading; 0 where there was none.
        outages: those that are not filled yet, oldest first.
    """

    first: int
    last: Instants
    outages: list[Outage] = field(default_factory=list)

    def note(self, rows: Rows, time: Instants, status: NDArray[np.uint32]) -> None:
        """Readings came, live. A row stands in them once."""
        at = self._places(rows)
        usable = status < BAD
        if not usable.all():
            at, time = at[usable], time[usable]
        last = self.last[at]
        self.last[at] = np.where(time < last - _SET_BACK, time, np.maximum(last, time))  # else no gap till it is there
        if self.outages:
            until = self.outages[-1].until
            until[at] = np.where(until[at] == 0, time, until[at])

    def held_back(self, rows: Rows, time: Instants) -> None:
        """Readings of the past came by themselves: they begin and end nothing, and need not be asked for."""
        if self.outages:
            self.outages[-1].told.append(_pairs(rows, time))

    def cut(self) -> None:
        """The connection is lost, or still is: what comes next lies behind a gap."""
        if not self.last.any() or (self.outages and not self.outages[-1].until.any()):
            return
        self.outages.append(Outage(self.last.copy(), np.zeros_like(self.last)))
        self.forget_filled()
        if len(self.outages) > _MOST:
            older, newer = self.outages[:2]
            since, until = np.minimum(older.since, newer.since), np.maximum(older.until, newer.until)
            self.outages[:2] = [Outage(since, until, older.told + newer.told)]

    def forget_filled(self) -> None:
        """Let go of outages in which nothing is missing, except the one that lasts."""
        lasting = self.outages[-1:]
        if lasting and lasting[0].until.all():
            lasting = [outage for outage in lasting if outage.missing().any()]
        self.outages = [outage for outage in self.outages[:-1] if outage.missing().any()] + lasting

    def complete_until(self) -> Instants:
        """Up to when each tag has no gap, i8[n]: what is to be kept over a restart."""
        instants = self.last.copy()
        for outage in self.outages:
            missing = outage.missing()
            instants[missing] = np.minimum(instants[missing], outage.since[missing])
        return instants

    def _places(self, rows: Rows) -> NDArray[np.intp]:
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows.astype(np.intp)
        return numbers - self.first


def _pairs(rows: Rows, time: Instants) -> NDArray[np.void]:
    """Row and time of each reading as one thing to look for; archives keep microseconds."""
    pairs = np.empty(len(time), [("row", np.int64), ("time", np.int64)])
    pairs["row"] = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
    pairs["time"] = time // 1000
    return pairs
