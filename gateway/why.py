"""Why a value or an alarm is missing: its way from the device to the broker, step by step, as the parts stand now.

Read-only, like the status. Each step says how it stands; the first that stops the way is the culprit, else the first
that explains it (a value that has not changed is not sent, and nothing is wrong).
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np

from gateway.deliver.event import Class
from gateway.ops.health import State
from gateway.sdk import TagTable, quality
from gateway.stages.condition import Mode
from gateway.stages.operating import Runs
from gateway.stages.score import Abstain
from gateway.stages.sensor import Fault
from gateway.stages.states import State as Alarm
from gateway.status import Parts, Status

_SHOWN: Final = 5  # tags of an asset that are named
_LATE: Final = 10.0  # s; a message that waits longer, with the broker there, is late
_MUTE: Final = (Alarm.SHELVED, Alarm.SUPPRESSED, Alarm.OUT_OF_SERVICE)
_PHASES: Final = {
    "scoring": "",
    "rule": "",
    "fitting": "it has gathered its rows and is just learning from them",
    "filling": "the window that its model looks at is not full yet",
    "model_failed": "its model gives no answer; `fieldgate model list` says why",
}


class Stand(StrEnum):
    """How a step stands."""

    OK = "ok"
    EXPLAINS = "explains"  # as configured, and a reason
    STOPS = "stops"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way: how it stands, in a sentence, since when (Unix s), and figures."""

    step: str
    stand: Stand
    text: str
    since: float | None = None
    counts: dict[str, Any] = field(default_factory=dict)


