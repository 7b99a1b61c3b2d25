"""Input drift: a tag whose slow mean has left its calibration. Told of once, and once when it is back.

Alarms compare with the slow mean (`baseline.py`), so what creeps in over days raises none: this is where it is seen.
"""

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gateway.models.cohorts import Judged
from gateway.models.detector import Detector
from gateway.models.fallback import Fallback

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
        own: whether the built-in detector says so; otherwise it is from what a user's model was trained on.
    """

    asset: str
    tag: int
    by: float
    gone: bool
    own: bool = True

    def text(self, tag: str) -> str:
        """In a sentence; `tag` is its name."""
        if not self.gone:
            return f"{self.asset}: {tag} is back where it was {'calibrated' if self.own else 'in training'}"
        by = f"{self.asset}: {tag} has drifted by {self.by:+.1f} standard deviations"
        if self.own:
            return f"{by} since the calibration; accept it as normal, recalibrate, or look for the cause"
        return f"{by} from what its model was trained on; look for the cause, or train the model anew"


@runtime_checkable
class Drifting(Protocol):
    """What knows how far the tags of its assets have gone."""

    @property
    def drift(self) -> NDArray[np.float64]:
        """f8[n, D], standard deviations."""


def _sources(judged: Judged) -> list[tuple[NDArray[np.int64], Drifting]]:
    """The detectors, those beside users' models included, and users' models: each with the numbers of its assets."""
    found: list[tuple[NDArray[np.int64], Drifting]] = list(zip(judged.taught, judged.detectors, strict=True))
    for cohort in judged.watch.cohorts:
        scorer = cohort.scorer.own if isinstance(cohort.scorer, Fallback) else cohort.scorer
        if isinstance(scorer, Drifting) and not isinstance(scorer, Detector):
            found.append((cohort.assets, scorer))
    return found


def drifted(judged: Judged) -> int:
    """How many tags are away from their calibration now."""
    return sum(int(np.count_nonzero(np.abs(source.drift) > LIMIT)) for _, source in _sources(judged))


class DriftMonitor:
    """All assets but those of rules. A look costs microseconds per asset; once a minute is often enough."""

    def __init__(self, judged: Judged) -> None:
        self._judged, self._sources = judged, _sources(judged)
        self._gone = [np.zeros(source.drift.shape, np.bool_) for _, source in self._sources]

    def look(self) -> list[Drift]:
        """What has changed since the last look."""
        found = []
        for number, (assets, source) in enumerate(self._sources):
            gone, drift = self._gone[number], source.drift
            size = np.abs(drift)
            now = np.where(gone, size > BACK, size > LIMIT)
            name = self._judged.watch.names
            found += [
                Drift(name[assets[i]], int(j), float(drift[i, j]), bool(now[i, j]), own=isinstance(source, Detector))
                for i, j in np.argwhere(now != gone)
            ]
            self._gone[number] = now
        return found
