"""The one mover between ingest and delivery: batches → condition → image → telemetry, and → features → score → alarm.

It is called with batches and instants and calls the outbox with bytes; it never waits nor looks at a clock, so that
a replay of recorded batches gives the very events of the day itself. Per batch, never per reading.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.alarms import AlarmTeller, Told
from gateway.deliver.event import AlarmEvent, Class, GatewayEvent, encode
from gateway.deliver.payloads.columnar import Columnar
from gateway.ingest.image import Image
from gateway.sdk.batch import Batch, Kind
from gateway.sdk.quality import BAD, UNCERTAIN_ENGINEERING_UNITS_EXCEEDED, is_good
from gateway.sdk.tags import TagTable
from gateway.stages.condition import Conditioner, Mode, Readings
from gateway.stages.features import Gathered, gather
from gateway.stages.score import Abstain, Scores
from gateway.stages.sensor import Fault, Finding
from gateway.stages.states import Event, Transition
from gateway.stages.stuck import CHOICES
from gateway.stages.watch import Cohort, Watch

_ROW_COUNTERS = {
    int(kind): "rows_scored_total" if kind is Abstain.NONE else f"rows_abstained_{kind.name.lower()}_total"
    for kind in Abstain
}


class OutboxPort(Protocol):
    """What the pipeline needs of the outbox."""

    epoch: str

    def reserve(self, cls: Class) -> int:
        """The next sequence number of a class."""

    def put(self, cls: Class, sequence: int, topic: str, body: bytes, readings: int) -> None:
        """Take a message; never blocks."""


@dataclass(frozen=True)
class Outward:
    """How messages leave."""

    gateway: str
    outbox: OutboxPort
    topic: Callable[[Class, str], str]
    telemetry: Mode


class Pipeline:
    """Moves batches through the stages."""

    def __init__(self, table: TagTable, watch: Watch, out: Outward) -> None:
        self.image = Image(table)
        self.counters: Counter[str] = Counter()
        self.scored: list[tuple[int, NDArray[np.int64], Gathered, Scores]] = []  # last turn, for views and evaluation
        self.changed: Callable[[Transition, AlarmEvent], None] = lambda _change, _told: None  # of each alarm
        self._table, self._watch, self._out = table, watch, out
        self._condition = Conditioner(table)
        self._columnar = Columnar(out.gateway, table)
        self._teller = AlarmTeller(table, watch)
        self._every_row = np.arange(len(table))
        self._cohort_of, self._place = watch.places()
        self._waiting: dict[int, tuple[int, NDArray[np.int64], Gathered, NDArray[np.int64]]] = {}  # by ticket

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
        told = [batch for batch in batches if batch.kind is not Kind.CONFIRM and len(batch)]
        if told:
            self._take(told, now)
        self._watch.readiness.lost(batch.group for batch in told if batch.kind is Kind.LOST)
        read = [batch.group for batch in told if batch.kind is Kind.DATA and batch.group >= 0]
        self.evaluate(self._watch.readiness.read(read), max((batch.received for batch in told), default=0))

    def sweep(self, now: int, wall: int) -> None:
        """End what shelving is over at `wall`; mark what has gone stale by `now` (monotonic ns) and report it.

        Once a second is often enough.
        """
        for over in self._watch.alarms.expire(wall):
            self._send_commanded(over, Told())
        gone = self.image.sweep(now)
        if not len(gone) or self._out.telemetry == "off":
            return
        self.image.report(gone, np.ones(len(gone), bool))
        devices = self._table.device[gone.rows]
        for device in np.unique(devices).tolist():
            mine = devices == device
            self._send_telemetry(device, gone.chosen(mine), {}, wall, readings=0)

    # -- readings ----------------------------------------------------------------------------------------------------

    def _take(self, batches: Sequence[Batch], now: int) -> None:
        raw = self._columns(batches)
        other = {row: thing for batch in batches for row, thing in batch.other.items()}
        if self.image.other:
            self.image.forget(raw.rows, other)
        exempt = np.isin(raw.rows, list(other)) if other else None
        new = self._condition(raw, self.image.time[raw.rows], exempt)
        mode = self._out.telemetry
        mask = self._condition.worth_reporting(
            new, self.image.reported[raw.rows], self.image.reported_status[raw.rows], mode
        )
        if other and mode == "changes":
            mask |= np.isin(raw.rows, [row for row, thing in other.items() if self.image.other.get(row) != thing])
        self.image.update(new, raw.status < BAD, now)
        self.image.report(new, mask)
        self.image.other.update(other)
        self._count(batches, new, mask)
        if mode != "off":
            self._report(batches, new, mask)

    def _columns(self, batches: Sequence[Batch]) -> Readings:
        rows = [self._every_row[b.rows] for b in batches]
        if len(batches) == 1:
            return Readings(rows[0], batches[0].value, batches[0].time, batches[0].status)
        return Readings(
            np.concatenate(rows),
            np.concatenate([b.value for b in batches]),
            np.concatenate([b.time for b in batches]),
            np.concatenate([b.status for b in batches]),
        )

    def _count(self, batches: Sequence[Batch], new: Readings, mask: NDArray[np.bool_]) -> None:
        count = self.counters
        told = int(np.count_nonzero(mask))
        count["readings_total"] += len(new)
        count["readings_bad_total"] += int(np.count_nonzero(new.status >= BAD))
        count["readings_suppressed_total" if self._out.telemetry == "changes" else "readings_not_sent_total"] += (
            len(new) - told
        )
        count["batches_total"] += len(batches)

    def _report(self, batches: Sequence[Batch], new: Readings, mask: NDArray[np.bool_]) -> None:
        """One message a batch, with what is worth reporting of it."""
        ends = np.cumsum([len(batch) for batch in batches])
        if not mask.all():
            ends, new = np.cumsum(mask)[ends - 1], new.chosen(mask)
        start = 0
        for batch, end in zip(batches, ends.tolist(), strict=True):
            if end > start:
                self._send_telemetry(batch.device, new.part(start, end), batch.other, batch.received, end - start)
            start = end

    def _send_telemetry(
        self, device: int, part: Readings, other: dict[int, object], received: int, readings: int
    ) -> None:
        outbox = self._out.outbox
        sequence = outbox.reserve(Class.TELEMETRY)
        body = self._columnar.encode(
            device, part.rows, part.value, part.time, part.status, other, outbox.epoch, sequence, received
        )
        name = self._table.devices[device].name
        outbox.put(Class.TELEMETRY, sequence, self._out.topic(Class.TELEMETRY, name), body, readings)

    # -- assets ------------------------------------------------------------------------------------------------------

    def evaluate(self, due: NDArray[np.int64], received: int) -> None:
        """Score the assets `due` (their numbers) on what the image holds; `received` dates those without good tags."""
        if not len(due):
            return
        if len(self._watch.cohorts) == 1:
            self._score(0, due, received)
            return
        cohort_of = self._cohort_of[due]
        for number in np.unique(cohort_of).tolist():
            self._score(number, due[cohort_of == number], received)

    def _score(self, number: int, assets: NDArray[np.int64], received: int) -> None:
        cohort = self._watch.cohorts[number]
        members = self._place[assets]
        image = self.image
        seen = gather(cohort.index[members], image.value, image.status, image.time)
        time = np.where(seen.time > 0, seen.time, received)
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
        fields = {"tag": tag, "fault": what, "value": value, "unit": self._table.units[row]}
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
        body = encode(event, self._out.gateway, outbox.epoch, sequence)
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
