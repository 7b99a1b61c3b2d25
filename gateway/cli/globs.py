"""Globs over browse paths: `Boiler*/Temp*` at any depth, `/Line/*` from the start, `**` over any number of levels."""

import re
from collections.abc import Sequence
from typing import Final

_SEPARATOR: Final = "\0"  # between names, which may have slashes in them
_ANY_LEVELS: Final = f"(?:[^{_SEPARATOR}]*{_SEPARATOR})*"
_WILD: Final = {"*": f"[^{_SEPARATOR}]*", "?": f"[^{_SEPARATOR}]"}


class Glob:
    """One pattern."""

    def __init__(self, pattern: str) -> None:
        levels = [level for level in pattern.split("/") if level]
        if not levels:
            raise ValueError("an empty pattern matches nothing")
        start = "" if pattern.startswith("/") else _ANY_LEVELS
        self._regex = re.compile(start + "".join(map(_level, levels)), re.DOTALL)

    def matches(self, path: Sequence[str]) -> bool:
        """Whether the whole of `path`, from the start down, is meant."""
        return bool(path) and self._regex.fullmatch("".join(name + _SEPARATOR for name in path)) is not None


def _level(text: str) -> str:
    if text == "**":
        return _ANY_LEVELS
    return "".join(_WILD.get(letter) or re.escape(letter) for letter in text) + _SEPARATOR
