"""A CSV sheet as engineers keep their tag lists: the first row names the options, the column `name` the tags.

Comma, semicolon or tab, whichever the first row has most of; quotes as in RFC 4180; UTF-8 with or without its mark.
A cell reads as the same word does in YAML, an empty one is an option that is not written. Places are row and column.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from gateway.config.problems import Place, Source, nearest
from gateway.config.text import StopError, decode
from gateway.config.tree import ROOT, Document, SecretRef, Spot
from gateway.config.yaml import parse, scalar

NAME: Final = "name"
MAX_ROWS: Final = 100_000
_DELIMITERS: Final = ",;\t"
_REFERENCE: Final = "!secret "


def parse_sheet(raw: bytes, source: Source) -> list[Document]:
    """One document: a table of rows by name. What is wrong goes to `source`; what cannot be read is an empty list."""
    cells: dict[Place, str] = {}
    source.cells = cells
    try:
        return [_Sheet(source, list(_rows(decode(raw))), cells).document()]
    except StopError as stop:
        source.readable = False
        hint = "save it as CSV UTF-8" if "UTF" in stop.message else ""
        source.add(stop.place, stop.path, stop.message, hint)
        return []


def _rows(text: str) -> Iterator[list[str]]:
    """The rows, cells without the space around them. Raises StopError."""
    head = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    row = 0
    try:
        for row, cells in enumerate(reader, 1):
            if row > MAX_ROWS:
                raise StopError((row, 1), (), f"more than {MAX_ROWS} rows")
            yield [cell.strip() for cell in cells]
    except csv.Error as error:
        raise StopError((row + 1, 1), (), f"not CSV: {_plain(str(error))}") from error


def _plain(error: str) -> str:
    """What the csv module complains of, in plain words."""
    if "unexpected end" in error:
        return "a quote that is never closed"
    return 'text after a closing quote; write "" for a quote inside' if "expected after" in error else error


class _Sheet:
    """Rows in, document out."""

    def __init__(self, source: Source, rows: list[list[str]], written: dict[Place, str]) -> None:
        self._source, self._rows, self._written = source, rows, written
        self._head = rows[0] if rows else []
        self._document = Document(source)

    def document(self) -> Document:
        """The rows by name. Raises StopError where no row could have a name."""
        self._check_head()
        table: dict[str, dict[str, Any]] = {}
        marks = self._document.marks[id(table)] = {}
        heads = [self._spot(1, column) for column in range(1, len(self._head) + 1)]
        at = self._head.index(NAME)
        for number, cells in enumerate(self._rows[1:], 2):
            name, spot = (cells[at] if at < len(cells) else ""), self._spot(number, at + 1)
            if any(cells) and self._is_new(name, spot, marks):
                table[name] = self._options(number, cells, heads)
                marks[name] = spot, self._spot(number, 1)
        start = self._spot(1, 1)
        self._document.holder[ROOT] = table
        self._document.marks[id(self._document.holder)] = {ROOT: (start, start)}
        return self._document

    def _check_head(self) -> None:
        if not any(self._head):
            raise StopError((1, 1), (), "the first row is empty; it names the options, the first of them 'name'")
        if NAME not in self._head:
            near = nearest(NAME, self._head)
            said = (
                f"is '{near}' meant to be it?" if near else "the first row is: " + ", ".join(filter(None, self._head))
            )
            raise StopError((1, 1), (), f"no column '{NAME}'; {said}")
        for column, word in enumerate(self._head):
            if word and word in self._head[:column]:
                first = self._head.index(word) + 1
                self._source.add((1, column + 1), (word,), f"is written twice; first at 1:{first}")

    def _is_new(self, name: str, spot: Spot, marks: dict[Any, tuple[Spot, Spot]]) -> bool:
        if not name:
            self._source.add(spot.place, (), f"a row without a {NAME}")
        elif name in marks:
            line, column = marks[name][0].place
            self._source.add(spot.place, (name,), f"is written twice; first at {line}:{column}")
        return bool(name) and name not in marks

    def _options(self, row: int, cells: list[str], heads: list[Spot]) -> dict[str, Any]:
        options: dict[str, Any] = {}
        marks = self._document.marks[id(options)] = {}
        for column, cell in enumerate(cells):
            word = self._head[column] if column < len(self._head) else ""
            if not cell or word == NAME:
                continue
            spot = self._spot(row, column + 1)
            if not word:
                self._source.add(spot.place, (), "a cell under no name of an option", "a delimiter too many?")
                continue
            options[word] = self._value(cell, spot)
            marks[word] = heads[column], spot
        return options

    def _spot(self, row: int, column: int) -> Spot:
        return Spot(row, column, self._source)

    def _value(self, cell: str, spot: Spot) -> Any:
        if cell.startswith(_REFERENCE):
            return SecretRef(cell.removeprefix(_REFERENCE).strip())
        if cell[0] in "[{":
            return self._inner(cell, spot)
        try:
            value = scalar(cell)
        except ValueError as error:
            self._source.add(spot.place, (), str(error))
            return 0
        if not isinstance(value, str):
            self._written[spot.place] = cell
        return value

    def _inner(self, cell: str, spot: Spot) -> Any:
        """A list or a table in one cell, written as in YAML; text that is neither stays text."""
        found = parse(cell.encode(), apart := Source(""))
        if apart.problems() or len(found) != 1:
            return cell
        self._written[spot.place] = cell
        for container, marks in found[0].marks.items():
            if container != id(found[0].holder):
                self._document.marks[container] = dict.fromkeys(marks, (spot, spot))
        return found[0].data
