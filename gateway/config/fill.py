"""`${name}` in a value: filled in on the parsed tree, so that what is filled in can never be read as YAML.

A value that is `${name}` and nothing else takes the parameter with its type, whatever it is. Inside a text a parameter
is text, number or boolean; `${n:03}` pads a whole number with zeros; `$${` is a plain `${`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from gateway.config.problems import Path, did_you_mean
from gateway.config.tree import MAX_DEPTH, MAX_VALUES, Document, Marks, SecretRef, Spot

_OPEN: Final = "${"
_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_INSIDE: Final = re.compile(r"([A-Za-z_][\w\-]*)(?::(0[1-9][0-9]?))?")
_NOT_UNDERSTOOD: Final = "is not understood; write ${name}, or ${n:03} for leading zeros"


class TooMuchError(Exception):
    """A configuration that grows beyond its bounds; the message is a sentence."""


class Given(NamedTuple):
    """The value of a parameter, and where it was written."""

    value: Any
    spot: Spot
    marks: Marks


@dataclass(slots=True)
class Scope:
    """What `${name}` stands for in one piece of configuration, and which of it was used."""

    values: Mapping[str, Given] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Budget:
    """How many values may still be made. Raises TooMuchError when there are none left."""

    left: int = MAX_VALUES

    def take(self, count: int) -> None:
        """Use up `count`."""
        self.left -= count
        if self.left < 0:
            raise TooMuchError(f"comes to more than {MAX_VALUES} values, templates and includes followed")


@dataclass(slots=True)
class Copier:
    """Copies values with their spots into `document`; `scope` is filled in on the way, or nothing where it is None."""

    document: Document
    budget: Budget
    scope: Scope | None = None

    def copy(self, given: Given, path: Path) -> tuple[Any, Spot]:
        """The copy of `given`, which will stand at `path`, and the spot of it."""
        value, spot, marks = given
        if isinstance(value, dict):
            return self.table(value, marks, path), spot
        if isinstance(value, list):
            return self._list(value, marks, path), spot
        if self.scope is None:
            return value, spot
        if isinstance(value, str) and _OPEN in value:
            return self.fill(value, spot, path)
        if isinstance(value, SecretRef) and _OPEN in value.name:
            return SecretRef(self.text(value.name, spot, path)), spot
        return value, spot

    def fill(self, text: str, spot: Spot, path: Path) -> tuple[Any, Spot]:
        """`text` with its parameters, or the parameter that it is."""
        whole = _REFERENCE.fullmatch(text)
        inside = _INSIDE.fullmatch(whole[1]) if whole and whole[1] and whole[2] else None
        if inside is None or inside[2]:
            return self.text(text, spot, path), spot
        found = self._look_up(inside[1], spot, path)
        if found is None:
            return text, spot
        plain = Copier(self.document, self.budget)
        value, _ = plain.copy(found, path)
        return value, Spot(spot.line, spot.column, spot.source, found.spot.given or found.spot)

    def text(self, text: str, spot: Spot, path: Path) -> str:
        """`text` with its parameters; what cannot be filled in is noted and stays."""
        return _REFERENCE.sub(lambda found: self._one(found, spot, path), text)

    def _one(self, found: re.Match[str], spot: Spot, path: Path) -> str:
        if found[1] is None:
            return _OPEN
        inside = _INSIDE.fullmatch(found[1]) if found[2] else None
        if inside is None:
            self.document.note_at(spot, path, f"'{found[0]}' {_NOT_UNDERSTOOD}")
            return found[0]
        given = self._look_up(inside[1], spot, path)
        said = _said(given.value, inside[2]) if given else None
        if given and said is None:
            wanted = "a whole number" if inside[2] else "text or a number"
            kind = "a secret" if isinstance(given.value, SecretRef) else "something else"
            self.document.note_at(spot, path, f"'{found[0]}' must be {wanted} to be part of a text, not {kind}")
        return found[0] if said is None else said

    def _look_up(self, name: str, spot: Spot, path: Path) -> Given | None:
        scope = self.scope or Scope()
        scope.used.add(name)
        if name not in scope.values:
            hint = did_you_mean(name, scope.values) or "known: " + (", ".join(list(scope.values)[:12]) or "none")
            self.document.note_at(spot, path, f"there is no parameter '{name}' here", hint)
        return scope.values.get(name)

    def table(
        self, table: dict[str, Any], marks: Marks, path: Path, leave_out: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The copy of a table, some of its keys left out."""
        self._measure(len(table), path)
        new: dict[str, Any] = {}
        old, places = marks.get(id(table), {}), self.document.places(new)
        for key, value in table.items():
            if key in leave_out:
                continue
            key_spot, spot = old[key]
            name = self.text(key, key_spot, (*path, key)) if self.scope is not None and _OPEN in key else key
            if name in new:
                self.document.note_at(key_spot, (*path, key), f"is '{name}', and that stands here already")
            new[name], spot = self.copy(Given(value, spot, marks), (*path, name))
            places[name] = key_spot, spot
        return new

    def _list(self, values: list[Any], marks: Marks, path: Path) -> list[Any]:
        self._measure(len(values), path)
        new: list[Any] = []
        old, places = marks.get(id(values), {}), self.document.places(new)
        for index, value in enumerate(values):
            key_spot, spot = old[index]
            copied, spot = self.copy(Given(value, spot, marks), (*path, index))
            new.append(copied)
            places[index] = key_spot, spot
        return new

    def _measure(self, count: int, path: Path) -> None:
        self.budget.take(count + 1)
        if len(path) > MAX_DEPTH:
            raise TooMuchError(f"is nested deeper than {MAX_DEPTH} levels")


def _said(value: Any, width: str | None) -> str | None:
    """The value as part of a text; None where it cannot be one."""
    if width:
        return f"{value:{width}d}" if type(value) is int else None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
