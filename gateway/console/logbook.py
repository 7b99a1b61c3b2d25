"""The latest lines of the log in memory, for the page: taken as they are written, behind the log's own filters."""

from collections import deque
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import structlog

MOST: Final = 2000  # lines
_LONGEST: Final = 2000  # characters of the other fields of a line; a traceback is longer, and stands in the journal
_LEVELS: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3, "exception": 3, "critical": 3}
_OWN: Final = ("event", "time", "monotonic", "level")


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `time` in Unix ms, `text` the other fields as name=value."""

    number: int
    time: int
    level: str
    event: str
    text: str


class Logbook:
    """A structlog processor that lets every line pass, and keeps it."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=MOST)
        self._count = 0

    def __call__(self, _logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Keep a line; called from whichever thread writes it."""
        text = " ".join(f"{name}={value}" for name, value in event.items() if name not in _OWN)
        level = "error" if _LEVELS.get(method, 1) == _LEVELS["error"] else method
        self._count += 1
        time = round(float(event.get("time", 0.0)) * 1000)
        self._lines.append(Line(self._count, time, level, str(event.get("event", "")), text[:_LONGEST]))
        return event

    def begin(self) -> None:
        """Stand before the last processor of all loggers, those that are in use included: they share one list."""
        structlog.get_config()["processors"].insert(-1, self)

    def end(self) -> None:
        """Stand there no longer."""
        processors = structlog.get_config()["processors"]
        if self in processors:
            processors.remove(self)

    def lines(self, level: str, search: str, after: int, most: int) -> tuple[list[Line], int]:
        """The latest `most` lines behind number `after` that are as severe as `level` and hold every word of `search`.

        Oldest first, and the number of the last line of all.
        """
        words = search.casefold().split()
        found = list(islice(self._matching(_LEVELS[level], words, after), most))
        return found[::-1], self._count

    def _matching(self, least: int, words: list[str], after: int) -> Iterator[Line]:
        for line in reversed(list(self._lines)):
            if line.number <= after:
                return
            plain = f"{line.event} {line.text}".casefold()
            if _LEVELS.get(line.level, 1) >= least and all(word in plain for word in words):
                yield line
