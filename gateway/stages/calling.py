"""What somebody asks a device to do: call a method, or acknowledge a condition; read from a table, and checked.

The same table comes from the command line and over MQTT: `{"action": "call", "id": …, "method": "boiler.start",
"arguments": {"speed": 40}, "by": …, "comment": …, "expires": "2026-03-14T10:00:00Z"}`, or with an action of
`gateway.sdk.Act` and `condition` in place of `method`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.sdk import Act, Given
from gateway.stages.writing import SECOND, Reason, WriteError, check_once, fields

CALL, LOOK = "call", "look"
ACTIONS: Final = (CALL, LOOK, *Act)
_LENGTHS: Final = {"action": 16, "id": 128, "method": 256, "condition": 256, "by": 128, "comment": 900, "expires": 64}
_MOST: Final = 50  # arguments
_ELEMENTS: Final = 1000  # of a list
_TEXT: Final = 1000  # characters of an argument


@dataclass(frozen=True, slots=True)
class CallCommand:
    """One command.

    Attributes:
        action: one of ACTIONS; a look says what a method takes, and does nothing.
        name: device.method, or device.condition.
        arguments: of a method, by name.
        id: of the sender's choice; a command that comes again bears the same, and is not carried out again.
        by: who asks.
        comment: why.
        expires: Unix ns UTC; from then on it is not carried out any more.
    """

    action: str
    name: str
    arguments: Mapping[str, Given] = field(default_factory=dict)
    id: str = ""
    by: str = ""
    comment: str = ""
    expires: int = 0

    @property
    def what(self) -> str:
        """The field of the table that `name` stands in."""
        return "method" if self.action in (CALL, LOOK) else "condition"

    @property
    def words(self) -> str:
        """What is kept with a condition: who, and why."""
        return f"{self.by}: {self.comment}" if self.by and self.comment else self.by or self.comment


def parse(table: Mapping[str, Any], now: int, furthest: float, fault: str = "") -> CallCommand:
    """Read a command.

    Args:
        table: as above. All but a look bear an id, and say when they expire.
        now: Unix ns UTC.
        furthest: seconds that `expires` may lie ahead.
        fault: why it cannot be read at all; empty where it can.

    Raises:
        WriteError: MALFORMED, with what is wrong.
    """
    text, expires = fields(table, _LENGTHS, ("arguments",), fault)
    if text["action"] not in ACTIONS:
        raise _malformed(f"'{text['action']}' is no action; there are {', '.join(ACTIONS)}")
    command = CallCommand(
        text["action"], text["method"] or text["condition"], _arguments(table.get("arguments")), text["id"],
        text["by"], text["comment"], expires,
    )  # fmt: skip
    _complete(command, text, now + round(furthest * SECOND))
    return command


def _complete(command: CallCommand, text: Mapping[str, str], latest: int) -> None:
    other = "condition" if command.what == "method" else "method"
    if not text[command.what] or text[other]:
        raise _malformed(f"{command.action} needs {command.what}, and no {other}")
    if command.arguments and command.what == "condition":
        raise _malformed(f"{command.action} takes no arguments")
    if command.action == LOOK:
        return
    if not command.id:
        raise _malformed("id is missing: without it a command that comes twice would be carried out twice")
    check_once(command.id, command.expires, latest)


def _arguments(given: Any) -> dict[str, Given]:
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > _MOST:
        raise _malformed(f"arguments is a table of {_MOST} at most, by name")
    return {str(name)[:256]: _argument(str(name)[:64], value) for name, value in given.items()}


def _argument(name: str, value: Any) -> Given:
    if isinstance(value, list) and len(value) <= _ELEMENTS:
        return [_single(name, one) for one in value]
    return _single(name, value)


def _single(name: str, value: Any) -> float | int | bool | str:
    if isinstance(value, str) and len(value) <= _TEXT and value.isprintable():
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:  # a bool is one
        return value
    raise _malformed(f"{name} must be a finite number, printable text of {_TEXT} characters, true, false or a list")


def _malformed(text: str) -> WriteError:
    return WriteError(Reason.MALFORMED, text)
