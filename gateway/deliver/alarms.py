"""What is told of an alarm: one message for each change of its state, whether the score or an operator made it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gateway.deliver.event import AlarmEvent, Contribution
from gateway.sdk.tags import TagTable
from gateway.stages.features import Gathered
from gateway.stages.meaning import Meanings
from gateway.stages.rules import RULE
from gateway.stages.score import Scores
from gateway.stages.states import ACTIVE, Event, Transition
from gateway.stages.watch import Cohort, Watch

_TOP = 5  # contributions that an alarm names


@dataclass(frozen=True, slots=True)
class Told:
    """Who moved an alarm, and why; nobody when shelving ends by itself."""

    by: str = ""
    comment: str = ""


class AlarmTeller:
    """Puts changes of state into words, and remembers for each alarm what it was raised by."""

    def __init__(self, table: TagTable, watch: Watch, meanings: Meanings) -> None:
        self._table, self._watch, self._meanings = table, watch, meanings
        self._cohort_of, _ = watch.places()
        self._last: dict[int, AlarmEvent] = {}  # by asset: what the score said last

    def take_over(self, old: "AlarmTeller") -> None:
        """Go on from what another one has said of the same assets."""
        self._last = old._last  # noqa: SLF001 - of its own class

    def by_score(self, transition: Transition, at: int, seen: Gathered, scores: Scores) -> AlarmEvent:
        """The message for a change that the row `at` of `scores` made."""
        asset = transition.asset
        cohort, rows = self._cohort(asset), self._watch.rows[asset]
        parts = self._contributions(rows, at, seen, scores)
        text = _sentence(self._watch.names[asset], transition, parts, limit=cohort.model == RULE)
        model = (scores.model or cohort.model, scores.version or cohort.version)
        event = self._event(transition, parts, (int(seen.good[at]), len(rows)), model, text)
        self._last[asset] = event
        return event

    def by_command(self, transition: Transition, good: int, told: Told) -> AlarmEvent:
        """The message for a change without a row: contributions are the last known; `good` inputs are good now."""
        asset = transition.asset
        last, rows = self._last.get(asset), self._watch.rows[asset]
        parts = tuple(last.contributions) if last else ()
        cohort = self._cohort(asset)
        model = (last.model, last.model_version) if last else (cohort.model, cohort.version)
        text = _command_sentence(self._watch.names[asset], transition, told)
        return self._event(transition, parts, (good, len(rows)), model, text, told)

    def _cohort(self, asset: int) -> Cohort:
        return self._watch.cohorts[int(self._cohort_of[asset])]

    def _event(
        self,
        transition: Transition,
        contributions: tuple[Contribution, ...],
        quality: tuple[int, int],
        model: tuple[str, str],
        message: str,
        told: Told = Told(),
    ) -> AlarmEvent:
        watch, asset = self._watch, transition.asset
        return AlarmEvent(
            asset=watch.names[asset],
            time_ns=transition.time,
            state=transition.state.word,
            previous=transition.previous.word,
            severity=watch.configs[asset].alarm.severity.value,
            score=transition.score,
            threshold=transition.threshold,
            since_ns=transition.since,
            contributions=contributions,
            good=quality[0],
            total=quality[1],
            model=model[0],
            model_version=model[1],
            message=message,
            by=told.by,
            comment=told.comment,
            until_ns=watch.alarms.until(asset),
        )

    def _contributions(
        self, rows: tuple[int, ...], at: int, seen: Gathered, scores: Scores
    ) -> tuple[Contribution, ...]:
        shares = scores.contrib[at]
        order = np.argsort(-shares)[: min(_TOP, np.count_nonzero(np.isfinite(shares)))].tolist()  # NaN comes last
        return tuple(
            self._contribution(rows[j], float(shares[j]), float(seen.x[at, j]), float(scores.expected[at, j]))
            for j in order
        )

    def _contribution(self, row: int, share: float, value: float, expected: float) -> Contribution:
        unit, text = self._meanings.unit(row), self._meanings.text(row, value)
        return Contribution(self._table.names[row], share, value, expected, unit, text)


_DONE = {
    Event.ACKNOWLEDGE: "acknowledged", Event.SHELVE: "shelved", Event.UNSHELVE: "unshelved",
    Event.REMOVE: "taken out of service", Event.RESTORE: "back in service",
    Event.SUPPRESS: "suppressed", Event.UNSUPPRESS: "not suppressed any more",
}  # fmt: skip


def _command_sentence(asset: str, transition: Transition, told: Told) -> str:
    if transition.event is Event.UNSHELVE and not told.by:
        return f"{asset}: shelving has ended"
    if transition.event is Event.SUPPRESS and not told.by:
        return f"{asset}: suppressed by design, the machine is not in the state in which it is judged"
    who = f" by {told.by}" if told.by else ""
    return f"{asset}: {_DONE[transition.event]}{who}" + (f": {told.comment}" if told.comment else "")


def _sentence(asset: str, transition: Transition, contributions: Iterable[Contribution], *, limit: bool) -> str:
    """What an operator reads first."""
    first = next(iter(contributions), None)
    if first is None or transition.state not in ACTIVE:
        return f"{asset}: {transition.state.word}"
    unit = f" {first.unit}" if first.unit else ""
    said = f"{asset}: {first.tag} is {first.value:.4g}{unit}" + (f" ({first.text})" if first.text else "")
    if first.expected is None or np.isnan(first.expected):  # a user's model need not say
        return f"{said}, which speaks most for it"
    if limit:
        return f"{said}; its rule says {first.expected:.4g}"
    return f"{said}, expected {first.expected:.4g}{unit} given the other tags"
