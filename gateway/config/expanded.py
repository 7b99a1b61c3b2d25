"""The configuration as it comes to, written out: every value with the place it was written at, secrets by name only."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import SecretStr

from gateway.config.problems import SECRET_WORDS, Key, Path, masked, spell
from gateway.config.tree import Document, Spot
from gateway.config.yaml import scalar

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+°³µ²][\w ./:;=+°³µ²%@?()-]*")
_HIDDEN: Final = "***"
_WORDS: Final = {"None": "null", "True": "true", "False": "false", "inf": ".inf", "-inf": "-.inf", "nan": ".nan"}
_WIDTH: Final = 60  # comments begin here, where the value leaves room


def as_yaml(documents: list[Document]) -> str:
    """The documents as YAML, parted by `---`, each value with its origin as a comment."""
    return "---\n".join("".join(f"{line}\n" for line in _lines(document, (), 0)) for document in documents)


def as_json(documents: list[Document]) -> list[dict[str, Any]]:
    """For each document its values: path, value, and where they were written."""
    return [
        {"device": _name(document), "values": [_value(document, *leaf) for leaf in _leaves(document.data)]}
        for document in documents
    ]


def _name(document: Document) -> str | None:
    name = document.data.get("device") if isinstance(document.data, dict) else None
    return name if isinstance(name, str) else None


def _value(document: Document, path: Path, value: Any) -> dict[str, Any]:
    spot = document.spot(path)
    shown = _shown(document, path, value)
    origin = {"file": spot.source.file, "line": spot.line, "column": spot.column}
    given = {"given": str(spot.given)} if spot.given else {}
    return {"path": spell(path), "value": shown, **origin, **given}


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values that hold no others."""
    if not isinstance(value, dict | list) or not value:
        yield path, value
        return
    for key, inner in _entries(value):
        yield from _leaves(inner, (*path, key))


def _entries(value: Any) -> list[tuple[Key, Any]]:
    """The entries of a table or a list, the name of a device before all."""
    entries: list[tuple[Key, Any]] = list(value.items() if isinstance(value, dict) else enumerate(value))
    return sorted(entries, key=lambda entry: entry[0] != "device")


def _lines(document: Document, path: Path, depth: int) -> Iterator[str]:
    """The lines of the table or list at `path`."""
    for key, value in _entries(_at(document, path)):
        here = (*path, key)
        head = "  " * depth + ("-" if isinstance(key, int) else f"{_scalar(key)}:")
        if isinstance(value, dict | list) and value:
            yield _commented(head, _comment(document.spot(here)) if _moves(document, path, here) else "")
            yield from _lines(document, here, depth + 1)
        else:
            yield _commented(f"{head} {_written(document, here, value)}", _comment(document.spot(here)))


def _moves(document: Document, outer: Path, inner: Path) -> bool:
    """Whether a table was written in another file than the one around it."""
    return document.spot(inner).source is not document.spot(outer).source


def _commented(text: str, comment: str) -> str:
    return f"{text:{_WIDTH}}  # {comment}" if comment else text


def _comment(spot: Spot) -> str:
    """file:line, of a sheet file:row:column, and where the parameter was given."""
    cell = f":{spot.column}" if spot.source.cells is not None else ""
    given = f", from {_comment(spot.given)}" if spot.given else ""
    return f"{spot.source.file}:{spot.line}{cell}{given}"


def _written(document: Document, path: Path, value: Any) -> str:
    shown = _shown(document, path, value)
    return shown if isinstance(value, SecretStr) else _scalar(shown)


def _shown(document: Document, path: Path, value: Any) -> Any:
    """The value, without what is not for everyone's eyes."""
    if isinstance(value, SecretStr):
        return f"!secret {document.named.get(path, _HIDDEN)}"
    if isinstance(value, str) and path and str(path[-1]).lower().endswith(tuple(SECRET_WORDS)):
        return _HIDDEN
    return masked(value) if isinstance(value, str) else value


def _scalar(value: Any) -> str:
    """A value on one line, in quotes where it needs them; JSON's quotes are YAML's."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and _is_text(value) else json.dumps(value, ensure_ascii=False)
    text = str(value)
    return _WORDS.get(text, text)


def _is_text(value: str) -> bool:
    """Whether `value` reads as itself without quotes."""
    return scalar(value) == value and ": " not in value and value.strip() == value and value[-1] != ":"


def _at(document: Document, path: Path) -> Any:
    data = document.data
    for step in path:
        data = data[step]
    return data
