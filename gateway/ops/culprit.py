"""Whose code it is: the innermost plugin on a stack, and the connection on whose behalf the loop's thread works.

Tasks, callbacks and timers inherit the context of what made them, so that a plugin's own ones bear the name of its
connection too (PEP 567).
"""

import asyncio
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any, Final

CONNECTION: Final[ContextVar[str]] = ContextVar("connection", default="")  # for whom the running code works
_OURS: Final = str(Path(__file__).resolve().parents[1]) + os.sep
_LENT: Final = (_OURS + "sdk" + os.sep, str(Path(_OURS, "ingest", "guarded.py")))  # works for a plugin, as its own
_PLACE: Final = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<name>.+)$', re.MULTILINE)
_DEPTH: Final = 40  # lines of a stack that are told


class Plugins:
    """The plugins of a configuration, by where their code lies."""

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}  # file, or folder with its separator → adapter
        self._connections: dict[str, set[str]] = {}  # adapter → connections

    def know(self, adapter: str, connection: str, module: str) -> None:
        """`connection` is served by `adapter`, whose class stands in `module`."""
        self._connections.setdefault(adapter, set()).add(connection)
        if root := _root(module):
            self._roots[root] = adapter

    def of(self, files: Iterable[str]) -> str:
        """The adapter whose code runs, of the files of a stack, innermost first; "" where the gateway's own does."""
        for file in files:
            for root, adapter in self._roots.items():
                if file.startswith(root):
                    return adapter
            if file.startswith(_OURS) and not file.startswith(_LENT):
                return ""
        return ""

    def alone(self, adapter: str) -> str:
        """The connection that `adapter` serves, where it is the only one; else ""."""
        found = self._connections.get(adapter, set())
        return next(iter(found)) if len(found) == 1 else ""

    def in_task(self, task: "asyncio.Task[Any]") -> str:
        """The adapter in whose code `task` waits; "" where it waits in nobody's."""
        inner: Any = task.get_coro()
        found: list[str] = []
        while inner is not None:
            code = getattr(inner, "cr_code", None)
            found += [code.co_filename] if code is not None else []
            inner = getattr(inner, "cr_await", None)
        return self.of(reversed(found))

    def told_by(self, words: str) -> str:
        """The adapter that a dump of faulthandler names in any of its threads; "" where none does."""
        stacks = re.split(r"^(?:Current thread|Thread) ", words, flags=re.MULTILINE)
        return next(filter(None, (self.of(one["file"] for one in _PLACE.finditer(stack)) for stack in stacks)), "")


def files(frame: FrameType | None) -> Iterator[str]:
    """The files of a stack, innermost first."""
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


def stack(frame: FrameType | None) -> list[str]:
    """The lines of a stack for a person, innermost first."""
    lines: list[str] = []
    while frame is not None and len(lines) < _DEPTH:
        lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return lines


def place(words: str) -> str:
    """The innermost place of the thread that a dump of faulthandler calls the current one; "" where it has none."""
    found = _PLACE.search(words, max(words.find("Current thread"), 0))
    return f"{found['file']}:{found['line']} {found['name']}" if found else ""


def _root(module: str) -> str:
    """Where the code of the top package of `module` lies; "" where it has no files."""
    top = sys.modules.get(module.partition(".")[0])
    file = getattr(top, "__file__", None)
    if not file:
        return ""
    path = Path(file)
    return f"{path.parent}{os.sep}" if path.stem == "__init__" else str(path)
