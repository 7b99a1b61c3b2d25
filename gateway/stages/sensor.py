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

from gateway.stages.usual import CAPS, HIGH, JUMPS, LOUDS, LOW, QUIETS, RESTS, Usual

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Mask = NDArray[np.bool_]

FAST: Final = 1 / 8  # weight of a new row in the mean square of changes
COMPANY: Final = 0.5  # of its limit, beyond which another tag counts as moving too
MURMUR: Final = 0.3  # of its limit, beyond which another tag counts as being loud too
STUCK: Final = 2  # rows without a change right after a jump
DOUBT: Final = 4  # rows in which a suspicion is proven or dropped
TURNS: Final = -0.2  # of the mean square: the product of successive changes is -0.5 of it in white noise, 1 in a ramp
FLIPS: Final = 3  # jumps within one suspicion that make it noise
SLOW: Final = 1 / 32  # weight of a new row in the level of a good tag
LISTEN: Final = 8  # rows in which noise is proven or dropped
ASIDE: Final = 0.9  # of what it strays from its level; with so much of it to one side, the machine has moved
EVEN: Final = 0.7  # with less of it to one side, what was taken for the machine is noise after all
HEALTHY: Final = 10  # rows without a finding, after which a tag is good again

# Rows of the state of a tag; the first three stand as their limits do.
_SIZE, _LOUD, _REST, _TURN, _STEP, _LAST, _LEVEL, _ROWS = range(8)


class Fault(IntEnum):
    """What is wrong with a tag."""

    GOOD = 0
    SUSPECT = 1  # left out, not yet named
    FROZEN = 2  # no change while the asset's other tags move
    DEAD = 3  # jumped, and has not moved since
    OUT_OF_RANGE = 4  # beyond its engineering range, or jumped far beyond all that was seen
    SPIKE = 5  # jumped, and back
    NOISE = 6  # far louder than ever, alone, about the same level
    RELEASED = 7  # was suspected, and it was the machine: not suspected again until it has calmed down

    @property
    def words(self) -> str:
        """As an operator reads it."""
        return _WORDS[self]


F = Fault
_WORDS: Final = {
    Fault.GOOD: "good",
    Fault.SUSPECT: "suspected",
    Fault.FROZEN: "frozen",
    Fault.DEAD: "dead",
    Fault.OUT_OF_RANGE: "out of range",
    Fault.SPIKE: "spiking",
    Fault.NOISE: "noisy",
    Fault.RELEASED: "good",
}


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
    aside: Mask  # of the level it had: not noise alone
    even: Mask  # to both sides of it
    alone: Mask  # no other tag of the asset moves oddly
    back: Mask  # where it was before it jumped
    stuck: Mask

    @property
    def healthy(self) -> Mask:
        healthy: Mask = ~(self.jumped | self.louder | self.resting | self.beyond | self.far)
        return healthy


