"""Rules of one line: limit, rate of change, smoothed limit, CUSUM on one tag; ratio, residual between two.

A rule is scored like an asset, and has an alarm of its own: 1 is its limit, and 0.1 more is a tenth of the limit
beyond. Limits are what somebody wrote down, so nothing raises or lowers them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.stages.score import Abstain, Scores

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

RULE: Final = "rule"  # what stands in the place of a model's name
SLACK: Final = 0.5  # standard deviations that a CUSUM forgives each row: it looks for shifts of one (Montgomery, ch. 9)
TINY: Final = 1e-9


class Kind(IntEnum):
    """What is compared with the limits."""

    LIMIT = 0  # the value
    RATE = 1  # its change per second, either way
    EWMA = 2  # the value, smoothed
    CUSUM = 3  # the sum of what it deviates from its mean, either way, in standard deviations
    RATIO = 4  # the value over that of the other tag
    RESIDUAL = 5  # what the other tag does not explain, either way, in standard deviations


LEARNS: Final = (Kind.CUSUM, Kind.RESIDUAL)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        kind: what is compared.
        low: lower limit; -inf: none.
        high: upper limit; inf: none.
        period: seconds between two rows.
        span: rows, of the smoothing.
        learn: rows that CUSUM and RESIDUAL learn their mean, spread and slope from.
    """

    kind: Kind
    low: float
    high: float
    period: float
    span: int = 1
    learn: int = 0


class Rules:
    """Rules on `width` tags each (1, or 2: the tag and the other). Satisfies stages.score.Scorer."""

    def __init__(self, width: int, rules: Sequence[Rule]) -> None:
        n = len(rules)
        self._width = width
        self._kind = np.array([rule.kind for rule in rules], np.int64)
        self._low, self._high = (np.array([getattr(rule, side) for rule in rules], float) for side in ("low", "high"))
        self._period = np.array([rule.period for rule in rules], float)
        self._alpha = np.array([2 / (rule.span + 1) for rule in rules], float)
        self._left = np.array([rule.learn for rule in rules], np.int64)
        self._last, self._smooth = np.full((2, n), np.nan)
        self._up, self._down = np.zeros((2, n))
        self._sums = np.zeros((n, 6))  # rows, x, y, xx, xy, yy, less the first row of each: digits are kept
        self._first = np.full((n, 2), np.nan)

    def score(self, members: I8, x: F8) -> Scores:
        """One row of each member; see stages.score.Scorer. A rule with a bad tag abstains, and holds what it has."""
        good = ~np.isnan(x).any(axis=1)
        out = Scores.silent(len(members), self._width, Abstain.TOO_FEW_GOOD)
        out.threshold[:] = 1.0
        if not good.any():
            return out
        mine, own = members[good], x[good, 0]
        other = x[good, -1]
        learning = self._left[mine] > 0
        if learning.any():
            self._learn(mine[learning], own[learning], other[learning])
        found = self._measure(mine, own, other)
        out.score[good] = np.where(learning, np.nan, self._beyond(mine, found))
        out.reason[good] = np.where(learning, Abstain.CALIBRATING, Abstain.NONE)
        out.contrib[good] = np.eye(1, self._width)
        out.expected[good, 0] = self._nearest(mine, found)
        return out

    def _beyond(self, members: I8, found: F8) -> F8:
        """1 at a limit, more beyond it, in sizes of the limit."""
        low, high = self._low[members], self._high[members]
        with np.errstate(invalid="ignore"):
            above = (found - high) / np.maximum(np.abs(high), TINY)
            below = (low - found) / np.maximum(np.abs(low), TINY)
        above, below = np.where(np.isinf(high), -np.inf, above), np.where(np.isinf(low), -np.inf, below)
        beyond: F8 = np.maximum(1 + np.maximum(above, below), 0.0)
        return beyond

    def _nearest(self, members: I8, found: F8) -> F8:
        """The limit that is nearer."""
        low, high = self._low[members], self._high[members]
        nearest: F8 = np.where(np.abs(found - low) < np.abs(found - high), low, high)
        return nearest

    def _measure(self, members: I8, own: F8, other: F8) -> F8:
        """What each rule compares with its limits; the state of those that have one moves on."""
        kind, last = self._kind[members], self._last[members]
        rate = np.nan_to_num(np.abs(own - last)) / self._period[members]
        self._last[members] = own
        smooth = np.where(np.isnan(self._smooth[members]), own, self._smooth[members])
        smooth = self._smooth[members] = smooth + self._alpha[members] * (own - smooth)
        away = self._deviation(members, own, other)
        up = self._up[members] = np.maximum(self._up[members] + away - SLACK, 0.0)
        down = self._down[members] = np.maximum(self._down[members] - away - SLACK, 0.0)
        ratio = own / np.where(np.abs(other) < TINY, np.nan, other)
        return np.choose(kind, [own, rate, smooth, np.maximum(up, down), np.nan_to_num(ratio), np.abs(away)])

    def _deviation(self, members: I8, own: F8, other: F8) -> F8:
        """In standard deviations, from the mean (CUSUM) or from the line through the other tag (RESIDUAL)."""
        count, x, y, xx, xy, yy = self._sums[members].T
        count = np.maximum(count, 1)
        first = np.nan_to_num(self._first[members])
        spread_x, spread_y, both = xx - x * x / count, yy - y * y / count, xy - x * y / count
        line = self._kind[members] == Kind.RESIDUAL
        slope = np.where(line & (spread_y > TINY), both / np.maximum(spread_y, TINY), 0.0)
        rest = np.maximum(spread_x - slope * both, 0.0)
        sigma = np.sqrt(rest / count)
        away = own - first[:, 0] - x / count - slope * (other - first[:, 1] - y / count)
        known = (self._left[members] <= 0) & (sigma > 0)
        deviation: F8 = np.where(known, away / np.maximum(sigma, TINY), 0.0)
        return deviation

    def _learn(self, members: I8, own: F8, other: F8) -> None:
        pair = np.stack([own, other], axis=1)
        self._first[members] = np.where(np.isnan(self._first[members]), pair, self._first[members])
        x, y = (pair - self._first[members]).T
        self._sums[members] += np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
        self._left[members] -= 1

    def snapshot(self, member: int) -> bytes:
        """What has been learnt."""
        kept = np.concatenate([[float(self._left[member])], self._first[member], self._sums[member]])
        return kept.astype(float).tobytes()

    def restore(self, member: int, data: bytes) -> None:
        """Take up what `snapshot` gave; what is of another shape is learnt anew."""
        if len(data) != 9 * 8:
            return
        kept = np.frombuffer(data)
        self._left[member] = min(int(kept[0]), int(self._left[member]))
        self._first[member], self._sums[member] = kept[1:3], kept[3:]
