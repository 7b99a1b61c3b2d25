"""What somebody asks to be written: read from a table, and checked before anybody looks at the plant.

The same table comes from the command line, over MQTT and from an alarm's `then`: `{"action": "write", "id": …,
"tag": "pump-7.speed", "value": 40, "by": …, "comment": …, "expires": "2026-03-14T10:00:00Z", "token": …}`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from gateway.sdk.errors import FieldgateError
from gateway.sdk.write import Value
from gateway.stages.command import CommandError, instant, text_of

SECOND: Final = 1_000_000_000
OF_RULES: Final = "rule:"  # ids begin so that are of our own making: nobody else can use them up
_LENGTHS: Final = {"action": 16, "id": 128, "tag": 256, "by": 128, "comment": 1024, "expires": 64, "token": 64}
_TEXT: Final = 250  # characters of a value: 125 registers


class Action(StrEnum):
    """What is asked for."""

    WRITE = "write"
    ARM = "arm"  # give a token for the write that follows: select before operate, as in DNP3 (IEEE 1815)
    LOOK = "look"  # say what a write would do


class Reason(StrEnum):
    """Why nothing is written, or why it is not known what came of it."""

    MALFORMED = "malformed"
    STORM = "storm"  # too many at once; not even looked at
    REPEATED = "repeated"  # this id has come before; the answer is that of the first
    UNKNOWN = "unknown"  # there is no such tag
    NOT_WRITABLE = "not-writable"
    NO_RIGHT = "no-right"  # not for whoever comes this way
    EXPIRED = "expired"
    WRONG_TYPE = "wrong-type"
    OUT_OF_RANGE = "out-of-range"
    BAD_QUALITY = "bad-quality"  # the value that a step is measured from is not known
    STEP = "step"
    INTERLOCK = "interlock"
    RATE = "rate"
    NOT_ARMED = "not-armed"
    BUSY = "busy"  # too many writes wait for the device
    DEVICE_AWAY = "device-away"
    NO_AUDIT = "no-audit"  # the audit cannot be written
    DEVICE_REFUSES = "device-refuses"
    READ_BACK = "read-back"  # written, and the device holds something else
    NO_ANSWER = "no-answer"  # whether the device took it is not known
    METHOD_FAILED = "method-failed"  # it was called, and says that it failed
    CHANGED = "changed"  # another configuration has taken over meanwhile
    INTERRUPTED = "interrupted"  # the gateway was ended while the write was under way


class WriteError(FieldgateError):
    """A command that is not carried out; the message says why in a sentence, `reason` in a word."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class WriteCommand:
    """One command.

    Attributes:
        action: what is asked for.
        tag: device.tag.
        value: after scaling; of an enumeration its text will do.
        id: of the sender's choice; a command that comes again bears the same, and is not carried out again.
        by: who asks.
        comment: why.
        expires: Unix ns UTC; from then on it is not carried out any more.
        token: what arming gave.
    """

    action: Action
    tag: str
    value: Value
    id: str = ""
    by: str = ""
    comment: str = ""
    expires: int = 0
    token: str = ""


def parse(table: Mapping[str, Any], now: int, furthest: float, fault: str = "") -> WriteCommand:
    """Read a command.

    Args:
        table: as above; `action` is write unless given. A write bears an id, and all but a look say when they expire.
        now: Unix ns UTC.
        furthest: seconds that `expires` may lie ahead.
        fault: why it cannot be read at all; empty where it can.

    Raises:
        WriteError: MALFORMED, with what is wrong.
    """
    text, expires = fields(table, _LENGTHS, ("value",), fault)
    action = text["action"] or Action.WRITE
    if action not in list(Action):
        raise _malformed(f"'{action}' is no action; there are {', '.join(Action)}")
    _complete(action, text, expires, now + round(furthest * SECOND))
    value = _value(table)
    return WriteCommand(
        Action(action), text["tag"], value, text["id"], text["by"], text["comment"], expires, text["token"]
    )


def _complete(action: str, text: Mapping[str, str], expires: int, latest: int) -> None:
    if not text["tag"]:
        raise _malformed("tag is missing")
    if action == Action.WRITE and not text["id"]:
        raise _malformed("id is missing: without it a command that comes twice would be carried out twice")
    check_once(text["id"], expires, latest, needed=action != Action.LOOK)


def fields(
    table: Mapping[str, Any], lengths: Mapping[str, int], others: Sequence[str], fault: str
) -> tuple[dict[str, str], int]:
    """The texts of a command and when it expires (Unix ns UTC, 0 for never). Raises WriteError (MALFORMED).

    Args:
        table: as it came.
        lengths: longest text of each field.
        others: fields that are no texts.
        fault: why it cannot be read at all; empty where it can.
    """
    if fault:
        raise _malformed(fault)
    known = (*lengths, *others)
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise _malformed(f"'{unknown[0][:64]}' is unknown; a command has {', '.join(known)}")
    try:
        text = {name: text_of(table, name, longest) for name, longest in lengths.items()}
        return text, instant(text["expires"]) if text["expires"] else 0
    except CommandError as error:
        raise _malformed(str(error)) from error


def check_once(id_: str, expires: int, latest: int, *, needed: bool = True) -> None:
    """Refuse an id of others' making, and what could be carried out late. Raises WriteError (MALFORMED)."""
    if id_.startswith(OF_RULES):
        raise _malformed(f"ids that begin with {OF_RULES} are for writes that follow alarms")
    if needed and not expires:
        raise _malformed("expires is missing: a command that was delayed must not be carried out late")
    if expires > latest:
        raise _malformed("expires lies further ahead than writes.expires allows; the clocks may differ")


def _value(table: Mapping[str, Any]) -> Value:
    value = table.get("value")
    if isinstance(value, str):
        if len(value) > _TEXT or not value.isprintable():
            raise _malformed(f"value is no printable text of {_TEXT} characters at most")
        return value
    if not isinstance(value, int | float):
        raise _malformed("value is missing" if value is None else "value must be a number, text, true or false")
    if not (math.isfinite(value) if isinstance(value, float) else -(2**63) <= value < 2**64):
        raise _malformed("value must be a finite number, or a whole one of 64 bits")
    return value


def _malformed(text: str) -> WriteError:
    return WriteError(Reason.MALFORMED, text)
