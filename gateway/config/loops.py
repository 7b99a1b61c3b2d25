"""`for:`: the values for which something is made, one set of them for each.

`{n: 1..200}` counts, `{line: [a, b]}` lists, both together combine each with each. A table of tables, as a CSV sheet
is, gives one set per row, with the key as `name`.
"""

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from gateway.config.fill import Given
from gateway.config.problems import Path
from gateway.config.tree import Document, Marks

MAX_MADE: Final = 10_000  # devices or assets
_RANGE: Final = re.compile(r"(-?[0-9]{1,9})\.\.(-?[0-9]{1,9})")
_NAME: Final = re.compile(r"[A-Za-z_][\w\-]*")
_FORMS: Final = "for: {n: 1..20}, for: {line: [a, b]}, or a table of rows by name"
Row = dict[str, Given]


def rows(document: Document, given: Given, path: Path) -> list[Row] | None:
    """The sets of values of a `for` that stands at `path`; None when it is wrong, which is noted."""
    table, spot, marks = given
    if not isinstance(table, dict) or not table:
        document.note_at(spot, path, "names no values", _FORMS)
        return None
    if all(isinstance(row, dict) for row in table.values()):
        return list(_of_rows(table, marks)) if _fits(document, given, path, len(table)) else None
    choices = {name: _choice(document, table, name, marks, (*path, name)) for name in table}
    if not all(choices.values()) or not _fits(document, given, path, math.prod(map(len, choices.values()))):
        return None
    values = [[Given(value, spot, marks) for value, spot in choice] for choice in choices.values()]
    return [dict(zip(choices, combined, strict=True)) for combined in itertools.product(*values)]


def is_table(given: Any) -> bool:
    """Whether the values come row by row; such a table may have columns that are not used."""
    return isinstance(given, dict) and all(isinstance(row, dict) for row in given.values())


def _fits(document: Document, given: Given, path: Path, count: int) -> bool:
    if count > MAX_MADE:
        document.note_at(given.spot, path, f"makes {count}; at most {MAX_MADE} can be made")
    return count <= MAX_MADE


def _of_rows(table: dict[str, Any], marks: Marks) -> Iterator[Row]:
    for name, options in table.items():
        key_spot, _ = marks[id(table)][name]
        inner = {key: Given(value, marks[id(options)][key][1], marks) for key, value in options.items()}
        yield {"name": Given(name, key_spot, marks), **inner}


def _choice(document: Document, table: dict[str, Any], name: str, marks: Marks, path: Path) -> list[tuple[Any, Any]]:
    """The values of one name, each with its spot; none when it is wrong."""
    key_spot, spot = marks[id(table)][name]
    value = table[name]
    if not _NAME.fullmatch(name):
        document.note_at(key_spot, path, "is no name of a parameter: letters, digits, '_' and '-'")
        return []
    if isinstance(value, list) and value:
        return [(inner, marks[id(value)][index][1]) for index, inner in enumerate(value)]
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) > int(found[2]):
        document.note_at(spot, path, "must be a range that counts up, or a list", "1..20, or [a, b, c]")
        return []
    first, last = int(found[1]), int(found[2])
    if last - first >= MAX_MADE:
        document.note_at(spot, path, f"makes {last - first + 1}; at most {MAX_MADE} can be made")
        return []
    return [(number, spot) for number in range(first, last + 1)]