class Why:
    """Answers for the tags and assets of one running gateway."""

    def __init__(self, parts: Parts, status: Status, table: TagTable, telemetry: Mode) -> None:
        self._parts, self._status, self._table, self._telemetry = parts, status, table, telemetry
        self._cohort_of, self._member = parts.judged.watch.places()

    def names(self) -> tuple[str, ...]:
        """What can be asked for: assets, then tags."""
        return (*self._parts.judged.watch.names, *self._table.names)

    def of(self, name: str) -> dict[str, Any]:
        """The way of the asset or tag `name`, as JSON-able objects. Raises KeyError when there is neither."""
        watch = self._parts.judged.watch
        is_asset = name in watch.names
        steps = list(self._asset(watch.names.index(name)) if is_asset else self._tag(self._table.row(name)))
        culprit = next((step for stand in (Stand.STOPS, Stand.EXPLAINS) for step in steps if step.stand is stand), None)
        return {
            "name": name,
            "kind": "asset" if is_asset else "tag",
            "culprit": culprit.step if culprit else None,
            "verdict": culprit.text if culprit else "nothing is in its way",
            "steps": [asdict(step) for step in steps],
        }

    # -- the ways ----------------------------------------------------------------------------------------------------

    def _tag(self, row: int) -> Iterator[Step]:
        yield self._device(int(self._table.device[row]))
        yield self._quality(row)
        yield self._telemetry_step(row)
        yield from self._delivery(Class.TELEMETRY)

    def _asset(self, asset: int) -> Iterator[Step]:
        rows = self._parts.judged.watch.rows[asset]
        devices = sorted({int(self._table.device[row]) for row in rows})
        yield _worst([self._device(device) for device in devices], f"{len(devices)} devices answer")
        yield from self._operating(asset)
        yield self._tags(asset, rows)
        yield self._sensors(asset, rows)
        yield self._phase(asset)
        yield self._score(asset)
        yield self._alarm(asset)
        yield from self._delivery(Class.ALARM)

    # -- the steps ---------------------------------------------------------------------------------------------------

    def _device(self, device: int) -> Step:
        name = self._table.devices[device].name
        part = self._parts.health.part(f"device {name}")
        if part is None or part.state is State.STARTING:
            return Step("device", Stand.STOPS, f"{name} has not been heard from yet")
        if part.state is not State.OK:
            return Step("device", Stand.STOPS, f"{name}: {part.why}; {part.remedy}", part.since / 1e9)
        return Step("device", Stand.OK, f"{name} answers", part.since / 1e9)

    def _quality(self, row: int) -> Step:
        image, name = self._parts.pipeline.image, self._table.names[row]
        status, time = int(image.status[row]), int(image.time[row])
        since = time / 1e9 if time else None
        if status == quality.BAD_WAITING_FOR_INITIAL_DATA:
            return Step("quality", Stand.STOPS, f"{name} has had no value yet", since)
        if status >= quality.BAD:
            return Step("quality", Stand.STOPS, f"{name} is bad: {quality.name(status)}", since)
        if status == quality.UNCERTAIN_LAST_USABLE_VALUE:
            patience = self._table.stale_after[row] / 1e9
            return Step("quality", Stand.EXPLAINS, f"{name} is stale: not read for more than {patience:g} s", since)
        if status >= quality.UNCERTAIN:
            return Step("quality", Stand.EXPLAINS, f"{name} is uncertain: {quality.name(status)}", since)
        return Step("quality", Stand.OK, f"{name} is good: {self._value(row, float(image.value[row]))}", since)

    def _telemetry_step(self, row: int) -> Step:
        if self._telemetry == "off":
            return Step("telemetry", Stand.STOPS, "telemetry is off: no values are sent, only alarms and events")
        image, counters = self._parts.pipeline.image, self._parts.pipeline.counters
        counts = {"suppressed": counters["readings_suppressed_total"], "readings": counters["readings_total"]}
        held = self._telemetry == "changes" and int(image.status[row]) == int(image.reported_status[row])
        if not held or row in image.other:
            return Step("telemetry", Stand.OK, "it is sent as it is read", counts=counts)
        sent, deadband = self._value(row, float(image.reported[row])), float(self._table.deadband[row])
        within = f" by more than its dead-band of {deadband:g}" if deadband else ""
        text = f"it was sent as {sent}, and has not changed{within} since"
        return Step("telemetry", Stand.EXPLAINS, text, counts=counts)

    def _tags(self, asset: int, rows: Iterable[int]) -> Step:
        image, watch = self._parts.pipeline.image, self._parts.judged.watch
        rows = list(rows)
        poor = [row for row in rows if int(image.status[row]) >= quality.UNCERTAIN]
        good, least = len(rows) - len(poor), math.ceil(watch.configs[asset].min_good * len(rows))
        shown = "; ".join(self._quality(row).text for row in poor[:_SHOWN])
        if good < least:
            return Step("quality", Stand.STOPS, f"too few of its tags are good: {good}, it needs {least}. {shown}")
        if poor:
            return Step("quality", Stand.EXPLAINS, f"{good} of its {len(rows)} tags are good. {shown}")
        return Step("quality", Stand.OK, f"all {len(rows)} tags are good")

    def _operating(self, asset: int) -> Iterator[Step]:
        operating = self._parts.judged.watch.operating
        when = operating.whens[asset] if operating else None
        if operating is None or when is None:
            return
        runs, text = Runs(int(operating.runs[asset])), when.condition.text
        found = {
            Runs.YES: (Stand.OK, f"it is judged: {text}"),
            Runs.NO: (Stand.STOPS, f"it is not judged, its alarm is suppressed by design: {text} does not hold"),
            Runs.SETTLING: (Stand.STOPS, f"it settles: {text} must hold for {when.settle / 1e9:g} s"),
            Runs.UNKNOWN: (Stand.STOPS, f"it is not judged: whether {text} holds is not known"),
        }
        yield Step("operating", *found[runs])

    def _sensors(self, asset: int, rows: tuple[int, ...]) -> Step:
        sensors = self._parts.judged.watch.cohorts[self._cohort_of[asset]].sensors
        if sensors is None:
            return Step("sensors", Stand.OK, "its sensors are not judged")
        faults = sensors.fault[self._member[asset]]
        found = [
            f"{self._table.names[rows[i]]} is {Fault(int(faults[i])).words}"
            for i in np.flatnonzero((faults >= Fault.SUSPECT) & (faults < Fault.RELEASED))[:_SHOWN]
        ]
        if found:
            return Step("sensors", Stand.EXPLAINS, f"left out of the score: {', '.join(found)}")
        return Step("sensors", Stand.OK, "no sensor is at fault")

    def _phase(self, asset: int) -> Step:
        entry = self._status.assets()[asset]
        phase = str(entry["phase"])
        if phase == Abstain.CALIBRATING.name.lower():
            rows, needed = entry.get("rows"), entry.get("needed")
            return Step("detector", Stand.STOPS, f"it still learns what is normal: {rows} of {needed} rows")
        if phase == "fallback":
            return _fallback(int(entry["rows"]), int(entry["needed"]))
        text = _PHASES.get(phase, phase)
        return Step("detector", Stand.STOPS if text else Stand.OK, text or "it judges")

    def _score(self, asset: int) -> Step:
        score, alarms = float(self._status.score[asset]), self._parts.judged.watch.alarms
        limit = float(alarms.limit[asset])
        if math.isnan(score) or math.isnan(limit):
            return Step("score", Stand.STOPS, "there is no score yet")
        counts = {"score": round(score, 4), "threshold": round(limit, 4)}
        if score > limit:
            return Step("score", Stand.OK, f"the score {score:.3g} is above its threshold {limit:.3g}", counts=counts)
        text = f"the score {score:.3g} is not above its threshold {limit:.3g}: it is taken for normal"
        return Step("score", Stand.EXPLAINS, text, counts=counts)

    def _alarm(self, asset: int) -> Step:
        watch = self._parts.judged.watch
        state, config = Alarm(int(watch.alarms.state[asset])), watch.configs[asset].alarm
        if state in _MUTE:
            return Step("alarm", Stand.STOPS, f"the alarm is {state.word}: nothing is raised")
        above = float(self._status.score[asset]) > float(watch.alarms.limit[asset])
        if state is Alarm.NORMAL and above:
            waits = f"on_delay {config.on_delay:g} s, realarm {config.realarm:g} s"
            return Step("alarm", Stand.EXPLAINS, f"above, and not for long enough yet ({waits})")
        return Step("alarm", Stand.OK, f"the alarm is {state.word}")

    def _delivery(self, cls: Class) -> Iterator[Step]:
        stats = self._parts.outbox.stats()
        one = stats.classes[cls]
        counts = {
            "accepted": one.accepted.records, "acknowledged": one.acked.records, "waiting": one.queued.records,
            "dropped_readings": dict(one.dropped),
        }  # fmt: skip
        publisher = self._parts.publisher
        late = one.oldest_age > _LATE and publisher is not None and publisher.connected
        if stats.failed:
            yield Step("outbox", Stand.STOPS, f"the disk does not take messages: {stats.last_error}", counts=counts)
        elif one.dropped_records:
            reasons = ", ".join(f"{count} ({reason})" for reason, count in one.dropped_records.items())
            yield Step("outbox", Stand.EXPLAINS, f"messages were given up: {reasons}", counts=counts)
        elif late:
            text = f"{one.queued.records} messages wait, the oldest for {one.oldest_age:.0f} s: the broker is slow"
            yield Step("outbox", Stand.EXPLAINS, text, counts=counts)
        else:
            yield Step("outbox", Stand.OK, f"{one.queued.records} {cls.value} messages wait", counts=counts)
        yield self._broker()

    def _broker(self) -> Step:
        publisher = self._parts.publisher
        if publisher is None:
            return Step("broker", Stand.STOPS, "no broker is configured; set mqtt.url")
        if not publisher.connected:
            part, why = self._parts.health.part("broker"), publisher.last_error or "not reached yet"
            return Step("broker", Stand.STOPS, f"the broker is away: {why}", part.since / 1e9 if part else None)
        if publisher.trouble:
            return Step("broker", Stand.EXPLAINS, publisher.trouble)
        refused = publisher.counters["refused"]
        if refused:
            return Step("broker", Stand.EXPLAINS, f"the broker has refused {refused} messages: {publisher.last_error}")
        return Step(
            "broker", Stand.OK, "the broker takes messages", counts={"acknowledged": publisher.counters["acked"]}
        )

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _value(self, row: int, value: float) -> str:
        return self._parts.pipeline.meanings.words(row, value)


def _fallback(rows: int, needed: int) -> Step:
    """No version of its model can judge; how far the built-in detector is, which stands in for it."""
    out = "no version of its model is active (`fieldgate model list` says why)"
    if rows < needed:
        return Step("detector", Stand.STOPS, f"{out}; the built-in detector still learns: {rows} of {needed} rows")
    return Step("detector", Stand.EXPLAINS, f"{out}; the built-in detector judges meanwhile")


def _worst(steps: list[Step], well: str) -> Step:
    """The first step that is not ok; else one that says `well`."""
    return next((step for step in steps if step.stand is not Stand.OK), Step(steps[0].step, Stand.OK, well))
