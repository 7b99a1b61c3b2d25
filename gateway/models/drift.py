"""Input drift: a tag whose slow mean has left its calibration. Told of once, and once when it is back.

Alarms compare with the slow mean (`baseline.py`), so what creeps in over days raises none: this is where it is seen.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.models.cohorts import Judged

LIMIT: Final = 3.0  # standard deviations of the calibration
BACK: Final = 2.0


@dataclass(frozen=True, slots=True)
class Drift:
    """A tag that has left its calibration, or come back to it.

    Attributes:
        asset: name.
        tag: number of the tag within its asset.
        by: standard deviations, with sign.
        gone: whether it has left.
    """

    asset: str
    tag: int
    by: float
    gone: bool

    def text(self, tag: str) -> str:
        """In a sentence; `tag` is its name."""
        if not self.gone:
            return f"{self.asset}: {tag} is back where it was calibrated"
        return (
            f"{self.asset}: {tag} has drifted by {self.by:+.1f} standard deviations since the calibration;"
            " accept it as normal, recalibrate, or look for the cause"
        )


class DriftMonitor:
    """All assets of the built-in detector. A look costs microseconds per asset; once a minute is often enough."""

    def __init__(self, judged: Judged) -> None:
        self._judged = judged
        self._gone = [np.zeros(detector.drift.shape, np.bool_) for detector in judged.detectors]

    def look(self) -> list[Drift]:
        """What has changed since the last look."""
        found = []
        for number, detector in enumerate(self._judged.detectors):
            gone, drift = self._gone[number], detector.drift
            size = np.abs(drift)
            now = np.where(gone, size > BACK, size > LIMIT)
            found += [self._drift(number, int(i), int(j), drift, now) for i, j in np.argwhere(now != gone)]
            self._gone[number] = now
        return found

    @property
    def count(self) -> int:
        """Tags that are away from their calibration."""
        return sum(int(gone.sum()) for gone in self._gone)

    def _drift(self, number: int, i: int, j: int, drift: NDArray[np.float64], now: NDArray[np.bool_]) -> Drift:
        asset = int(self._judged.watch.cohorts[number].assets[i])
        return Drift(self._judged.watch.names[asset], j, float(drift[i, j]), bool(now[i, j]))
