"""Browse paths as a person writes them, `/Objects/2:Boiler/Temperature` (after Part 4 Annex A.2).

A name without a namespace has that of the name before it, the first one namespace 0. `&` takes a special meaning away:
`&/` is a slash in a name. A dot is a dot: every step follows any hierarchical reference.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway_opcua.nodeid import escape_uri, unescape_uri

_ELEMENT: Final = re.compile(r"/(?:(?P<index>\d{1,5}):|nsu=(?P<uri>[^;]+);)?(?P<name>(?:&.|[^&/])+)", re.DOTALL)
_ESCAPED: Final = re.compile(r"&(.)", re.DOTALL)
_SPECIAL: Final = re.compile(r"[&/]|(?<=\d):|^n(?=su=)")
_HELP: Final = (
    "a browse path is written /Objects/2:Boiler/Temperature or /Objects/nsu=http://maker/line;Boiler/Temperature"
)
_MAX_INDEX: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class BrowsePath:
    """The way from the root folder to a node.

    Attributes:
        names: browse names, each with its namespace: index or URI.
    """

    names: tuple[tuple[int | str, str], ...]

    def resolve(self, namespaces: Sequence[str]) -> list[tuple[int, str]] | None:
        """The names with the indices of a server with these `namespaces`; None where it lacks one."""
        found = []
        for namespace, name in self.names:
            if isinstance(namespace, str) and namespace not in namespaces:
                return None
            found.append((namespaces.index(namespace) if isinstance(namespace, str) else namespace, name))
        return found

    def text(self) -> str:
        """As a person writes it; what `parse` reads."""
        text = ""
        before: int | str = 0
        for namespace, name in self.names:
            prefix = f"nsu={escape_uri(namespace)};" if isinstance(namespace, str) else f"{namespace}:"
            text += "/" + ("" if namespace == before else prefix) + _SPECIAL.sub(r"&\g<0>", name)
            before = namespace
        return text


def parse(text: str) -> BrowsePath:
    """Read a browse path as a person writes it. Raises ValueError that says what is wrong with it."""
    names: list[tuple[int | str, str]] = []
    at = 0
    while at < len(text) or not names:
        match = _ELEMENT.match(text, at)
        if match is None:
            raise ValueError(f"{text!r} is no browse path, from {text[at:]!r} on: {_HELP}")
        names.append((_namespace(match, names[-1][0] if names else 0), _ESCAPED.sub(r"\1", match["name"])))
        at = match.end()
    return BrowsePath(tuple(names))


def _namespace(match: re.Match[str], before: int | str) -> int | str:
    if match["uri"] is not None:
        return unescape_uri(match["uri"])
    if match["index"] is None:
        return before
    if int(match["index"]) > _MAX_INDEX:
        raise ValueError(f"{match['index']} is no namespace index: it is a number from 0 to {_MAX_INDEX}")
    return int(match["index"])
