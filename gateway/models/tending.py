"""What is done for the detectors beside the scoring: operators' answers are carried out, drifts are told of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.models.answers import AnswerError, carry_out
from gateway.models.drift import DriftMonitor
from gateway.models.learning import Learning


@dataclass(frozen=True, slots=True)
class News:
    """An event to be: to whom it happened, what, and in a sentence.

    Attributes:
        forget: whether what is kept of the asset's calibration is void.
    """

    name: str
    kind: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    forget: bool = False


class Tending:
    """Looks after what `learning` has learnt."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning
        self.drift = DriftMonitor(learning.judged)

    def answer(self, answers: Iterable[tuple[str, str]]) -> list[News]:
        """Carry out (asset, answer) of operators; see gateway.models.answers."""
        return [self._answer(asset, answer) for asset, answer in answers]

    def _answer(self, asset: str, answer: str) -> News:
        try:
            text = carry_out(self._learning.judged, asset, answer)
        except AnswerError as error:
            return News(asset, "answer refused", str(error), {"answer": answer})
        return News(asset, "answered", text, {"answer": answer}, forget=answer == "recalibrate")

    def look(self) -> list[News]:
        """Tags that have drifted away from their calibration, or come back, since the last look."""
        watch = self._learning.judged.watch
        found = []
        for drift in self.drift.look():
            tag = watch.configs[watch.names.index(drift.asset)].tags[drift.tag]
            kind = "input drift" if drift.gone else "input drift over"
            fields = {"tag": tag, "standard_deviations": round(drift.by, 2)}
            found.append(News(drift.asset, kind, drift.text(tag), fields))
        return found
