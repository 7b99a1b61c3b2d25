"""The door for method calls, and for what is done to conditions: as for writes, and beside them.

What passes is put down as an intent, asked of the device once, and put down again with what came of it. One at a time
for each device; a device that takes its time holds no other. Ids are shared with writes.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Final, Never

from gateway.config.schema import WritesConfig
from gateway.deliver.event import dumps, rfc3339
from gateway.operators.audit import Audit
from gateway.operators.known import Heard, Known
from gateway.operators.outcome import Outcome, Result, asked, unkeyed, word
from gateway.operators.permits import Order, Permits
from gateway.operators.storm import Storm
from gateway.operators.writer import Tell, noted
from gateway.operators.writes import NOBODY, Done
from gateway.sdk import CallFailedError, CallRefusedError, Clock, DisconnectedError
from gateway.stages.calling import LOOK, CallCommand, parse
from gateway.stages.writing import Reason, WriteError
from gateway.state.audit import AuditError, KnownIdError

_LARGEST: Final = 16_384  # bytes of what a method gives that are told
_ENDS: Final = {Result.DONE: "", Result.REFUSED: " refused", Result.UNKNOWN: " unknown"}


class Calls:
    """Takes commands, and answers each.

    Args:
        permits: what may be called, and how.
        audit: where all of it is put down; shared with writes, as are the ids in `known`.
        config: bounds.
        clock: of the gateway.
        tell: sends an event.

    Attributes:
        results: how many came to what.
        refused: how many were refused, by reason.
    """

    def __init__(
        self, permits: Permits, audit: Audit, known: Known, config: WritesConfig, clock: Clock, tell: Tell
    ) -> None:
        self._permits, self._audit, self._known = permits, audit, known
        self._config, self._clock, self._tell_plant = config, clock, tell
        self._storm = Storm(config.storm, clock.monotonic)
        self._orders: deque[tuple[Order, Heard]] = deque()
        self._bell = asyncio.Event()
        self._waiting: Counter[str] = Counter()  # by device
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.results: Counter[str] = Counter(dict.fromkeys((Result.DONE, Result.UNKNOWN), 0))
        self.refused: Counter[str] = Counter()

    # -- the door ----------------------------------------------------------------------------------------------------

    def take(self, table: Mapping[str, Any] | None, via: str, done: Done, fault: str = "") -> None:
        """Take one command, as `gateway.stages.calling.parse` does; `done` is called with the answer."""
        table = table or {}

        def heard(outcome: Outcome) -> None:
            done(outcome.answer(table, self._clock.wall_ns()))

        if not self._storm.room(via):
            self.refused[Reason.STORM] += 1
            text = f"more than {self._config.storm} commands within a second (writes.storm)"
            heard(Outcome.refusal(WriteError(Reason.STORM, text)))
            return
        try:
            command = parse(table, self._clock.wall_ns(), self._config.expires, fault)
        except WriteError as error:
            self._refuse(asked(table), NOBODY, via, error, heard)
        else:
            self._give(command, via, heard)

    def _give(self, command: CallCommand, via: str, heard: Heard) -> None:
        if command.action != LOOK and self._known.repeats(command.id, partial(self._again, command, via, heard)):
            return
        try:
            order = self._permits.judge(command, via)
            self._check_room(order)
        except WriteError as error:
            self._refuse(table_of(command), self._permits.device(command), via, error, heard)
            return
        if command.action != LOOK:
            self._known.begin(command.id, heard)
        self._waiting[order.device.name] += 1
        self._orders.append((order, heard))
        self._bell.set()

    def _check_room(self, order: Order) -> None:
        if self._waiting[order.device.name] >= self._config.queue:
            text = f"{self._config.queue} calls wait for {order.device.name} (writes.queue); ask again later"
            raise WriteError(Reason.BUSY, text)

    def _again(self, command: CallCommand, via: str, heard: Heard, first: Outcome) -> None:
        outcome = replace(first, repeated=True)
        self.refused[Reason.REPEATED] += 1
        self._note(unkeyed(outcome.record("repeated", table_of(command), via, self._clock.wall_ns())), outcome, heard)

    # -- one after the other for each device -------------------------------------------------------------------------

    async def run(self) -> Never:
        """Carry out what waits, for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                while self._orders:
                    order, heard = self._orders.popleft()
                    group.create_task(self._serve(order, heard), name=f"call {order.command.name}")
                self._bell.clear()
                await self._bell.wait()

    async def _serve(self, order: Order, heard: Heard) -> None:
        command = order.command
        outcome = Outcome(Result.UNKNOWN, f"{command.name}: it was cut short", Reason.INTERRUPTED)
        try:
            async with self._locks[order.device.name]:
                outcome = await (self._look(order) if command.action == LOOK else self._carry_out(order))
        finally:  # the gateway ends, or a fault of ours: who asked is told, and the id is never used again
            self._waiting[order.device.name] -= 1
            heard(outcome) if command.action == LOOK else self._known.settle(command.id, outcome)

    async def _look(self, order: Order) -> Outcome:
        try:
            signature = await order.signature(self._config.within)
        except (CallRefusedError, DisconnectedError, TimeoutError) as error:
            return Outcome(Result.REFUSED, f"{order.command.name}: {error}", Reason.DEVICE_REFUSES)
        takes = [asdict(one) for one in signature.takes]
        text = f"{order.command.name}{signature}"
        return Outcome(Result.LOOKED, text, more={"takes": takes, "gives": [asdict(one) for one in signature.gives]})

    async def _carry_out(self, order: Order) -> Outcome:
        """Have it done, if it still may be. Nothing is raised but what ends the task."""
        command, table = order.command, table_of(order.command)
        try:
            at = self._clock.wall_ns()
            intent = {"kind": "intent", "time": rfc3339(at), "at": at, "via": order.via}
            await self._audit.append(asked(table) | intent)
            order = self._permits.judge(command, order.via)
        except WriteError as error:
            outcome = Outcome.refusal(error)
        except KnownIdError:
            text = f"{command.name}: this id has been used before, longer ago than outcomes are remembered"
            return self._book(order, table, Outcome.refusal(WriteError(Reason.REPEATED, text)))
        except AuditError as error:
            text = f"{command.name}: nothing is called while the audit cannot be kept: {error}"
            return self._book(order, table, Outcome.refusal(WriteError(Reason.NO_AUDIT, text)))
        else:
            outcome = await self._ask(order)
        kept = self._audit.append(outcome.record("outcome", table, order.via, self._clock.wall_ns()))
        await asyncio.wait([kept])
        return self._book(order, table, noted(outcome, kept))

    async def _ask(self, order: Order) -> Outcome:
        """Ask the device, once."""
        name = order.command.name
        try:
            called = await order.carry_out(self._config.within)
        except CallRefusedError as error:
            return Outcome(Result.REFUSED, f"{name}: {error}", Reason.DEVICE_REFUSES)
        except CallFailedError as error:
            return Outcome(Result.UNKNOWN, f"{name}: {error}; what it did is not known", Reason.METHOD_FAILED)
        except (DisconnectedError, TimeoutError) as error:
            text = f"{name}: {str(error) or 'no answer in time'}; what the device did is not known"
            return Outcome(Result.UNKNOWN, text, Reason.NO_ANSWER)
        text = f"{name}: {order.command.action} is done ({called.status})"
        return Outcome(Result.DONE, text, more={"status": called.status, "output": _bounded(called.output)})

    # -- books -------------------------------------------------------------------------------------------------------

    def drop(self, via: str, count: int) -> None:
        """Note commands that had no room on their way."""
        self._storm.note(via, count)
        self.refused[Reason.STORM] += count

    def tell_storms(self) -> None:
        """Put down what was not looked at, one record for each way in; now and then."""
        for via, count in self._storm.take().items():
            text = f"{count} calls were not looked at: too many at once (writes.storm)"
            outcome = Outcome(Result.REFUSED, text, Reason.STORM, {"count": count})
            self._tell(NOBODY, {"method": NOBODY}, via, outcome)
            record = outcome.record("storm", {}, via, self._clock.wall_ns()) | {"count": count}
            self._note(record, outcome, lambda _outcome: None)

    def _refuse(self, table: Mapping[str, Any], name: str, via: str, error: WriteError, heard: Heard) -> None:
        """Refuse at the door. Its id is not used up: it was never under way."""
        outcome = Outcome.refusal(error)
        self.refused[error.reason] += 1
        self._tell(name, table, via, outcome)
        self._note(unkeyed(outcome.record("refused", table, via, self._clock.wall_ns())), outcome, heard)

    def _book(self, order: Order, table: Mapping[str, Any], outcome: Outcome) -> Outcome:
        """Count it, and tell the plant."""
        if outcome.result is Result.REFUSED:
            self.refused[outcome.reason] += 1
        else:
            self.results[outcome.result] += 1
        self._tell(order.device.name, table, order.via, outcome)
        return outcome

    def _note(self, record: Mapping[str, Any], outcome: Outcome, heard: Heard) -> None:
        self._audit.append(record).add_done_callback(lambda kept: heard(noted(outcome, kept)))

    def _tell(self, name: str, table: Mapping[str, Any], via: str, outcome: Outcome) -> None:
        fields = {**table, "via": via, "reason": outcome.reason, **outcome.more}
        self._tell_plant(name, word(table) + _ENDS[outcome.result], outcome.text, fields)


def table_of(command: CallCommand) -> dict[str, Any]:
    """A command as it stands in records and events."""
    table = {
        "action": command.action, command.what: command.name, "arguments": dict(command.arguments), "id": command.id,
        "by": command.by, "comment": command.comment, "expires": rfc3339(command.expires) if command.expires else "",
    }  # fmt: skip
    return {name: value for name, value in table.items() if value}


def _bounded(output: Mapping[str, Any]) -> dict[str, Any]:
    """What a method gave, unless it is a book: that is not told."""
    size = len(dumps(output))
    return dict(output) if size <= _LARGEST else {"cut": f"{size} bytes, more than are told"}
