"""How readings are shown as they change: a table redrawn in place on a terminal, else a line for each change."""

import datetime as dt
import shutil
import sys
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.cli.common import complain
from gateway.ingest.image import Image
from gateway.sdk.quality import BAD, name
from gateway.sdk.tags import TagTable
from gateway.stages.meaning import Meanings

Rows = NDArray[np.int64]
_CLEAR, _DOWN, _UP = "\x1b[K", "\x1b[J", "\x1b[{}F"
_NOTHING: Final = object()  # what a row shows before it has been told for the first time


@dataclass(frozen=True, slots=True)
class View:
    """What is shown: the tags of a table, their values, and what those mean."""

    table: TagTable
    image: Image
    meanings: Meanings


def document(view: View, row: int) -> dict[str, Any]:
    """A reading for machines; `text` is what the value means, where it is one of an enumeration."""
    image = view.image
    value, meant = image.other.get(row, image.value[row]), view.meanings.text(row, float(image.value[row]))
    return {
        "tag": view.table.names[row],
        "value": None if isinstance(value, float) and np.isnan(value) else value,
        "unit": view.meanings.unit(row),
        "status": name(int(image.status[row])),
        "time": image.time[row] / 1e9 or None,
    } | ({"text": meant} if meant else {})


def line(view: View, row: int) -> str:
    """A reading for people."""
    said = document(view, row)
    means = " ".join(filter(None, (said["unit"], said.get("text"))))
    return f"{said['tag']:32} {_text(said['value']):>14} {means:8} {said['status']}"


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _clock(image: Image, row: int) -> str:
    """When: the time of a usable reading, else now; in this machine's own time."""
    usable = image.time[row] and image.status[row] < BAD
    when = dt.datetime.fromtimestamp(image.time[row] / 1e9, dt.UTC) if usable else dt.datetime.now(dt.UTC)
    return when.astimezone().strftime("%H:%M:%S.%f")[:-3]


class Output(Protocol):
    """Where what changes is shown."""

    def told(self, rows: Rows) -> None:
        """These rows were read, or lost. Never blocks."""

    def say(self, text: str) -> None:
        """Something is wrong."""

    def flush(self) -> None:
        """Show what was told since. Raises BrokenPipeError when nobody reads any more."""


class Lines:
    """A line for each change of value or quality, for people or machines."""

    def __init__(self, view: View, *, json: bool) -> None:
        self._view, self._image, self._json = view, view.image, json
        self._last: list[Any] = [_NOTHING] * len(view.table)
        self._lines: list[str] = []

    def told(self, rows: Rows) -> None:
        """As `Output`."""
        for row in rows.tolist():
            said = self._shown(row)
            if said != self._last[row]:
                self._last[row] = said
                self._lines.append(self._line(row))

    def say(self, text: str) -> None:
        """As `Output`."""
        complain(text)

    def flush(self) -> None:
        """As `Output`."""
        if self._lines:
            sys.stdout.write("\n".join(self._lines) + "\n")
            sys.stdout.flush()
            self._lines = []

    def _shown(self, row: int) -> tuple[Any, int]:
        value = self._image.value[row].item()
        return self._image.other.get(row, None if np.isnan(value) else value), int(self._image.status[row])

    def _line(self, row: int) -> str:
        if self._json:
            return orjson.dumps(document(self._view, row), option=orjson.OPT_SERIALIZE_NUMPY).decode()
        return f"{_clock(self._image, row)}  {line(self._view, row)}"


class Screen:
    """All readings in a table that stays where it is; below it what was wrong last."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._times = ["-"] * len(view.table)
        self._note, self._drawn = "", 0

    def told(self, rows: Rows) -> None:
        """As `Output`."""
        for row in rows.tolist():
            self._times[row] = _clock(self._view.image, row)

    def say(self, text: str) -> None:
        """As `Output`."""
        self._note = text

    def flush(self) -> None:
        """As `Output`."""
        width = shutil.get_terminal_size().columns - 1
        lines = [f"{when:12}  {line(self._view, row)}" for row, when in enumerate(self._times)]
        lines += [self._note or "Ctrl-C ends it."]
        up = _UP.format(self._drawn) if self._drawn else ""
        sys.stdout.write(up + "".join(f"{text[:width]}{_CLEAR}\n" for text in lines) + _DOWN)
        sys.stdout.flush()
        self._drawn = len(lines)


def output(view: View, *, json: bool) -> Output:
    """A table where a terminal watches that has room for it, else lines."""
    fits = sys.stdout.isatty() and not json and len(view.table) + 2 <= shutil.get_terminal_size().lines
    return Screen(view) if fits else Lines(view, json=json)
