"""How each part is doing, since when, why, and what to do: parts report down to here, and nobody is polled."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from gateway.sdk.clock import Clock


class State(StrEnum):
    """A part's state. `degraded` lives on with less; `failed` does not do its work."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the gateway: outbox, broker, a device, an asset."""

    name: str
    state: State
    since: int  # wall ns at which the state was entered
    why: str = ""
    remedy: str = ""


class Health:
    """The states of all parts. Each is written on one thread, the loop's or the console's, and read from any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: dict[str, Part] = {}

    def report(self, name: str, state: State, why: str = "", remedy: str = "") -> bool:
        """Note the state of a part; True when it changed."""
        old = self._parts.get(name)
        if old is not None and old.state is state:
            if (old.why, old.remedy) != (why, remedy):
                self._parts[name] = replace(old, why=why, remedy=remedy)
            return False
        self._parts[name] = Part(name, state, self._clock.wall_ns(), why, remedy)
        return True

    def forget(self, name: str) -> None:
        """A part is no more."""
        self._parts.pop(name, None)

    def part(self, name: str) -> Part | None:
        """How one part is doing; None when it never reported."""
        return self._parts.get(name)

    def state(self, name: str) -> State | None:
        """State of one part, None when it never reported."""
        part = self._parts.get(name)
        return part.state if part else None

    def overall(self) -> State:
        """The worst of what matters: a dead device degrades the gateway, it never fails it."""
        states = {part.state for part in list(self._parts.values())}
        if State.STARTING in states:
            return State.STARTING
        return State.DEGRADED if states & {State.DEGRADED, State.FAILED} else State.OK

    def snapshot(self) -> list[dict[str, Any]]:
        """Every part, as JSON-able objects; times are Unix seconds."""
        parts = list(self._parts.values())  # at once: another thread may add one
        return [
            {"name": p.name, "state": p.state.value, "since": p.since / 1e9, "why": p.why, "remedy": p.remedy}
            for p in sorted(parts, key=lambda p: p.name)
        ]
