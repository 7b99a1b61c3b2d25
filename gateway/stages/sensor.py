"""Sensor faults told apart from machine faults: a tag that moves as no machine does is left out of the score.

A tag is suspected when it, and no other tag of its asset, jumps or is far louder than usual: a machine moves several
tags, or one of them slowly. A suspect is left out at once; within a few rows it is named or let go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.stages.usual import HIGH, JUMPS, LOUDS, LOW, QUIETS, RESTS, Usual

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Mask = NDArray[np.bool_]

FAST: Final = 1 / 8  # weight of a new row in the mean square of changes
CAP: Final = 4.0  # limits of loudness that one row may count: three jumps in a few rows are loud, a single one is not
COMPANY: Final = 0.5  # of its limit, beyond which another tag counts as moving too
STUCK: Final = 2  # rows without a change right after a jump
DOUBT: Final = 4  # rows in which a suspicion is proven or dropped
FLIPS: Final = 3  # jumps within one suspicion that make it noise
HEALTHY: Final = 10  # rows without a finding, after which a tag is good again


class Fault(IntEnum):
    """What is wrong with a tag."""

    GOOD = 0
    SUSPECT = 1  # left out, not yet named
    FROZEN = 2  # no change while the asset's other tags move
    DEAD = 3  # jumped, and has not moved since
    OUT_OF_RANGE = 4  # beyond its engineering range, or jumped far beyond all that was seen
    SPIKE = 5  # jumped, and back
    NOISE = 6  # far louder than ever, alone


@dataclass(frozen=True, slots=True)
class Finding:
    """A tag that went bad, or is good again.

    Attributes:
        member: number of the asset within its cohort.
        tag: number of the tag within its asset.
        fault: what it is now.
    """

    member: int
    tag: int
    fault: Fault


@dataclass(slots=True)
class _Row:
    """One row of B members, as masks [B, D]."""

    jumped: Mask
    louder: Mask
    resting: Mask
    beyond: Mask  # its engineering range
    far: Mask  # from all that was seen
    alone: Mask  # no other tag of the asset moves oddly
    back: Mask  # where it was before it jumped
    stuck: Mask

    @property
    def healthy(self) -> Mask:
        healthy: Mask = ~(self.jumped | self.louder | self.resting | self.beyond | self.far)
        return healthy


class Sensors:
    """The tags of all members of a cohort, as columns [n, D]."""

    def __init__(self, width: int, rows: Sequence[int]) -> None:
        """Learn from the first `rows` of each member what is usual for its tags; 0: they are not judged."""
        n = len(rows)
        self.usual = Usual(width, rows)
        self.fault = np.zeros((n, width), np.uint8)
        self._half = width / 2
        self._judged = np.array(rows, np.int64) > 0
        self._last = np.full((n, width), np.nan)
        self._loud, self._rest = np.zeros((2, n, width))
        self._age, self._calm, self._flips = np.zeros((3, n, width), np.int64)
        self._before = np.zeros((n, width))  # value before the jump

    def restart(self, member: int) -> None:
        """Learn anew what is usual for `member`."""
        self.usual.restart(member)
        self.fault[member] = Fault.GOOD
        self._loud[member] = self._rest[member] = 0

    def step(self, members: I8, x: F8, beyond: Mask | None = None) -> tuple[Mask | None, list[Finding]]:
        """Take one row of each of `members`: which tags to leave out (None: none), and what has changed.

        Args:
            members: i8[B], each at most once.
            x: f8[B, D], NaN where a tag is bad.
            beyond: mask [B, D] of the tags beyond their engineering range; None where none is.
        """
        limits = self.usual.limits[members]
        change = x - self._last[members]
        size = np.abs(change)
        rest = self._rested(members, size, limits)
        loud = self._loudness(members, size, limits)
        if np.isnan(change.sum()):
            x = np.where(np.isnan(x), self._last[members], x)
            size = np.nan_to_num(size)
        self._last[members] = x
        odd = (size > limits[:, JUMPS]) | (loud > limits[:, LOUDS]) | (rest > limits[:, RESTS])
        learning = self.usual.learning(members)
        if learning.any():
            self.usual.learn(members[learning], x[learning], size[learning], loud[learning], rest[learning])
        if beyond is None and not odd.any() and not self.fault[members].any():
            return None, []
        return self._judge(members, self._look(members, x, size, limits, beyond), x - change)

    def _rested(self, members: I8, size: F8, limits: F8) -> F8:
        """Rows for which each tag has not changed, counted only while most of its asset's tags do."""
        still = size <= limits[:, QUIETS]
        moving = np.count_nonzero(still, axis=1) < self._half
        rest: F8 = np.where(still, self._rest[members] + moving[:, None], 0.0)
        self._rest[members] = rest
        return rest

    def _loudness(self, members: I8, size: F8, limits: F8) -> F8:
        loud = self._loud[members]
        square = np.fmin(size * size, CAP * limits[:, LOUDS])
        loud += FAST * (square - loud)
        self._loud[members] = loud
        return loud

    def _look(self, members: I8, x: F8, size: F8, limits: F8, beyond: Mask | None) -> _Row:
        loud, rest = self._loud[members], self._rest[members]
        moves = (size > COMPANY * limits[:, JUMPS]) | (loud > COMPANY * limits[:, LOUDS])
        others = np.count_nonzero(moves, axis=1)[:, None] - moves
        with np.errstate(invalid="ignore"):
            back = np.abs(x - self._before[members]) <= limits[:, JUMPS]
        return _Row(
            jumped=size > limits[:, JUMPS],
            louder=loud > limits[:, LOUDS],
            resting=rest > limits[:, RESTS],
            beyond=np.zeros(x.shape, np.bool_) if beyond is None else beyond & self._judged[members][:, None],
            far=(x < limits[:, LOW]) | (x > limits[:, HIGH]),
            alone=others == 0,
            back=back,
            stuck=rest >= STUCK,
        )

    # -- judgement: the first rule that fits holds ---------------------------------------------------------------------

    def _judge(self, members: I8, row: _Row, before: F8) -> tuple[Mask | None, list[Finding]]:
        was = self.fault[members]
        self._flips[members] = np.where(was == Fault.GOOD, 0, self._flips[members]) + (row.jumped & row.alone)
        self._age[members] = np.where(was == Fault.SUSPECT, self._age[members] + 1, 0)
        now = np.select(
            [was == Fault.GOOD, was == Fault.SUSPECT], [self._good(row), self._suspect(members, row)], was
        ).astype(np.uint8)
        noisy = (was == Fault.SPIKE) & (self._flips[members] >= FLIPS)
        now[noisy] = Fault.NOISE
        now[self._recovered(members, was, row)] = Fault.GOOD
        begins = (was == Fault.GOOD) & (now == Fault.SUSPECT)
        self._before[members] = np.where(begins, before, self._before[members])
        self.fault[members] = now
        return now != Fault.GOOD, _findings(members, was, now)

    def _good(self, row: _Row) -> NDArray[np.uint8]:
        """What becomes of a good tag."""
        return np.select(
            [row.beyond, row.resting, row.jumped & row.alone, row.louder & row.alone],
            [Fault.OUT_OF_RANGE, Fault.FROZEN, Fault.SUSPECT, Fault.NOISE],
            Fault.GOOD,
        ).astype(np.uint8)

    def _suspect(self, members: I8, row: _Row) -> NDArray[np.uint8]:
        """What becomes of a suspect: the machine moves after all, or one of the faults, or it was a step."""
        noisy = (self._flips[members] >= FLIPS) | row.louder
        return np.select(
            [row.beyond, ~row.alone, row.stuck, noisy, row.back, row.far, self._age[members] >= DOUBT],
            [Fault.OUT_OF_RANGE, Fault.GOOD, Fault.DEAD, Fault.NOISE, Fault.SPIKE, Fault.OUT_OF_RANGE, Fault.GOOD],
            Fault.SUSPECT,
        ).astype(np.uint8)

    def _recovered(self, members: I8, was: NDArray[np.uint8], row: _Row) -> Mask:
        """Named faults of which nothing has been seen for a while."""
        named = was > Fault.SUSPECT
        calm = np.where(named & row.healthy, self._calm[members] + 1, 0)
        self._calm[members] = calm
        over: Mask = named & (calm >= HEALTHY)
        return over


def _findings(members: I8, was: NDArray[np.uint8], now: NDArray[np.uint8]) -> list[Finding]:
    """What is worth an event: a suspicion, and one that is dropped, are none."""
    told = (was != now) & (now != Fault.SUSPECT) & ~((was == Fault.SUSPECT) & (now == Fault.GOOD))
    return [Finding(int(members[i]), int(j), Fault(int(now[i, j]))) for i, j in np.argwhere(told)]
