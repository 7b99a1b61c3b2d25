"""The door for writes: storms, repeated ids, tags that may not be written; what passes waits for its device.

One write at a time for each device, off the data path. Whatever comes of a command stands in the audit, but for what a
storm brought: that is counted, and stands there as one record.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from gateway.config.schema import WritesConfig
from gateway.deliver.event import rfc3339
from gateway.operators.arming import Arming
from gateway.operators.audit import Audit
from gateway.operators.known import MOST, Heard, Known
from gateway.operators.line import Line
from gateway.operators.outcome import Outcome, Result, about, asked, unkeyed
from gateway.operators.plant import Order, Plant
from gateway.operators.storm import Storm
from gateway.operators.writer import Tell, Writer, table_of
from gateway.sdk import Clock
from gateway.stages.envelope import Envelope
from gateway.stages.writing import Action, Reason, WriteCommand, WriteError, parse

NOBODY: Final = "command"  # the name of an event that belongs to no device
Answer = dict[str, Any]
Done = Callable[[Answer], None]


class Writes:
    """Takes commands, and answers each.

    Args:
        plant: what may be written.
        audit: where all of it is put down.
        config: bounds.
        clock: of the gateway.
        tell: sends an event.

    Attributes:
        known: commands by id; those of `gateway.operators.calls` too.
    """

    def __init__(self, plant: Plant, audit: Audit, config: WritesConfig, clock: Clock, tell: Tell) -> None:
        self.plant, self._audit, self._config, self._clock = plant, audit, config, clock
        self.writer = Writer(plant, audit, clock, config.within, tell)
        self._arming = Arming(config.arm, clock.monotonic)
        self._storm = Storm(config.storm, clock.monotonic)
        self.known = Known()
        self.lines: dict[str, Line] = {}
        self.go_on()

    def go_on(self) -> tuple[set[str], set[str]]:
        """What may be written has changed: devices that have a line now and had none, and those that have none now.

        Who waited for those that are gone is told so.
        """
        names = set(map(self.plant.device, self.plant.envelopes.values()))
        come, gone = names - self.lines.keys(), self.lines.keys() - names
        for name in come:
            self.lines[name] = Line(name, self._config.queue)
        for name in gone:
            for order in self.lines.pop(name).leave():
                text = f"{order.command.tag}: another configuration has taken over; ask again"
                self.known.settle(order.command.id, Outcome.refusal(WriteError(Reason.CHANGED, text)))
        return come, gone

    async def open(self) -> None:
        """Take up what an earlier run knew: ids, when tags were written last, and what was cut short."""
        ends, latest = await self._audit.open(MOST)
        for tag, at in latest.items():
            self.plant.remember(tag, at)
        for record in ends:
            outcome = Outcome.of(record)
            self.known.remember(record["id"], outcome)
            if record["kind"] == "intent":
                self._conclude("outcome", record, record["via"], outcome, lambda _outcome: None)

    @property
    def waiting(self) -> int:
        """Writes and calls that wait for a device, or are under way."""
        return len(self.known)

    # -- the door ----------------------------------------------------------------------------------------------------

    def take(self, table: Mapping[str, Any] | None, via: str, done: Done, fault: str = "") -> None:
        """Take one command; `done` is called with the answer, at once or when there is one.

        Args:
            table: what `gateway.stages.writing.parse` takes; None where there is none.
            via: the way that it came: cli or mqtt.
            done: takes the answer.
            fault: why it cannot be taken at all; empty where it can.
        """
        table = table or {}

        def heard(outcome: Outcome) -> None:
            done(outcome.answer(table, self._clock.wall_ns()))

        if not self._storm.room(via):
            self.writer.refused[Reason.STORM] += 1
            text = f"more than {self._config.storm} commands within a second (writes.storm)"
            heard(Outcome.refusal(WriteError(Reason.STORM, text)))
            return
        try:
            command = parse(table, self._clock.wall_ns(), self._config.expires, fault)
        except WriteError as error:
            self._refuse(asked(table), via, error, heard)
        else:
            self.give(command, via, heard)

    def give(self, command: WriteCommand, via: str, heard: Heard, began: int = 0) -> None:
        """Take a command that has been read; `began`: when it was due, Unix ns UTC, now unless given."""
        write = command.action is Action.WRITE
        if write and self.known.repeats(command.id, partial(self._again, command, via, heard)):
            return
        try:
            envelope = self._envelope(command)
            armed = not write or (bool(command.token) and self._arming.take(command, via))
            order = Order(command, envelope, via, armed, began or self._clock.wall_ns())
            if write:
                self.lines[self.plant.device(envelope)].put(order)
                self.known.begin(command.id, heard)
            else:
                self._look(order, heard)
        except WriteError as error:
            self._refuse(table_of(command), via, error, heard)

    def _again(self, command: WriteCommand, via: str, heard: Heard, first: Outcome) -> None:
        outcome = replace(first, repeated=True)
        self.writer.count(outcome)
        record = outcome.record("repeated", table_of(command), via, self._clock.wall_ns())
        self.writer.note(unkeyed(record), outcome, heard)

    def _envelope(self, command: WriteCommand) -> Envelope:
        if envelope := self.plant.envelopes.get(command.tag):
            return envelope
        if not self.plant.knows(command.tag):
            raise WriteError(Reason.UNKNOWN, f"there is no tag '{command.tag}'")
        raise WriteError(Reason.NOT_WRITABLE, f"{command.tag} is not writable; `write` in its table allows it")

    def _look(self, order: Order, heard: Heard) -> None:
        """Say what a write would do, or arm it. Raises WriteError where it would be refused."""
        self.plant.judge(order)
        envelope, command = order.envelope, order.command
        more = {"old": self.plant.shown(envelope), "raw": envelope.raw(command.value), "limits": envelope.limits}
        if command.action is Action.LOOK:
            text = f"{command.tag} would be {command.value} {envelope.tag.unit}".rstrip()
            heard(Outcome(Result.LOOKED, text, more=more | {"arm": envelope.write.arm}))
            return
        until = rfc3339(self._clock.wall_ns() + round(self._config.arm * 1e9))
        more |= {"token": self._arming.arm(command, order.via), "until": until}
        outcome = Outcome(Result.ARMED, f"{command.tag} is armed until {until}", more=more)
        self._conclude("armed", table_of(command), order.via, outcome, heard)

    # -- one device after the other ----------------------------------------------------------------------------------

    async def serve(self, device: str) -> None:
        """Carry out what waits for `device`, for ever."""
        line = self.lines[device]
        while True:
            order = await line.next()
            outcome = Outcome(Result.UNKNOWN, f"{order.command.tag}: its write was cut short", Reason.INTERRUPTED)
            try:
                outcome = await self.writer.carry_out(order)
            finally:  # the gateway ends, or a fault of ours: who asked is told, and the id is never written again
                self.known.settle(order.command.id, outcome)

    # -- books -------------------------------------------------------------------------------------------------------

    def drop(self, via: str, count: int) -> None:
        """Note commands that had no room on their way."""
        self._storm.note(via, count)
        self.writer.refused[Reason.STORM] += count

    def tell_storms(self) -> None:
        """Put down what was not looked at, one record for each way in; now and then."""
        for via, count in self._storm.take().items():
            text = f"{count} commands were not looked at: too many at once (writes.storm)"
            outcome = Outcome(Result.REFUSED, text, Reason.STORM, {"count": count})
            record = outcome.record("storm", {}, via, self._clock.wall_ns()) | {"count": count}
            self.writer.tell(NOBODY, {}, via, outcome)
            self.writer.note(record, outcome, lambda _outcome: None)

    def _refuse(self, table: Mapping[str, Any], via: str, error: WriteError, heard: Heard) -> None:
        """Refuse at the door. Its id is not used up: it was never under way."""
        self._conclude("refused", table, via, Outcome.refusal(error), heard)

    def _conclude(self, kind: str, table: Mapping[str, Any], via: str, outcome: Outcome, heard: Heard) -> None:
        """Count it, tell of it, put it down, answer."""
        self.writer.count(outcome)
        device = about(table).partition(".")[0]
        self.writer.tell(device if device in self.lines else NOBODY, table, via, outcome)
        record = outcome.record(kind, table, via, self._clock.wall_ns())
        self.writer.note(record if kind == "outcome" else unkeyed(record), outcome, heard)
