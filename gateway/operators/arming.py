"""Two-step writes: a value is armed, and the token that this gives lets that very value be written, once and soon."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.sdk import Value
from gateway.stages.writing import WriteCommand

_BYTES: Final = 9  # of chance: 12 characters; guessing is bounded by writes.storm


@dataclass(frozen=True, slots=True)
class _Armed:
    value: Value
    via: str
    token: str
    until: float  # monotonic s


class Arming:
    """What is armed now, one value a tag; a later arming takes the place of the former one. Nothing survives a restart.

    Args:
        lasts: seconds.
        now: monotonic seconds.
    """

    def __init__(self, lasts: float, now: Callable[[], float]) -> None:
        self._lasts, self._now = lasts, now
        self._armed: dict[str, _Armed] = {}

    def arm(self, command: WriteCommand, via: str) -> str:
        """Arm the value of `command`; its token."""
        token = secrets.token_urlsafe(_BYTES)
        self._armed[command.tag] = _Armed(command.value, via, token, self._now() + self._lasts)
        return token

    def take(self, command: WriteCommand, via: str) -> bool:
        """Whether `command` brings the token of this value, from where it was armed. A token is good for one try."""
        armed = self._armed.get(command.tag)
        if armed is None or not secrets.compare_digest(armed.token.encode(), command.token.encode()):
            return False
        del self._armed[command.tag]
        same = (type(armed.value), armed.value, armed.via) == (type(command.value), command.value, via)
        return same and self._now() < armed.until
