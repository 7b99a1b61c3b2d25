"""What is usual for a tag of a machine: how far it moves from row to row, how long it rests, between which values.

Learnt from the first rows of its asset, as sums and extremes: nothing is gathered.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Mask = NDArray[np.bool_]

JUMP: Final = 8.0  # standard deviations of its changes; Gaussian ones are beyond it once in 1e15 rows
WIDER: Final = 1.5  # times the largest change that was seen
LOUD: Final = 9.0  # times the mean square of its changes: three times as loud
LOUDER: Final = 2.0  # times the largest mean square that was seen
REST: Final = 4  # times the longest rest that was seen
SHORTEST: Final = 8  # rows of rest that are never odd
QUIET: Final = 0.01  # standard deviations of its changes: less than this is no change
BEYOND: Final = 100.0  # widths of the range that was seen
CAP: Final = 2.0  # roots of the limit of loudness that one change may count: three jumps in a row are loud, one is not
GAUSS: Final = float(np.sqrt(np.pi / 2))  # standard deviation by mean size, of a Gaussian

JUMPS, LOUDS, RESTS, QUIETS, LOW, HIGH, CAPS, _LIMITS = range(8)  # rows of `limits`
_MOVED, _COUNT, _LARGEST, _LOUDEST, _LONGEST, _LEAST, _MOST = range(7)  # rows of the lesson


class Usual:
    """The limits of every tag of n assets of D tags.

    Attributes:
        limits: f8[n, 7, D]: largest change, largest mean square of changes, longest rest in rows, size below which a
            change is none, lowest and highest plausible value, largest change that
            counts for the mean square. Infinite, and 0 for the size, while they are not known.
    """

    def __init__(self, width: int, rows: Sequence[int], quick: Sequence[bool] | None = None) -> None:
        """Learn from the first `rows` of each asset; 0: never.

        Args:
            width: number of tags of each asset.
            rows: to learn from.
            quick: whose rows follow each other faster than a machine moves; all unless given. To the others a jump,
                and noise, say nothing: within a minute anything may have happened.
        """
        self._quick = np.ones(len(rows), np.bool_) if quick is None else np.array(quick, np.bool_)
        self._rows = np.array(rows, np.int64)
        self._left = self._rows.copy()
        self.limits = np.empty((len(rows), _LIMITS, width))
        self._lesson = np.empty((len(rows), 7, width))
        for member in range(len(rows)):
            self.restart(member)

    def restart(self, member: int) -> None:
        """Learn `member` anew."""
        self._left[member] = self._rows[member]
        self.limits[member] = np.inf
        self.limits[member, QUIETS] = 0.0
        self.limits[member, LOW] = -np.inf
        self._lesson[member] = 0.0
        self._lesson[member, _LEAST], self._lesson[member, _MOST] = np.inf, -np.inf

    def learning(self, members: I8) -> Mask:
        """Which of `members` still learn."""
        mask: Mask = self._left[members] > 0
        return mask

    def learn(self, members: I8, x: F8, state: F8) -> None:
        """Take one row of each of `members`.

        Args:
            members: i8[B].
            x: f8[B, D], values.
            state: f8[B, >=3, D], first the sizes of change, mean squares of changes, and rows of rest.
        """
        size, loud, rest = state[:, 0], state[:, 1], state[:, 2]
        lesson = self._lesson[members]
        known = ~np.isnan(x)
        lesson[:, _MOVED] += size
        lesson[:, _COUNT] += known
        lesson[:, _LARGEST] = np.maximum(lesson[:, _LARGEST], size)
        lesson[:, _LOUDEST] = np.maximum(lesson[:, _LOUDEST], loud)
        lesson[:, _LONGEST] = np.maximum(lesson[:, _LONGEST], rest)
        lesson[:, _LEAST] = np.fmin(lesson[:, _LEAST], x)
        lesson[:, _MOST] = np.fmax(lesson[:, _MOST], x)
        self._lesson[members] = lesson
        self._left[members] -= 1
        for member in members[self._left[members] == 0].tolist():
            self.limits[member] = _limits(self._lesson[member])
            if not self._quick[member]:
                self.limits[member, [JUMPS, LOUDS, CAPS]] = np.inf

    def snapshot(self, member: int) -> bytes:
        """What is known of `member` so far."""
        left = np.full((1, self.limits.shape[2]), float(self._left[member]))
        return np.concatenate([left, self.limits[member], self._lesson[member]]).tobytes()

    def restore(self, member: int, data: bytes) -> None:
        """Take up what `snapshot` gave; what is of another shape is ignored, and learnt anew."""
        width = self.limits.shape[2]
        if len(data) != 15 * width * 8:
            return
        kept = np.frombuffer(data).reshape(15, width)
        self._left[member] = min(int(kept[0, 0]), int(self._rows[member]))
        self.limits[member], self._lesson[member] = kept[1:8], kept[8:]


def _limits(lesson: F8) -> F8:
    """f8[7, D]; a tag that never moved has none."""
    moves = lesson[_MOVED] > 0
    spread = GAUSS * lesson[_MOVED] / np.maximum(lesson[_COUNT], 1)
    width = lesson[_MOST] - lesson[_LEAST]
    loud = np.maximum(LOUD * spread**2, LOUDER * lesson[_LOUDEST])
    limits = np.stack([
        np.maximum(JUMP * spread, WIDER * lesson[_LARGEST]),
        loud,
        np.maximum(SHORTEST, REST * lesson[_LONGEST]),
        QUIET * spread,
        lesson[_LEAST] - BEYOND * width,
        lesson[_MOST] + BEYOND * width,
        CAP * np.sqrt(loud),
    ])  # fmt: skip
    nothing = np.array([np.inf, np.inf, np.inf, 0.0, -np.inf, np.inf, np.inf])
    found: F8 = np.where(moves, limits, nothing[:, None])
    return found
