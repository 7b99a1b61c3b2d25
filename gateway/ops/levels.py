"""From which severity on the log is written: for all of the gateway, and for parts of it, changed while it runs.

A part is a module with all below it, such as `gateway.deliver` or `gateway_opcua`; the longest name that fits counts.
"""

import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

NUMBERS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_ON_THE_WAY: Final = ("structlog", "gateway.ops.levels")  # frames between a caller and the filter


class Levels:
    """A structlog processor: drops what is below the level of the part that says it."""

    def __init__(self) -> None:
        self._least = NUMBERS["info"]
        self._parts: dict[str, int] = {}  # the longest names first

    def begin(self, level: str, parts: Mapping[str, str]) -> None:
        """Start with these, in the configuration's words."""
        self._least, self._parts = NUMBERS[level], {}
        for part, its in parts.items():
            self.set(part, its)

    def set(self, part: str, level: str) -> None:
        """Change the level of a part. Raises KeyError for no level."""
        parts = {**self._parts, part: NUMBERS[level]}
        self._parts = dict(sorted(parts.items(), key=lambda one: -len(one[0])))

    def of(self, module: str) -> int:
        """From which severity on `module` is heard."""
        for part, level in self._parts.items():
            if module == part or module.startswith(f"{part}."):
                return level
        return self._least

    def __call__(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Drop the event, or let it pass."""
        least = self.of(_caller()) if self._parts else self._least
        if NUMBERS.get(method, 0) < least:
            raise structlog.DropEvent
        return event


def _caller() -> str:
    """The module that has called the log."""
    frame = sys._getframe(1)  # noqa: SLF001 - what logging does, too
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_ON_THE_WAY):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


LEVELS: Final = Levels()  # as structlog's configuration, one for the process
