"""Who may what: four roles, each with the rights of the one before it, as a table."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.sdk.errors import FieldgateError


class Role(StrEnum):
    """What a person, or a program, is to the plant."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"


class Right(StrEnum):
    """What a request needs."""

    LOOK = "look"
    OPERATE = "operate"  # what an operator does to alarms
    CONFIGURE = "configure"  # what changes how the gateway works
    ADMINISTER = "administer"  # users and tokens


_ALL: Final = tuple(Right)
RIGHTS: Final[dict[Role, tuple[Right, ...]]] = {role: _ALL[: number + 1] for number, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks.

    Attributes:
        name: of the user, or of the token.
        role: theirs.
        csrf: what a change must bring along in its header; empty for a token, which no browser sends by itself.
        key: sha256 of the cookie or the token.
        change: their password must be changed before anything else.
    """

    name: str
    role: Role
    csrf: str = ""
    key: str = ""
    change: bool = False

    @property
    def by(self) -> str:
        """For records: no user's name has a colon, so that no token passes for a user."""
        return self.name if self.person else f"token:{self.name}"

    @property
    def person(self) -> bool:
        """Whether it is somebody who has logged in, not a token."""
        return bool(self.csrf)

    def may(self, right: Right) -> bool:
        """Whether they have it."""
        return right in RIGHTS[self.role]


class Refused(FieldgateError):  # noqa: N818 - the word of the field
    """A request that is not carried out: `status` of HTTP, `reason` in a word, `wait` seconds before the next try."""

    def __init__(self, status: int, reason: str, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.status, self.reason, self.wait = status, reason, wait
