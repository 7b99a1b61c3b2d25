"""The one mover between ingest and delivery: batches → condition → image → telemetry, and → features → score → alarm.

It is called with batches and instants and calls the outbox with bytes; it never waits nor looks at a clock, so that
a replay of recorded batches gives the very events of the day itself. Per batch, never per reading.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.alarms import AlarmTeller, Told
from gateway.deliver.event import AlarmEvent, Class, GatewayEvent, encode
from gateway.deliver.telemetry import OutboxPort, Sends, Telemetry
from gateway.intake import Intake
from gateway.sdk.batch import Batch, Kind
from gateway.sdk.quality import UNCERTAIN_ENGINEERING_UNITS_EXCEEDED, is_good
from gateway.sdk.tags import TagTable
from gateway.stages.condition import Mode
from gateway.stages.dating import Dating
from gateway.stages.features import Gathered, gather
from gateway.stages.meaning import Meanings
from gateway.stages.operating import Operating
from gateway.stages.score import Abstain, Scores
from gateway.stages.sensor import Fault, Finding
from gateway.stages.states import STANDING, Event, Transition
from gateway.stages.stuck import CHOICES
from gateway.stages.watch import Cohort, Watch

_ROW_COUNTERS = {
    int(kind): "rows_scored_total" if kind is Abstain.NONE else f"rows_abstained_{kind.name.lower()}_total"
    for kind in Abstain
}


@dataclass(frozen=True)
class Outward:
    """How messages leave."""

    gateway: str
    outbox: OutboxPort
    topic: Callable[[Class, str], str]
    telemetry: Mode
    sends: Sends | None = None  # telemetry; as columns unless given
    doubt: Callable[[], str] = str  # why the clock is not to be trusted now; empty: it is


class Pipeline:
    """Moves batches through the stages."""

    def __init__(self, table: TagTable, watch: Watch, out: Outward, meanings: Meanings | None = None) -> None:
        """`meanings`: of the rows; as configured, unless given."""
        self.counters: Counter[str] = Counter()
        self.meanings = meanings or Meanings(table)
        telemetry = out.sends or Telemetry(out.gateway, table, out.outbox, out.topic, out.doubt)
        self._intake = Intake(table, telemetry, out.telemetry, self.counters)
        self.image = self._intake.image
        self.scored: list[tuple[int, NDArray[np.int64], Gathered, Scores]] = []  # last turn, for views and evaluation
        self.changed: Callable[[Transition, AlarmEvent], None] = lambda _change, _told: None  # of each alarm
        self._table, self._watch, self._out = table, watch, out
        self._dating = Dating(len(watch.names))
        self._teller = AlarmTeller(table, watch, self.meanings)
        self._cohort_of, self._place = watch.places()
        self._waiting: dict[int, tuple[int, NDArray[np.int64], Gathered, NDArray[np.int64]]] = {}  # by ticket

    def take_over(self, old: "Pipeline", moves: Sequence[tuple[slice, slice]], *, same: bool) -> None:
        """Go on from another pipeline.

        Args:
            old: the one that moved batches until now.
            moves: where the rows of devices that stay stood there, and where they stand here.
            same: whether the assets are the same, judged by the same.
        """
        self.counters.update(old.counters)
        self.image.take_over(old.image, moves)
        if same:
            self._waiting, self._dating = old._waiting, old._dating  # noqa: SLF001 - of its own class
            self._teller.take_over(old._teller)  # noqa: SLF001 - of its own class

    # -- in ----------------------------------------------------------------------------------------------------------

    def process(self, batches: Sequence[Batch], now: int) -> None:
        """Work on all that arrived since the last turn. `now` is monotonic ns."""
        self.scored.clear()
        for scans in _rounds(batches):
            self._process(scans, now)

    def _process(self, batches: Sequence[Batch], now: int) -> None:
        for batch in batches:
            if batch.kind is Kind.CONFIRM:
                self.image.confirm(batch.rows, now)
            elif batch.kind is Kind.HISTORY:
                self._intake.pass_on(batch)
        told = [batch for batch in batches if batch.kind in (Kind.DATA, Kind.LOST) and len(batch)]
        if told:
            self._intake.take(told, now)
        self._watch.readiness.lost(batch.group for batch in told if batch.kind is Kind.LOST)
        read = [batch.group for batch in told if batch.kind is Kind.DATA and batch.group >= 0]
        self.evaluate(self._watch.readiness.read(read), max((batch.received for batch in told), default=0))

    def sweep(self, now: int, wall: int) -> None:
        """End what shelving is over at `wall`; mark what has gone stale by `now` (monotonic ns) and report it.

        Once a second is often enough.
        """
        for over in self._watch.alarms.expire(wall):
            self._send_commanded(over, Told())
        self._intake.sweep(now, wall)

    # -- assets ------------------------------------------------------------------------------------------------------

    def evaluate(self, due: NDArray[np.int64], received: int) -> None:
        """Score the assets `due` (their numbers) on what the image holds; `received` dates those without good tags."""
        if self._watch.operating is not None:
            due = self._running(self._watch.operating, due, received)
        if not len(due):
            return
        if len(self._watch.cohorts) == 1:
            self._score(0, due, received)
            return
        cohort_of = self._cohort_of[due]
        for number in np.unique(cohort_of).tolist():
            self._score(number, due[cohort_of == number], received)

    def _running(self, operating: Operating, due: NDArray[np.int64], received: int) -> NDArray[np.int64]:
        """Those of `due` whose machine runs. The others are not judged, and what they have raised is suppressed."""
        look = operating.look(due, self.image.value, self.image.status, received)
        for asset in look.stopped:
            if self._watch.alarms.state[asset] in STANDING:
                self.command(asset, Event.SUPPRESS, received, Told())
        for asset in look.started:
            self.command(asset, Event.UNSUPPRESS, received, Told())
        for number in np.unique(self._cohort_of[look.resting]).tolist():
            resting = look.resting[self._cohort_of[look.resting] == number]
            index = self._watch.cohorts[number].index[self._place[resting]]
            seen = gather(index, self.image.value, self.image.status, self.image.time)
            scores = Scores.silent(len(resting), index.shape[1], Abstain.NOT_OPERATING)
            self.scored.append((number, resting, seen, scores))
            self._count_scores(scores)
        return look.judged

    def _score(self, number: int, assets: NDArray[np.int64], received: int) -> None:
        cohort = self._watch.cohorts[number]
        members = self._place[assets]
        image = self.image
        seen = gather(cohort.index[members], image.value, image.status, image.time)
        time = self._dating.carry(assets, np.where(seen.time > 0, seen.time, received), received)
        if cohort.sensors is not None:
            seen = self._without_faults(cohort, members, seen, time)
        scores = cohort.scorer.score(members, seen.x)
        if scores.ticket:
            pending = scores.reason == Abstain.PENDING
            part = Gathered(seen.x[pending], seen.good[pending], seen.time[pending])
            self._waiting[scores.ticket] = (number, assets[pending], part, time[pending])
        self._judge(number, assets, seen, scores, time)

    def _without_faults(
        self, cohort: Cohort, members: NDArray[np.int64], seen: Gathered, time: NDArray[np.int64]
    ) -> Gathered:
        """What the model may see: tags whose sensor is at fault are left out, and told of once."""
        assert cohort.sensors is not None  # noqa: S101 - the caller has looked
        beyond = None
        if int(seen.good.sum()) < seen.x.size:
            beyond = self.image.status[cohort.index[members]] == UNCERTAIN_ENGINEERING_UNITS_EXCEEDED
        left_out, findings = cohort.sensors.step(members, seen.x, beyond)
        for finding in findings:
            at = int(np.flatnonzero(members == finding.member)[0])
            self._tell_finding(cohort, finding, int(time[at]))
        return seen if left_out is None else seen.without(left_out)

    def _tell_finding(self, cohort: Cohort, finding: Finding, time: int) -> None:
        asset = self._watch.names[int(cohort.assets[finding.member])]
        row = int(cohort.index[finding.member, finding.tag])
        tag, value = self._table.names[row], float(self.image.value[row])
        good = finding.fault in (Fault.GOOD, Fault.RELEASED)
        kind, what = ("sensor good", "good again") if good else ("sensor fault", finding.fault.words)
        self.counters["sensor_goods_total" if good else "sensor_faults_total"] += 1
        fields = {"tag": tag, "fault": what, "value": value, "unit": self.meanings.unit(row)}
        if meant := self.meanings.text(row, value):
            fields["text"] = meant
        text = f"{asset}: the sensor of {tag} is {what}" + ("" if good else "; it is left out of the score")
        self.send(Class.EVENT, asset, GatewayEvent(kind, asset, time, text, fields))

    def late(self, ticket: int, scores: Scores) -> None:
        """Judge rows that were PENDING: `scores` is what their model, in a process of its own, says to them now."""
        number, assets, seen, time = self._waiting.pop(ticket)
        self._judge(number, assets, seen, scores, time)

    def _judge(
        self, number: int, assets: NDArray[np.int64], seen: Gathered, scores: Scores, time: NDArray[np.int64]
    ) -> None:
        self.scored.append((number, assets, seen, scores))
        self._count_scores(scores)
        told = scores.reason != Abstain.PENDING if scores.ticket else slice(None)
        lead = scores.lead[told]
        moved = self._watch.alarms.step(assets[told], scores.score[told], scores.threshold[told], time[told], lead)
        for transition in moved:
            at = int(np.flatnonzero(assets == transition.asset)[0])
            self._send_alarm(transition, self._teller.by_score(transition, at, seen, scores))
        for asset in self._watch.alarms.stuck.take():
            self._ask(asset, int(time[np.flatnonzero(assets == asset)[0]]))

    def _ask(self, asset: int, time: int) -> None:
        """An alarm has stood for long: what is to be done about it?"""
        name = self._watch.names[asset]
        text = f"{name}: the alarm stays. {', '.join(CHOICES)}: fieldgate asset accept|recalibrate|fault {name}"
        self.counters["alarms_stay_total"] += 1
        self.send(Class.EVENT, name, GatewayEvent("alarm stays", name, time, text, {"choices": list(CHOICES)}))

    def _count_scores(self, scores: Scores) -> None:
        for reason, count in enumerate(np.bincount(scores.reason).tolist()):
            if count and reason != Abstain.PENDING:  # counted when its answer is there
                self.counters["rows_evaluated_total"] += count
                self.counters[_ROW_COUNTERS[reason]] += count

    def command(self, asset: int, event: Event, time: int, told: Told, until: int | None = None) -> Transition | None:
        """Let an operator move one alarm, and tell of it; None when the alarm's state knows no such event.

        Args:
            asset: number of the asset.
            event: anything but raise and return.
            time: when, Unix ns UTC.
            told: who, and why.
            until: end of shelving, Unix ns UTC.
        """
        transition = self._watch.alarms.command(asset, event, time, until)
        if transition is not None:
            self._send_commanded(transition, told)
        return transition

    def _send_commanded(self, transition: Transition, told: Told) -> None:
        rows = list(self._watch.rows[transition.asset])
        good = int(np.count_nonzero(is_good(self.image.status[rows])))
        self._send_alarm(transition, self._teller.by_command(transition, good, told))

    def _send_alarm(self, transition: Transition, event: AlarmEvent) -> None:
        self.counters[f"alarms_{transition.event.name.lower()}_total"] += 1
        self.send(Class.ALARM, event.asset, event)
        self.changed(transition, event)

    # -- out ---------------------------------------------------------------------------------------------------------

    def send(self, cls: Class, name: str, event: AlarmEvent | GatewayEvent) -> None:
        """Give an event to the outbox; `name` is the asset or device that its topic carries."""
        outbox = self._out.outbox
        sequence = outbox.reserve(cls)
        body = encode(event, self._out.gateway, outbox.epoch, sequence, self._out.doubt())
        outbox.put(cls, sequence, self._out.topic(cls, name), body, 0)


def _rounds(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Batches in their order, cut wherever a scan group comes again: each of its scans is scored."""
    turn: list[Batch] = []
    seen: set[int] = set()
    for batch in batches:
        if batch.group in seen:
            yield turn
            turn, seen = [], set()
        turn.append(batch)
        if batch.group >= 0:
            seen.add(batch.group)
    if turn:
        yield turn
