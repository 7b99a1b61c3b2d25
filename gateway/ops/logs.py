"""Structured log to stderr: one JSON object a line, with journald's `<N>` priority in front where journald reads.

Quiet by default: at info, a healthy hour writes nothing. Repeats of one event from one source are held back for a while
and then counted in the next line that passes.
"""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import orjson
import structlog

from gateway.ops.levels import LEVELS

# syslog(3) severities, as journald understands them at the start of a line (sd-daemon(3)).
_PRIORITY: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_SOURCES: Final = ("device", "connection", "asset", "plugin", "part")


class RepeatFilter:
    """Holds back an event that was written `burst` times within `window` seconds, by event and source."""

    def __init__(self, burst: int = 5, window: float = 60.0, most: int = 1000) -> None:
        self._burst, self._window, self._most = burst, window, most
        self._seen: dict[tuple[Any, ...], list[float]] = {}  # key → [start of window, lines, held back]

    def __call__(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A structlog processor: drops the event or lets it pass, with `repeats` when some were held back."""
        if method == "debug":
            return event
        now = event["monotonic"]
        key = (event.get("event"), *(event.get(source) for source in _SOURCES))
        if len(self._seen) > self._most:
            self._seen.clear()
        entry = self._seen.setdefault(key, [now, 0, 0])
        if now - entry[0] > self._window:
            if entry[2]:
                event["repeats"] = int(entry[2])
            entry[:] = [now, 0, 0]
        entry[1] += 1
        if entry[1] > self._burst:
            entry[2] += 1
            raise structlog.DropEvent
        return event


def _render(_logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
    event.pop("monotonic", None)
    line = orjson.dumps({"event": event.pop("event", ""), "level": method, **event}, default=str).decode()
    return f"<{_PRIORITY.get(method, 6)}>{line}" if "JOURNAL_STREAM" in os.environ else line


def configure(level: str, clock: Any, levels: Mapping[str, str] | None = None) -> None:
    """Set up structlog once, for the whole process: `level` is debug, info, warning or error, `levels` by part."""
    LEVELS.begin(level, levels or {})

    def stamp(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = clock.wall_ns() // 1_000_000 / 1000
        event["monotonic"] = clock.monotonic()
        return event

    structlog.configure(
        processors=[LEVELS, structlog.processors.format_exc_info, stamp, RepeatFilter(), _render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
