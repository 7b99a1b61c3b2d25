"""Carrying out one write: judged, put down in the audit, judged again, sent, read back, put down, told of.

The intent is on disk before the device is asked, and the outcome after: a write that a crash cuts short is known as one
whose outcome nobody knows, and is never sent again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from gateway.deliver.event import rfc3339
from gateway.operators.audit import Audit
from gateway.operators.known import Heard
from gateway.operators.outcome import Outcome, Result, word
from gateway.operators.plant import Order, Plant
from gateway.sdk import Clock, DisconnectedError, Value, WriteRefusedError
from gateway.stages.envelope import same
from gateway.stages.writing import Reason, WriteCommand, WriteError
from gateway.state.audit import AuditError, KnownIdError, Record

Tell = Callable[[str, str, str, Mapping[str, Any]], None]
"""Send an event: name, kind, text, fields."""
_ENDS = {
    Result.DONE: "", Result.REFUSED: " refused", Result.DIFFERS: " differs", Result.UNKNOWN: " unknown",
    Result.ARMED: " armed",
}  # fmt: skip


class Writer:
    """Carries out orders, and keeps the books on them.

    Attributes:
        results: how many commands came to what.
        refused: how many were refused, by reason.
        seconds: figures of time: what devices took together, and the slowest write that followed an alarm.
    """

    def __init__(self, plant: Plant, audit: Audit, clock: Clock, within: float, tell: Tell) -> None:
        self._plant, self._audit, self._clock, self._within, self._tell_plant = plant, audit, clock, within, tell
        self.results: Counter[str] = Counter(dict.fromkeys((Result.DONE, Result.DIFFERS, Result.UNKNOWN), 0))
        self.refused: Counter[str] = Counter()
        self.seconds = {"write_seconds_total": 0.0, "write_rule_seconds_max": 0.0}

    async def carry_out(self, order: Order) -> Outcome:
        """Write what is ordered, if it may be. Nothing is raised but what ends the task."""
        old = self._plant.shown(order.envelope)
        raw: Value | None = None
        try:
            self._plant.judge(order)
            raw = order.envelope.raw(order.command.value)
            at = self._clock.wall_ns()
            intent = {"kind": "intent", "time": rfc3339(at), "at": at, "via": order.via, "old": old, "raw": raw}
            await self._audit.append(table_of(order.command) | intent)
            self._plant.judge(order, again=True)
        except WriteError as error:
            return await self._close(order, Outcome.refusal(error), sent=raw is not None)
        except KnownIdError:
            text = f"{order.command.tag}: this id has been used before, longer ago than outcomes are remembered"
            return self._book(order, Outcome.refusal(WriteError(Reason.REPEATED, text)))
        except AuditError as error:
            text = f"{order.command.tag}: nothing is written while the audit cannot be: {error}"
            return self._book(order, Outcome.refusal(WriteError(Reason.NO_AUDIT, text)))
        outcome = await self._ask(order, raw)
        return await self._close(order, replace(outcome, more={"old": old, "raw": raw, **outcome.more}), sent=True)

    async def _ask(self, order: Order, raw: Value) -> Outcome:
        """Ask the device."""
        envelope, name, began = order.envelope, order.command.tag, self._clock.monotonic()
        try:
            written = await self._plant.write(envelope, raw, self._within)
        except WriteRefusedError as error:
            return Outcome(Result.REFUSED, f"{name}: {error}", Reason.DEVICE_REFUSES)
        except (DisconnectedError, TimeoutError) as error:
            why = str(error) or f"no answer within {self._within:g} s"
            return Outcome(Result.UNKNOWN, f"{name}: {why}; what the device holds is not known", Reason.NO_ANSWER)
        self._time(order, began)
        held = envelope.shown(written.read_back)
        if envelope.write.read_back and not same(raw, written.read_back):
            text = f"{name}: {order.command.value} was sent, and the device holds {'?' if held is None else held}"
            return Outcome(Result.DIFFERS, text, Reason.READ_BACK, {"read_back": held})
        unit = envelope.tag.unit
        return Outcome(Result.DONE, f"{name} is {order.command.value} {unit}".rstrip(), more={"read_back": held})

    def _time(self, order: Order, began: float) -> None:
        self.seconds["write_seconds_total"] += self._clock.monotonic() - began
        if order.via == "rule":
            took = (self._clock.wall_ns() - order.began) / 1e9
            self.seconds["write_rule_seconds_max"] = max(self.seconds["write_rule_seconds_max"], took)

    async def _close(self, order: Order, outcome: Outcome, *, sent: bool = False) -> Outcome:
        """Put the outcome of an order down; the outcome with the number of its record.

        `sent`: there is an intent, which this closes.
        """
        kind = "outcome" if sent else "refused"
        record = outcome.record(kind, table_of(order.command), order.via, self._clock.wall_ns())
        kept = self._audit.append(record)
        await asyncio.wait([kept])
        return self._book(order, noted(outcome, kept))

    def note(self, record: Mapping[str, Any], outcome: Outcome, heard: Heard) -> None:
        """Put `record` down; then `heard` is called with `outcome`, and the number of the record in it."""
        self._audit.append(record).add_done_callback(lambda kept: heard(noted(outcome, kept)))

    def _book(self, order: Order, outcome: Outcome) -> Outcome:
        """Count it, and tell the plant."""
        self.count(outcome)
        self.tell(self._plant.device(order.envelope), table_of(order.command), order.via, outcome)
        return outcome

    def count(self, outcome: Outcome) -> None:
        """Count it."""
        if outcome.result is Result.REFUSED or outcome.repeated:
            self.refused[Reason.REPEATED if outcome.repeated else outcome.reason] += 1
        elif outcome.result in self.results:
            self.results[outcome.result] += 1

    def tell(self, name: str, table: Mapping[str, Any], via: str, outcome: Outcome) -> None:
        """Send the event; `name` is the device, or where there is none `command`."""
        fields = {**table, "via": via, "reason": outcome.reason, **outcome.more}
        fields.pop("token", None)  # it is for the sender alone
        self._tell_plant(name, word(table) + _ENDS[outcome.result], outcome.text, fields)


def noted(outcome: Outcome, kept: "asyncio.Future[Record]") -> Outcome:
    """`outcome` with number and seal of its record, or with why it has none."""
    error = kept.exception()
    if error is not None:
        return replace(outcome, text=f"{outcome.text} (not in the audit: {error})")
    return replace(outcome, more={**outcome.more, "audit": kept.result().number, "seal": kept.result().seal})


def table_of(command: WriteCommand) -> dict[str, Any]:
    """A command as it stands in records and events; without its token."""
    table = {name: value for name, value in asdict(command).items() if value != "" and name != "token"}
    table["expires"] = rfc3339(command.expires) if command.expires else ""
    return table | {"action": str(command.action)}
