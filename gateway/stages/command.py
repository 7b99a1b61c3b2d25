"""What an operator asks of an alarm: acknowledge, shelve, unshelve, disable, enable; read from a table, and checked.

The same table comes from the command line and over MQTT:
`{"id": …, "asset": …, "action": …, "by": …, "comment": …, "for": "8h", "expires": "2026-03-14T10:00:00Z"}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway.sdk.config import seconds
from gateway.sdk.errors import FieldgateError
from gateway.stages.states import TABLE, Event, State

SECOND: Final = 1_000_000_000
ACTIONS: Final = {
    "ack": Event.ACKNOWLEDGE,
    "shelve": Event.SHELVE,
    "unshelve": Event.UNSHELVE,
    "disable": Event.REMOVE,
    "enable": Event.RESTORE,
}
_KNOWN: Final = ("id", "asset", "action", "by", "comment", "for", "expires")
_LENGTHS: Final = {"id": 128, "asset": 256, "action": 16, "by": 128, "comment": 1024, "for": 32, "expires": 64}


class Refusal(StrEnum):
    """Why a command is not carried out."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"  # there is no such alarm
    ILLEGAL = "illegal"  # the alarm's state knows no such action
    EXPIRED = "expired"
    REPEATED = "repeated"


class CommandError(FieldgateError):
    """A command that is not carried out; the message says why in a sentence, `refusal` in a word."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        id: of the sender's choice; a command that comes again bears the same. Empty: none.
        asset: whose alarm.
        action: one of ACTIONS.
        by: who asks.
        comment: why.
        lasts: ns of shelving; None: as long as is allowed.
        expires: after which it is not carried out any more, Unix ns UTC; None: never.
    """

    id: str
    asset: str
    action: str
    by: str = ""
    comment: str = ""
    lasts: int | None = None
    expires: int | None = None

    @property
    def event(self) -> Event:
        """What it does to the alarm."""
        return ACTIONS[self.action]


def parse(table: Mapping[str, Any]) -> Command:
    """Read a command. Raises CommandError (MALFORMED) with what is wrong."""
    unknown = sorted(set(table) - set(_KNOWN))
    if unknown:
        raise _malformed(f"'{unknown[0][:64]}' is unknown; a command has {', '.join(_KNOWN)}")
    text = {name: text_of(table, name, _LENGTHS[name]) for name in _KNOWN}
    if text["action"] not in ACTIONS:
        raise _malformed(f"'{text['action']}' is no action; there are {', '.join(ACTIONS)}")
    if not text["asset"]:
        raise _malformed("asset is missing")
    if text["for"] and text["action"] != "shelve":
        raise _malformed("'for' belongs to shelve")
    return Command(
        text["id"], text["asset"], text["action"], text["by"], text["comment"],
        _lasts(text["for"]) if text["for"] else None, instant(text["expires"]) if text["expires"] else None,
    )  # fmt: skip


def check_state(command: Command, state: State) -> None:
    """Raises CommandError (ILLEGAL) when the state of the alarm knows no such action; the message names both."""
    if (state, command.event) in TABLE:
        return
    takes = [one.word for one in State if (one, command.event) in TABLE]
    raise CommandError(
        Refusal.ILLEGAL, f"{command.asset} is {state.word}; {command.action} is for what is {', '.join(takes)}"
    )


def until(command: Command, now: int, longest: float) -> int | None:
    """When the shelving that `command` asks for ends, Unix ns UTC; None for another action.

    Args:
        command: the command.
        now: Unix ns UTC.
        longest: seconds that an alarm may be shelved.

    Raises:
        CommandError: it asks for longer than that (MALFORMED).
    """
    if command.event is not Event.SHELVE:
        return None
    most = round(longest * SECOND)
    if command.lasts is not None and command.lasts > most:
        raise _malformed(f"{command.asset} may be shelved for {longest / 3600:.4g} h at most (alarms.shelve)")
    return now + (most if command.lasts is None else command.lasts)


def text_of(table: Mapping[str, Any], name: str, longest: int) -> str:
    """The text at `name`, on one line; empty where there is none. Raises CommandError (MALFORMED)."""
    value = table.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _malformed(f"{name} must be text")
    if len(value) > longest:
        raise _malformed(f"{name} has more than {longest} characters")
    value = " ".join(value.split())
    if not value.isprintable():  # it comes to stand in logs and on terminals
        raise _malformed(f"{name} has control characters")
    return value


def _lasts(text: str) -> int:
    try:
        lasts = round(seconds(text) * SECOND)
    except (ValueError, OverflowError) as error:
        raise _malformed(f"for: {error}") from error
    if lasts <= 0:
        raise _malformed("for must be longer than 0")
    return lasts


def instant(text: str) -> int:
    """A time with its zone, as Unix ns UTC. Raises CommandError (MALFORMED)."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise _malformed("expires must be a time such as 2026-03-14T10:00:00Z") from error
    if instant.tzinfo is None:
        raise _malformed("expires must say its time zone, such as 2026-03-14T10:00:00Z")
    return round(instant.timestamp() * 1e6) * 1000


def _malformed(text: str) -> CommandError:
    return CommandError(Refusal.MALFORMED, text)
