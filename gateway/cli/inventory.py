"""What `fieldgate browse` prints: a tree, paths, JSON lines, or a device file."""

import hashlib
import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from gateway.cli.common import complain, print_json
from gateway.sdk.browse import Found
from gateway.sdk.quality import BAD, name

_NAME, _TYPE, _VALUE = 40, 12, 22  # widths
_LONGEST: Final = 64  # letters of a tag's name
_DIGITS: Final = 6
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9-]+")


class Tree:
    """Indented names, what they hold, and the address for the configuration."""

    def tell(self, found: Found) -> None:
        """Print one line."""
        _print(found, "  " * (len(found.path) - 1) + found.path[-1])

    def end(self) -> bool:
        """A start that is there is something."""
        return True


class Paths:
    """The same with whole paths, for a choice that leaves parents out."""

    def __init__(self) -> None:
        self._any = False

    def tell(self, found: Found) -> None:
        """Print one line."""
        self._any = True
        _print(found, "/".join(found.path[1:]))

    def end(self) -> bool:
        """Whether anything matched."""
        if not self._any:
            complain("nothing matches")
        return self._any


class Json(Paths):
    """One object on each line."""

    def tell(self, found: Found) -> None:
        """Print one line."""
        self._any = True
        print_json(asdict(found) | {"status": name(found.status) if found.type else None})


class DeviceFile:
    """A file for devices.d/; what is bad now stands in it as a comment."""

    def __init__(self, heading: Mapping[str, str]) -> None:
        self._heading, self._names = heading, Names()
        self._counts = Counter[str]()

    def tell(self, found: Found) -> None:
        """Print one line, if it can be a tag."""
        if found.tag is None:
            self._counts["left out"] += bool(found.type)
            return
        if not self._names:
            self._begin()
        bad = found.status >= BAD
        self._counts["bad now"] += bad
        self._counts["written"] += not bad
        line = (
            f"{self._names.of(found)}: {{{', '.join(f'{key}: {_scalar(given)}' for key, given in found.tag.items())}}}"
        )
        print(f"  # bad now, {found.remark}: {line}" if bad else f"  {line}")

    def _begin(self) -> None:
        print("# By `fieldgate browse --yaml`: remove what is not needed, and try it with `fieldgate check`.")
        for key, given in self._heading.items():
            print(f"{key}: {_scalar(given)}")
        if "user" in self._heading:
            print(f"password: !secret {self._heading['device']}")
        print("every: 1s\ntags:")

    def end(self) -> bool:
        """Say what became of the variables; whether there is a tag."""
        said = ", ".join(f"{count} {what}" for what, count in self._counts.items() if count)
        sys.stderr.write(f"variables: {said or 'none'}\n")
        if self._counts["left out"]:
            sys.stderr.write("left out is what holds no single number, truth value or text, or may not be read\n")
        return self._counts["written"] > 0


class Names:
    """Names for tags from their paths: safe, unique, and the same each time."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def __len__(self) -> int:
        return len(self._taken)

    def of(self, found: Found) -> str:
        """The name of one tag."""
        path = found.path[1:] or found.path
        plain = unicodedata.normalize("NFKD", "_".join(path).replace("ß", "ss")).encode("ascii", "ignore").decode()
        safe = _UNSAFE.sub("_", plain).strip("_-") or "tag"
        if len(safe) > _LONGEST or safe in self._taken or safe == "tag":
            mark = hashlib.sha256("\0".join((*path, found.address)).encode()).hexdigest()[:_DIGITS]
            safe = f"{safe[-(_LONGEST - _DIGITS - 1) :]}_{mark}"
        self._taken.add(safe)
        return safe


def _scalar(given: Any) -> str:
    """As YAML: JSON is."""
    return json.dumps(given, ensure_ascii=False)


def _print(found: Found, label: str) -> None:
    what = [f"{label:{_NAME}}", f"{found.type or found.kind:{_TYPE}}", f"{_held(found):{_VALUE}}", found.address]
    print("  ".join([*what, *([f"({found.remark})"] if found.remark else [])]))


def _held(found: Found) -> str:
    if found.value is None:
        return "-" if found.type else ""
    span = f"[{found.range[0]:g} .. {found.range[1]:g}]" if found.range else ""
    return " ".join(part for part in (_short(found.value), found.unit, span) if part)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= _VALUE else text[: _VALUE - 1] + "…"
