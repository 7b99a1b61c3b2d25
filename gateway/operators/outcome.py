"""What came of a write command: as an answer, as a record of the audit, and back from such a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from gateway.deliver.event import dumps, rfc3339
from gateway.stages.writing import Reason, WriteError

_NAMED: Final = ("tag", "method", "condition")  # what a command is about
_ECHOED: Final = ("action", "id", *_NAMED, "value")
_KEPT: Final = ("old", "read_back", "status", "output")  # what came back from the device
_SHOWN: Final = ("action", "id", *_NAMED, "value", "arguments", "by", "comment", "expires")


class Result(StrEnum):
    """What came of it, in a word."""

    DONE = "done"
    REFUSED = "refused"  # nothing was changed
    DIFFERS = "differs"  # sent, and the device holds something else
    UNKNOWN = "unknown"  # sent or not, taken or not: nobody can say
    ARMED = "armed"
    LOOKED = "looked"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command.

    Attributes:
        result: in a word.
        text: in a sentence.
        reason: why nothing was written, or why the outcome is not known; empty where it is done.
        more: other fields of the answer: old, read_back, status, output, audit, seal, token, until, raw, limits.
        repeated: the command has come before, and this is what came of it then.
    """

    result: Result
    text: str
    reason: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    repeated: bool = False

    @classmethod
    def refusal(cls, error: WriteError) -> "Outcome":
        """Nothing was written, for the reason that `error` gives."""
        return cls(Result.REFUSED, str(error), error.reason)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Outcome":
        """What the last record of a command says; an intent that nothing follows was cut short."""
        if record["kind"] == "intent":
            text = "the gateway was ended meanwhile; what became of it in the device is not known"
            return cls(Result.UNKNOWN, f"{about(record)}: {text}", Reason.INTERRUPTED)
        more = {name: record[name] for name in _KEPT if name in record}
        return cls(Result(record["result"]), record["text"], record.get("reason", ""), more)

    @property
    def kept(self) -> "Outcome":
        """What is remembered of it."""
        return replace(self, more={name: self.more[name] for name in _KEPT if name in self.more})

    def answer(self, table: Mapping[str, Any], now: int) -> dict[str, Any]:
        """For the sender of the command in `table`."""
        echoed = {name: table[name] for name in _ECHOED if isinstance(table.get(name), str | int | float)}
        head = {"result": self.result, "reason": self.reason, "repeated": self.repeated, "text": self.text}
        return echoed | head | dict(self.more) | {"time": rfc3339(now)}

    def record(self, kind: str, table: Mapping[str, Any], via: str, now: int) -> dict[str, Any]:
        """For the audit. `table` is as it came, and may be anything."""
        head = {"kind": kind, "time": rfc3339(now), "via": via, "result": self.result, "reason": self.reason}
        return asked(table) | head | dict(self.kept.more) | {"text": self.text}


def about(table: Mapping[str, Any]) -> str:
    """What a command or its record is about: device.tag, device.method or device.condition; "" for nothing."""
    return next((str(table[name]) for name in _NAMED if table.get(name)), "")


def word(table: Mapping[str, Any]) -> str:
    """What the events of such commands are called."""
    return "call" if table.get("method") else "acknowledge" if table.get("condition") else "write"


def unkeyed(record: Mapping[str, Any]) -> dict[str, Any]:
    """`record` without a claim to its command's id, which stands as `of`: it is not what came of that command."""
    return {("of" if name == "id" else name): value for name, value in record.items()}


def asked(table: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, as far as it is plain and of bounded length."""
    found: dict[str, Any] = {}
    for name in _SHOWN:
        value = table.get(name)
        if name == "arguments" and isinstance(value, dict):
            found[name] = dumps(value).decode()[:4096]
        elif isinstance(value, str):
            found[name] = value[:1024].encode("utf-8", "replace").decode()
        elif value is not None:
            plain = isinstance(value, float | int) and -(2**63) <= value < 2**64
            found[name] = value if plain and name == "value" else str(value)[:128]
    return found
