"""The life of a model's versions, as a table: installed, shadow, active, standby, retired, quarantined.

A version that was once active sets a floor: what is older comes back only by an explicit rollback. The floor and all
states are kept (`Record.encode`). This module only decides; `gateway.models.keeper` acts on the changes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from gateway.models.manifest import VERSION, order
from gateway.sdk.errors import FieldgateError


class LifecycleError(FieldgateError):
    """A step that is not allowed now. The message says why, and what is."""


class State(StrEnum):
    """Where a version of a model stands."""

    INSTALLED = "installed"  # it lies in the gateway, checked
    SHADOW = "shadow"  # it scores beside the active one and raises no alarm
    ACTIVE = "active"  # its scores count
    STANDBY = "standby"  # it was active until a moment ago and runs on, should its successor fail
    RETIRED = "retired"  # it was active once
    QUARANTINED = "quarantined"  # it failed


class Step(StrEnum):
    """What moves a version."""

    SHADOW = "shadow"
    WITHDRAW = "withdraw"
    PROMOTE = "promote"
    REPLACE = "replace"
    SETTLE = "settle"
    RETURN = "return"
    FAIL = "fail"


S = State
TABLE: Final[dict[tuple[State, Step], State]] = {
    (S.INSTALLED, Step.SHADOW): S.SHADOW,
    (S.RETIRED, Step.SHADOW): S.SHADOW,
    (S.QUARANTINED, Step.SHADOW): S.SHADOW,  # by command only: somebody has looked at it
    (S.SHADOW, Step.WITHDRAW): S.INSTALLED,
    (S.SHADOW, Step.PROMOTE): S.ACTIVE,
    # Where nothing is active, whatever is named by command or configuration.
    **{(state, Step.PROMOTE): S.ACTIVE for state in (S.INSTALLED, S.RETIRED, S.STANDBY, S.QUARANTINED)},
    (S.ACTIVE, Step.REPLACE): S.STANDBY,
    (S.STANDBY, Step.SETTLE): S.RETIRED,
    (S.STANDBY, Step.RETURN): S.ACTIVE,
    (S.RETIRED, Step.RETURN): S.ACTIVE,
    (S.INSTALLED, Step.RETURN): S.ACTIVE,  # an older version, by an explicit act
    (S.ACTIVE, Step.WITHDRAW): S.RETIRED,
    **{(state, Step.FAIL): S.QUARANTINED for state in State if state is not S.QUARANTINED},
}


@dataclass(frozen=True)
class Change:
    """One version that has moved."""

    version: str
    previous: State
    state: State
    why: str


@dataclass
class Record:
    """All versions of one model.

    Attributes:
        name: of the model.
        states: by version.
        why: of the last change, by version.
        floor: the greatest version that was ever active; empty while none was.
        history: versions in the order in which they became active, the latest last.
    """

    name: str
    states: dict[str, State] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    floor: str = ""
    history: list[str] = field(default_factory=list)

    def holder(self, *states: State) -> str | None:
        """The version that is in one of `states`."""
        return next((version for version, state in self.states.items() if state in states), None)

    @property
    def active(self) -> str | None:
        """The version whose scores count."""
        return self.holder(State.ACTIVE)

    @property
    def second(self) -> str | None:
        """The version that scores beside it: the shadow, or its predecessor while that stands by."""
        return self.holder(State.SHADOW, State.STANDBY)

    @property
    def last_good(self) -> str | None:
        """The version to go back to: the latest active one that has not failed."""
        usable = (State.STANDBY, State.RETIRED)
        return next((version for version in reversed(self.history) if self.states.get(version) in usable), None)

    # -- steps -------------------------------------------------------------------------------------------------------

    def install(self, version: str) -> None:
        """Note a version that lies in the gateway; one that is known stays as it is."""
        self.states.setdefault(version, State.INSTALLED)

    def shadow(self, version: str) -> list[Change]:
        """Let `version` score beside the active one, in place of any other that does. Raises LifecycleError."""
        self._known(version)
        self._not_older(version)
        if self.active is None:
            raise LifecycleError(f"{self.name}: nothing is active that {version} could run beside; promote it")
        if self.states[version] in (State.SHADOW, State.ACTIVE):
            raise LifecycleError(f"{self.name} {version} is {self.states[version]} already")
        return [*self._clear("another shadow begins"), self._move(version, Step.SHADOW, "by command")]

    def promote(self, version: str | None, why: str) -> list[Change]:
        """Make the shadow active; its predecessor stands by. Without an active one, any installed. LifecycleError."""
        chosen = version or self.holder(State.SHADOW)
        if chosen is None:
            raise LifecycleError(f"{self.name}: no version is in shadow; `fieldgate model shadow` comes first")
        self._known(chosen)
        self._not_older(chosen)
        if self.active is not None and self.states[chosen] is not State.SHADOW:
            raise LifecycleError(f"{self.name} {chosen} is {self.states[chosen]}; only a shadow is promoted")
        changes = self._clear("its successor is promoted", keep=chosen)
        if self.active is not None:
            changes.append(self._move(self.active, Step.REPLACE, f"{chosen} is promoted"))
        return [*changes, self._activate(chosen, Step.PROMOTE, why)]

    def roll_back(self, version: str | None, why: str) -> list[Change]:
        """Make an earlier version active again, the last good one unless told otherwise. Raises LifecycleError."""
        chosen = version or self.last_good
        if chosen is None:
            raise LifecycleError(f"{self.name}: there is no earlier version to go back to")
        self._known(chosen)
        if (self.states[chosen], Step.RETURN) not in TABLE:
            raise LifecycleError(f"{self.name} {chosen} is {self.states[chosen]}; there is no way back to it")
        changes = []
        if self.active is not None:
            changes.append(self._move(self.active, Step.WITHDRAW, why))
        changes.append(self._activate(chosen, Step.RETURN, why))
        return [*changes, *self._clear("the active version has changed", keep=chosen)]

    def fail(self, version: str, why: str) -> list[Change]:
        """Quarantine a version that failed; where it was active, the last good one takes over."""
        if (self.states[version], Step.FAIL) not in TABLE:
            return []
        was_active = self.states[version] is State.ACTIVE
        changes = [self._move(version, Step.FAIL, why)]
        if was_active and self.last_good is not None:
            changes.append(self._activate(self.last_good, Step.RETURN, f"{version} failed"))
        return changes

    def settle(self) -> list[Change]:
        """End the probation of the active version: its predecessor stands by no longer."""
        standby = self.holder(State.STANDBY)
        return [] if standby is None else [self._move(standby, Step.SETTLE, "its successor has proved itself")]

    def _clear(self, why: str, keep: str = "") -> list[Change]:
        """Nothing but `keep` runs beside the active version any more."""
        second = self.second
        if second is None or second == keep:
            return []
        return [self._move(second, Step.SETTLE if self.states[second] is State.STANDBY else Step.WITHDRAW, why)]

    def _activate(self, version: str, step: Step, why: str) -> Change:
        self.history = [*(one for one in self.history if one != version), version]
        if not self.floor or order(version) > order(self.floor):
            self.floor = version
        return self._move(version, step, why)

    def _move(self, version: str, step: Step, why: str) -> Change:
        previous = self.states[version]
        self.states[version] = TABLE[previous, step]
        self.why[version] = why
        return Change(version, previous, self.states[version], why)

    def _known(self, version: str) -> None:
        if version not in self.states:
            known = ", ".join(self.states) or "none"
            raise LifecycleError(f"{self.name} {version} is not installed; known are: {known}")

    def _not_older(self, version: str) -> None:
        if self.floor and order(version) < order(self.floor):
            raise LifecycleError(
                f"{self.name} {version} is older than {self.floor}, which was active; "
                f"`fieldgate model rollback {self.name} {version}` is the way back"
            )

    # -- on disk -----------------------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """The record as JSON."""
        content = {
            "name": self.name, "states": self.states, "why": self.why, "floor": self.floor, "history": self.history
        }  # fmt: skip
        return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def decode(content: bytes) -> Record:
    """The record that `encode` gave. Raises ValueError when it is none."""
    try:
        read: dict[str, Any] = orjson.loads(content)
        states = {_version(version): State(state) for version, state in read["states"].items()}
        why = {str(version): str(text) for version, text in read["why"].items()}
        history: Sequence[str] = [_version(one) for one in read["history"]]
        return Record(str(read["name"]), states, why, str(read["floor"]), list(history))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no record of a model: {error!r}") from error


def _version(text: Any) -> str:
    if not re.fullmatch(VERSION, str(text)):
        raise ValueError(f"no version: {text!r:.40}")
    return str(text)
