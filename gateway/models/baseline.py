"""Slow change that counts as normal: the mean of each tag follows it, and how far it has gone is its drift.

What is far from normal moves the mean little (beyond a score of 1 the weight falls with its square), so that an alarm
does not end by being learnt.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.models.calibration import CLIP

F8 = NDArray[np.float64]


EVERY: Final = 8  # rows, a power of 2; the slow means look at each eighth, for a span is thousands


class Baseline:
    """The slow means of n members of D tags.

    Attributes:
        shift: f8[n, D], how far each mean has moved since the calibration, in standard deviations.
    """

    def __init__(self, width: int, spans: Sequence[float]) -> None:
        """`spans` in rows; 0: the mean stays where it was calibrated, and its drift is not known."""
        n = len(spans)
        self._beta = np.array([EVERY * 2 / (span + 1) if span else 0.0 for span in spans])[:, None]
        self._row = np.zeros(n, np.int64)
        self._m, self._s = np.zeros((n, width)), np.zeros((n, width))
        self._per = np.zeros((n, width))
        self.shift = np.zeros((n, width))

    def begin(self, member: int, m: F8, s: F8) -> None:
        """A new calibration of `member`; tags that it does not know (s is infinite) stay."""
        known = np.isfinite(s)
        self._m[member], self._s[member] = m, np.where(known, s, 0.0)
        self._per[member] = np.where(known, 1 / s, 0.0)
        self.shift[member] = 0

    def follow(self, members: NDArray[np.int64], x: F8, score: F8, m: NDArray[Any]) -> NDArray[np.float32] | None:
        """Let the means of `members` follow one row x[B, D]; m f8[n, 1, 1, D], the detector's own, is moved in place.

        Returns:
            f4[B, 1, 1, D], by how much the smoothed tags must fall to stand where they stood; None: not at all.
        """
        row = self._row[members] + 1
        self._row[members] = row
        turn = row & (EVERY - 1)
        if turn.all():
            return None
        due = turn == 0
        step = np.zeros((len(members), 1, 1, x.shape[1]), np.float32)
        step[due, 0, 0] = self._step(members[due], x[due], score[due], m)
        return step

    def _step(self, members: NDArray[np.int64], x: F8, score: F8, m: NDArray[Any]) -> F8:
        shift = self.shift[members]
        s = self._s[members]
        away = (x - self._m[members]) * self._per[members] - shift
        weight = self._beta[members] * (1 / np.maximum(score, 1.0) ** 2)[:, None]
        step: F8 = weight * np.clip(np.nan_to_num(away), -CLIP, CLIP)
        shift += step
        self.shift[members] = shift
        m[members, 0, 0] = self._m[members] + s * shift
        return step

    def put(self, member: int, shift: NDArray[Any], m: NDArray[Any]) -> None:
        """Set the shift of `member`."""
        self.shift[member] = shift
        m[member, 0, 0] = self._m[member] + self._s[member] * self.shift[member]