class Sensors:
    """The tags of all members of a cohort, as columns [n, D]."""

    def __init__(self, width: int, rows: Sequence[int], quick: Sequence[bool] | None = None) -> None:
        """Learn from the first `rows` of each member what is usual for its tags; 0: they are not judged.

        Args:
            width: number of tags of each member.
            rows: to learn from.
            quick: see gateway.stages.usual.Usual.
        """
        n = len(rows)
        self.usual = Usual(width, rows, quick)
        self.fault = np.zeros((n, width), np.uint8)
        self._half = width / 2
        self._judged = np.array(rows, np.int64) > 0
        self._state = np.zeros((n, _ROWS, width))
        self._state[:, [_LAST, _LEVEL]] = np.nan
        self._before, self._sum, self._strayed = np.zeros(
            (3, n, width)
        )  # value before the jump; since then, see _since
        self._age, self._calm, self._flips = np.zeros((3, n, width), np.int64)

    def restart(self, member: int) -> None:
        """Learn anew what is usual for `member`."""
        self.usual.restart(member)
        self.fault[member] = Fault.GOOD
        self._state[member, :_LEVEL] = 0

    def step(self, members: I8, x: F8, beyond: Mask | None = None) -> tuple[Mask | None, list[Finding]]:
        """Take one row of each of `members`: which tags to leave out (None: none), and what has changed.

        Args:
            members: i8[B], each at most once.
            x: f8[B, D], NaN where a tag is bad.
            beyond: mask [B, D] of the tags beyond their engineering range; None where none is.
        """
        limits, state = self.usual.limits[members], self._state[members]
        change = x - state[:, _LAST]
        broken = bool(np.isnan(change).any())
        if broken:
            x, change = np.where(np.isnan(x), state[:, _LAST], x), np.nan_to_num(change)
        self._move(state, change, limits)
        state[:, _LAST] = x
        odd = state[:, : _REST + 1] > limits[:, : _REST + 1]
        plain = beyond is None and not odd.any() and not self.fault[members].any()
        if plain:
            self._follow(state, x)
        self._state[members] = state
        learning = self.usual.learning(members)
        if learning.any():
            self.usual.learn(members[learning], x[learning], state[learning])
        if plain:
            return None, []
        self._since(members, x - state[:, _LEVEL])
        return self._judge(members, self._look(members, x, state, limits, beyond), x - change)

    def _move(self, state: F8, change: F8, limits: F8) -> None:
        """One row on: size of change, rows of rest, loudness; in place. Few steps, since every row pays for them."""
        size = np.abs(change)
        state[:, _SIZE] = size
        still = size <= limits[:, QUIETS]
        moving = np.count_nonzero(still, axis=1) < self._half  # rest counts only while most of the asset moves
        state[:, _REST] += moving[:, None]
        state[:, _REST][~still] = 0
        capped = np.minimum(np.maximum(change, -limits[:, CAPS]), limits[:, CAPS])
        state[:, _LOUD] += FAST * (capped * capped - state[:, _LOUD])
        state[:, _TURN] += FAST * (capped * state[:, _STEP] - state[:, _TURN])
        state[:, _STEP] = capped

    def _follow(self, state: F8, x: F8) -> None:
        level = state[:, _LEVEL]
        away = x - level
        if np.isnan(away).any():
            level[:] = np.where(np.isnan(level), x, level)
            away = np.nan_to_num(away)
        level += SLOW * away

    def _since(self, members: I8, away: F8) -> None:
        """Rows since each suspicion began, and how far from its level the tag was in them, with sign and without."""
        held = self.fault[members] != Fault.GOOD
        self._age[members] = np.where(held, self._age[members] + 1, 0)
        self._sum[members] = np.where(held, self._sum[members] + away, 0.0)
        self._strayed[members] = np.where(held, self._strayed[members] + np.abs(away), 0.0)

    def _look(self, members: I8, x: F8, state: F8, limits: F8, beyond: Mask | None) -> _Row:
        size, loud, rest = state[:, _SIZE], state[:, _LOUD], state[:, _REST]
        moves = (size > COMPANY * limits[:, JUMPS]) | (loud > COMPANY * limits[:, LOUDS])
        with np.errstate(invalid="ignore"):
            back = np.abs(x - self._before[members]) <= limits[:, JUMPS]
        return _Row(
            jumped=size > limits[:, JUMPS],
            louder=(loud > limits[:, LOUDS])
            & (state[:, _TURN] < TURNS * loud)
            & _alone(loud > MURMUR * limits[:, LOUDS]),
            resting=rest > limits[:, RESTS],
            beyond=np.zeros(x.shape, np.bool_) if beyond is None else beyond & self._judged[members][:, None],
            far=(x < limits[:, LOW]) | (x > limits[:, HIGH]),
            aside=np.abs(self._sum[members]) > ASIDE * self._strayed[members],
            even=np.abs(self._sum[members]) < EVEN * self._strayed[members],
            alone=_alone(moves),
            back=back,
            stuck=rest >= STUCK,
        )

    # -- judgement: the first rule that fits holds ---------------------------------------------------------------------

    def _judge(self, members: I8, row: _Row, before: F8) -> tuple[Mask | None, list[Finding]]:
        was = self.fault[members]
        self._flips[members] = np.where(was == Fault.GOOD, 0, self._flips[members]) + (row.jumped & row.alone)
        now = np.select(
            [was == Fault.GOOD, was == Fault.SUSPECT], [self._good(row), self._suspect(members, row)], was
        ).astype(np.uint8)
        noisy = (was == Fault.SPIKE) & (self._flips[members] >= FLIPS) & row.alone
        now[noisy] = Fault.NOISE
        now[(was == Fault.NOISE) & (row.aside | ~row.alone)] = Fault.RELEASED
        released = was == Fault.RELEASED
        now[released & row.louder & row.alone & row.even & (self._age[members] >= 2 * LISTEN)] = Fault.NOISE
        now[released & row.beyond] = Fault.OUT_OF_RANGE
        now[self._recovered(members, was, row)] = Fault.GOOD
        begins = (was == Fault.GOOD) & (now == Fault.SUSPECT)
        self._before[members] = np.where(begins, before, self._before[members])
        self.fault[members] = now
        return _left_out(now), _findings(members, was, now)

    def _good(self, row: _Row) -> NDArray[np.uint8]:
        """What becomes of a good tag."""
        return np.select(
            [row.beyond, row.resting, (row.jumped | row.louder) & row.alone],
            [Fault.OUT_OF_RANGE, Fault.FROZEN, Fault.SUSPECT],
            Fault.GOOD,
        ).astype(np.uint8)

    def _suspect(self, members: I8, row: _Row) -> NDArray[np.uint8]:
        """What becomes of a suspect: the machine moves after all, or one of the faults, or it was a step."""
        noisy = (self._flips[members] >= FLIPS) | row.louder
        waits = self._age[members] < np.where(noisy, LISTEN, DOUBT)
        return np.select(
            [row.beyond, ~row.alone, waits, row.stuck, noisy & row.aside, noisy, row.back, row.far],
            [F.OUT_OF_RANGE, F.RELEASED, F.SUSPECT, F.DEAD, F.RELEASED, F.NOISE, F.SPIKE, F.OUT_OF_RANGE],
            Fault.RELEASED,
        ).astype(np.uint8)

    def _recovered(self, members: I8, was: NDArray[np.uint8], row: _Row) -> Mask:
        """Faults and releases of which nothing has been seen for a while."""
        named = was > Fault.SUSPECT
        calm = np.where(named & row.healthy, self._calm[members] + 1, 0)
        self._calm[members] = calm
        over: Mask = named & (calm >= HEALTHY)
        return over


def _alone(moves: Mask) -> Mask:
    """Where no other tag of the asset does."""
    alone: Mask = np.count_nonzero(moves, axis=1)[:, None] - moves == 0
    return alone


def _findings(members: I8, was: NDArray[np.uint8], now: NDArray[np.uint8]) -> list[Finding]:
    """What is worth an event: a suspicion, and one that is dropped, are none."""
    told = (was != now) & (_named(was) | _named(now))
    return [Finding(int(members[i]), int(j), Fault(int(now[i, j]))) for i, j in np.argwhere(told)]


def _named(fault: NDArray[np.uint8]) -> Mask:
    named: Mask = (fault > Fault.SUSPECT) & (fault < Fault.RELEASED)
    return named


def _left_out(fault: NDArray[np.uint8]) -> Mask:
    out: Mask = (fault >= Fault.SUSPECT) & (fault < Fault.RELEASED)
    return out
