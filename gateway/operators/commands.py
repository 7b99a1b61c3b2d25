"""Operators' commands to alarms, from the command line and over MQTT: checked, carried out once, told of, answered.

Each command, carried out or not, becomes an event, and so goes through the outbox: that is the audit.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.deliver.alarms import Told
from gateway.deliver.ear import COMMAND
from gateway.deliver.event import Class, GatewayEvent, rfc3339
from gateway.pipeline import Pipeline
from gateway.stages.command import Command, CommandError, Refusal, check_state, parse, until
from gateway.stages.states import State
from gateway.stages.watch import Watch

_REMEMBERED: Final = 1000  # ids
_A_SECOND: Final = 50  # commands that are looked at; who sends more is no operator
_SHOWN: Final = ("id", "asset", "action", "by", "comment", "for", "expires")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command. `state` is the alarm's now, empty where there is no such alarm."""

    done: bool
    text: str
    reason: str = ""
    state: str = ""
    repeated: bool = False

    def answer(self, table: Mapping[str, Any], now: int) -> dict[str, Any]:
        """For the sender of the command in `table`."""
        whose = {name: table[name] for name in ("id", "asset", "action") if isinstance(table.get(name), str)}
        return whose | {
            "result": "done" if self.done else "refused",
            "reason": self.reason,
            "state": self.state,
            "repeated": self.repeated,
            "text": self.text,
            "time": rfc3339(now),
        }


class Commands:
    """Carries out commands.

    Args:
        pipeline: whose alarms are moved.
        watch: all alarms.
        longest: seconds that an alarm may be shelved.
        wall: Unix ns UTC, now.
    """

    def __init__(self, pipeline: Pipeline, watch: Watch, longest: float, wall: Callable[[], int]) -> None:
        self._wall = wall
        self.go_on(pipeline, watch, longest)
        self._known: OrderedDict[str, Outcome] = OrderedDict()  # by id
        self._left = _A_SECOND
        self._dropped = 0
        self.counters: Counter[str] = Counter(commands_done_total=0, commands_dropped_total=0)
        self.refused: Counter[str] = Counter()  # by reason

    def go_on(self, pipeline: Pipeline, watch: Watch, longest: float) -> None:
        """From now on with the alarms of another configuration; ids that have come stay known."""
        self._pipeline, self._watch, self._longest = pipeline, watch, longest
        self._numbers = {name: number for number, name in enumerate(watch.names)}

    def take(self, table: Mapping[str, Any] | None, via: str, fault: str = "") -> dict[str, Any] | None:
        """Carry out one command; the answer to it, None when there were too many within a second.

        Args:
            table: what `gateway.stages.command.parse` takes; None where there is none.
            via: the way that it came: `cli` or `mqtt`.
            fault: why it cannot be taken at all; empty where it can.
        """
        if not self._left:
            self.drop(1)
            return None
        self._left -= 1
        outcome = self._judge(table, fault)
        self._tell(table or {}, via, outcome)
        return outcome.answer(table or {}, self._wall())

    def drop(self, count: int) -> None:
        """Note commands that had no room."""
        self._dropped += count
        self.counters["commands_dropped_total"] += count

    def tick(self) -> None:
        """A second has passed: room for more. What had none is told of in one event."""
        self._left = _A_SECOND
        if self._dropped:
            text = f"{self._dropped} commands came at once with more than are looked at within a second"
            self._send("commands dropped", COMMAND, text, {"count": self._dropped})
            self._dropped = 0

    def _judge(self, table: Mapping[str, Any] | None, fault: str) -> Outcome:
        if table is None or fault:
            return Outcome(done=False, text=fault or "no command", reason=Refusal.MALFORMED)
        try:
            command = parse(table)
        except CommandError as error:
            return Outcome(done=False, text=str(error), reason=error.refusal)
        if command.id in self._known:
            return replace(self._known[command.id], repeated=True)
        outcome = self._first(command)
        if command.id:
            self._known[command.id] = outcome
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return outcome

    def _first(self, command: Command) -> Outcome:
        """Carry out a command that has not come before."""
        number = self._numbers.get(command.asset)
        try:
            return self._carry_out(command, number)
        except CommandError as error:
            state = "" if number is None else State(self._watch.alarms.state[number]).word
            return Outcome(done=False, text=str(error), reason=error.refusal, state=state)

    def _carry_out(self, command: Command, number: int | None) -> Outcome:
        now = self._wall()
        if command.expires is not None and now >= command.expires:
            raise CommandError(Refusal.EXPIRED, f"it was to be carried out before {rfc3339(command.expires)}")
        if number is None:
            raise CommandError(Refusal.UNKNOWN, f"there is no alarm '{command.asset}'")
        check_state(command, State(self._watch.alarms.state[number]))
        end = until(command, now, self._longest)
        moved = self._pipeline.command(number, command.event, now, Told(command.by, command.comment), end)
        assert moved is not None  # noqa: S101 - check_state has looked
        ends = f" until {rfc3339(end)}" if end is not None else ""
        return Outcome(done=True, text=f"{command.asset} is {moved.state.word}{ends}", state=moved.state.word)

    def _tell(self, table: Mapping[str, Any], via: str, outcome: Outcome) -> None:
        fields = {name: str(table[name])[:1024] for name in _SHOWN if table.get(name)}
        fields |= {"via": via, "state": outcome.state, "reason": self._count(outcome)}
        name = fields.get("asset", "")
        known = name if name in self._numbers else COMMAND  # a topic is made of it
        self._send("command refused" if fields["reason"] else "command", known, outcome.text, fields)

    def _count(self, outcome: Outcome) -> str:
        """Count it; the reason for which it was not carried out."""
        reason = str(Refusal.REPEATED if outcome.repeated else outcome.reason)
        if reason:
            self.refused[reason] += 1
        else:
            self.counters["commands_done_total"] += 1
        return reason

    def _send(self, kind: str, name: str, text: str, fields: Mapping[str, Any]) -> None:
        self._pipeline.send(Class.EVENT, name, GatewayEvent(kind, name, self._wall(), text, fields))
