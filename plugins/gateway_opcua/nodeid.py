"""Node ids as a person writes them, `ns=2;s=Heater.Temp`, and as they go over the wire.

OPC UA Part 6 §5.3.1.10 and §5.2.2.9.

A namespace given by its URI (`nsu=`) is looked up anew in every session: a server may number its namespaces afresh.
"""

import base64
import binascii
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

_FORM: Final = re.compile(r"(?:ns=(?P<index>[^;]*);|nsu=(?P<uri>[^;]*);)?(?P<kind>[a-z])=(?P<text>.*)", re.DOTALL)
_HELP: Final = "a node id is written ns=2;s=Heater.Temp, ns=2;i=1001, nsu=http://maker/line;s=Heater.Temp or i=2258"
_MAX_BYTE, _MAX_SHORT, _MAX_LONG = 0xFF, 0xFFFF, 0xFFFFFFFF
_MAX_TEXT: Final = 4096  # Part 3 §8.2.4: an identifier has at most 4096 characters
NULL: Final = b"\x00\x00"  # i=0: every server answers that it knows no such node


@dataclass(frozen=True, slots=True)
class NodeId:
    """One node of a server's address space.

    Attributes:
        namespace: its index, or its URI where the index is not fixed.
        identifier: number, text, GUID or opaque bytes.
    """

    namespace: int | str
    identifier: int | str | UUID | bytes

    def resolve(self, namespaces: Sequence[str]) -> bytes | None:
        """The binary form in a server with these `namespaces`; None where it lacks the URI."""
        if isinstance(self.namespace, int):
            return encode(self.namespace, self.identifier)
        if self.namespace not in namespaces:
            return None
        return encode(namespaces.index(self.namespace), self.identifier)

    def text(self) -> str:
        """As a person writes it; what `parse` reads."""
        letter = _LETTERS[type(self.identifier)]
        raw = self.identifier
        identifier = base64.b64encode(raw).decode() if isinstance(raw, bytes) else str(raw)
        if isinstance(self.namespace, str):
            return f"nsu={escape_uri(self.namespace)};{letter}={identifier}"
        return f"ns={self.namespace};{letter}={identifier}" if self.namespace else f"{letter}={identifier}"


def escape_uri(uri: str) -> str:
    """A namespace URI as it stands behind `nsu=` (Part 6 §5.1.11)."""
    return uri.replace("%", "%25").replace(";", "%3B")


def unescape_uri(text: str) -> str:
    """The URI behind `nsu=`."""
    return text.replace("%3B", ";").replace("%3b", ";").replace("%25", "%")


def encode(index: int, identifier: int | str | UUID | bytes) -> bytes:
    """Part 6 §5.2.2.9: numbers in the shortest of their three forms."""
    if isinstance(identifier, int):
        return _encode_number(index, identifier)
    if isinstance(identifier, UUID):
        return struct.pack("<BH", 4, index) + identifier.bytes_le
    data = identifier.encode() if isinstance(identifier, str) else identifier
    return struct.pack("<BHi", 3 if isinstance(identifier, str) else 5, index, len(data)) + data


def _encode_number(index: int, number: int) -> bytes:
    if index == 0 and number <= _MAX_BYTE:
        return struct.pack("<BB", 0, number)
    if index <= _MAX_BYTE and number <= _MAX_SHORT:
        return struct.pack("<BBH", 1, index, number)
    return struct.pack("<BHI", 2, index, number)


def parse(text: str) -> NodeId:
    """Read a node id as a person writes it. Raises ValueError that says what is wrong with it."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no node id: {_HELP}")
    kind = match["kind"]
    if kind not in _IDENTIFIERS:
        raise ValueError(f"{text!r} has the unknown kind of identifier {kind!r}: it is one of i, s, g, b")
    if not match["text"]:
        raise ValueError(f"{text!r} has an empty identifier: {_HELP}")
    return NodeId(_namespace(text, match["index"], match["uri"]), _IDENTIFIERS[kind](match["text"]))


def _namespace(text: str, index: str | None, uri: str | None) -> int | str:
    if uri is not None:
        if not uri:
            raise ValueError(f"{text!r} has an empty namespace URI: {_HELP}")
        return unescape_uri(uri)
    if index is None:
        return 0
    if not (index.isascii() and index.isdigit() and int(index) <= _MAX_SHORT):
        raise ValueError(f"{text!r} has no valid namespace index: it is a number from 0 to 65535")
    return int(index)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MAX_LONG):
        raise ValueError(f"i={text} is no valid identifier: it is a number from 0 to 4294967295")
    return int(text)


def _text(text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise ValueError(f"an identifier has at most {_MAX_TEXT} characters")
    return text


def _guid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ValueError(f"g={text} is no GUID: it looks like 09087e75-8e5e-499b-954f-f2a9603db28a") from error


def _opaque(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"b={text} is no base64") from error


_IDENTIFIERS: Final[dict[str, Callable[[str], int | str | UUID | bytes]]] = {
    "i": _number,
    "s": _text,
    "g": _guid,
    "b": _opaque,
}
_LETTERS: Final[dict[type, str]] = {int: "i", str: "s", UUID: "g", bytes: "b"}
