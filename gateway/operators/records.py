"""What is to be remembered of alarms: their states over a restart, their history, and how many there are."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gateway.deliver.event import AlarmEvent
from gateway.ops.walltime import STEP
from gateway.sdk import Clock, Log
from gateway.sdk.tags import NANOSECONDS
from gateway.stages.figures import AlarmFigures
from gateway.stages.states import Event, Transition
from gateway.stages.watch import Watch
from gateway.state.history import Change


class AlarmRecords:
    """Takes down each change, for the thread that keeps the state."""

    def __init__(self, watch: Watch, clock: Clock) -> None:
        self._watch, self._clock, self.names = watch, clock, watch.names
        self.snapshot = watch.alarms.snapshot  # of an asset, by its number
        self.figures = AlarmFigures([config.alarm.severity for config in watch.configs])
        self._changed: set[int] = set()
        self._changes: list[Change] = []
        self._offset = self._parted()

    def note(self, transition: Transition, event: AlarmEvent) -> None:
        """An alarm has changed its state."""
        self._changed.add(transition.asset)
        self._changes.append(_change(transition, event))
        if transition.event is Event.RAISE:
            self.figures.raised(transition.asset, self._clock.monotonic())

    def take(self) -> tuple[dict[str, str], Sequence[Change]]:
        """States (JSON, by asset) and changes since the last call; nothing when nothing has changed."""
        alarms, names = self._watch.alarms, self._watch.names
        states = {names[asset]: orjson.dumps(alarms.snapshot(asset)).decode() for asset in self._changed}
        changes, self._changes = self._changes, []
        self._changed.clear()
        return states, changes

    def restore(self, records: Mapping[str, str], log: Log) -> None:
        """Take up the states that were kept; a record that is none leaves its alarm as it is."""
        numbers = {name: number for number, name in enumerate(self._watch.names)}
        for name in records.keys() & numbers.keys():
            try:
                self._watch.alarms.restore(numbers[name], orjson.loads(records[name]))
            except (KeyError, TypeError, ValueError) as error:
                log.warning("alarm state not usable", asset=name, why=str(error))

    def take_over(self, old: "AlarmRecords") -> None:
        """Take up the states of those alarms that another configuration knew by the same names."""
        self._offset = old._offset  # noqa: SLF001 - of its own class
        numbers = {name: number for number, name in enumerate(self.names)}
        for number, name in enumerate(old.names):
            if name in numbers:
                self._watch.alarms.restore(numbers[name], old.snapshot(number))

    def keep_shelved(self) -> None:
        """What is shelved stays so for as long as was said, whatever the wall clock is set to; once a second."""
        before, self._offset = self._offset, self._parted()
        if abs(self._offset - before) >= STEP * NANOSECONDS:
            self._changed.update(self._watch.alarms.shift(self._offset - before))

    def _parted(self) -> int:
        """By how much wall and monotonic clock differ, ns."""
        return self._clock.wall_ns() - int(self._clock.monotonic() * NANOSECONDS)

    def ten_minutes(self) -> dict[str, int]:
        """Alarms of the last ten minutes, by severity."""
        return self.figures.ten_minutes(self._clock.monotonic())

    def document(self) -> dict[str, Any]:
        """The figures now; see gateway.stages.figures."""
        return self.figures.document(self._watch.alarms.state, self._clock.monotonic())


def _change(transition: Transition, event: AlarmEvent) -> Change:
    return Change(
        transition.time, event.asset, event.previous, event.state, event.severity, _number(event.score),
        _number(event.threshold), event.by, event.comment, event.message,
    )  # fmt: skip


def _number(value: float) -> float | None:
    return value if value == value else None  # noqa: PLR0124 - NaN is not itself
