"""Who judges while a user's model is out: the built-in detector, which has learnt the same tags beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.models.detector import Detector
from gateway.stages.score import Scorer, Scores

Tell = Callable[[str, str, Mapping[str, Any]], None]
"""Takes (kind of the event, text, fields)."""

SHOWN: Final = 5  # assets that a sentence names


class Failing(Scorer, Protocol):
    """A user's model, which may have no version that can answer."""

    @property
    def out(self) -> bool:
        """Whether nothing will answer: no version is active."""


class Fallback:
    """A user's model, and beside it the built-in detector for those of its assets that want one.

    The detector sees every row, so that it has learnt, and stands in the middle of the course of things, when it is
    needed. Satisfies stages.score.Scorer.
    """

    def __init__(self, own: Failing, detector: Detector, place: NDArray[np.int64], name: tuple[str, str]) -> None:
        """`place` i8[n]: which member of `detector` each member of `own` is, -1 for none; `name` as events carry it."""
        self.own, self._detector, self._place, self._name = own, detector, place, name

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        """Let both look at one row of each member, the detector speaks where the model is out; see Scorer."""
        scores, place = self.own.score(members, x), self._place[members]
        at = np.flatnonzero(place >= 0)
        if not len(at):
            return scores
        beside = self._detector.score(place[at], x[at])
        if self.own.out:
            scores.score[at], scores.threshold[at], scores.reason[at] = beside.score, beside.threshold, beside.reason
            scores.contrib[at], scores.expected[at] = beside.contrib, beside.expected
            scores.model, scores.version = self._name
        return scores


class Cover:
    """Tells once when the built-in detector begins to judge in place of a model, and once when the model is back."""

    def __init__(self, model: str, assets: Sequence[str], tell: Tell) -> None:
        """`assets`: those that have a fallback."""
        self._model, self._assets, self._tell = model, tuple(assets), tell
        self._standing = False

    def look(self, *, out: bool) -> None:
        """Whether the model is out now."""
        if out == self._standing or not self._assets:
            return
        self._standing = out
        names = ", ".join(self._assets[:SHOWN]) + (" …" if len(self._assets) > SHOWN else "")
        if out:
            text = f"no version of {self._model} can judge; meanwhile the built-in detector does, for {names}"
            self._tell("fallback", text, {"assets": list(self._assets)})
        else:
            text = f"{self._model} judges {names} again; the built-in detector learns on beside it"
            self._tell("fallback over", text, {"assets": list(self._assets)})
