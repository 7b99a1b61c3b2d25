"""One tag of Kepware: its address and type under the flags of its device, and its scaling.

Modbus drivers' manual, Address Descriptions: `4xxxxx`, `4xxxx`, `40001.5` (a bit), `40100.20H` (a string, high byte
first; L: low byte first), `40001 [4]` (an array).
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.importing import modbus
from gateway.importing.foreign import Entry
from gateway.importing.report import Report

CODES: Final = {
    -1: "default", 0: "string", 1: "boolean", 2: "char", 3: "byte", 4: "short", 5: "word", 6: "long", 7: "dword",
    8: "float", 9: "double", 10: "bcd", 11: "lbcd", 12: "date", 13: "llong", 14: "qword",
}  # fmt: skip
_TYPES: Final = {
    "default": "uint16", "word": "uint16", "short": "int16", "bcd": "bcd16", "dword": "uint32", "long": "int32",
    "lbcd": "bcd32", "float": "float32", "double": "float64", "llong": "int64", "qword": "uint64", "char": "int8",
    "byte": "uint8",
}  # fmt: skip
_LONG: Final = ("float64", "int64", "uint64")
_ADDRESS: Final = re.compile(r"([0134])(\d{4,5})(?:\.(\d{1,3})([HL]?))?", re.IGNORECASE)
_LAST_BIT: Final = 15
_LONG_ORDERS: Final = {  # first word low, first dword low: the bytes as they come, high byte first in each register
    (False, False): "ABCD", (True, True): "CDAB", (True, False): "CDABGHEF", (False, True): "EFGHABCD",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flags:
    """Device properties that change what every address means, with Kepware's defaults."""

    zero_based: bool = True
    zero_based_bits: bool = True
    word_low: bool = True
    dword_low: bool = True
    byte_high: bool = True
    modicon_bits: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A tag, whatever the file calls its options."""

    entry: Entry
    place: str
    names: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """An option as text."""
        return self.entry.text(self._key(name))

    def number(self, name: str, default: float = 0.0) -> float:
        """An option as a number."""
        return self.entry.number(self._key(name), default)

    def flag(self, name: str) -> bool:
        """An option that is on or off."""
        return self.entry.flag(self._key(name))

    def _key(self, name: str) -> str:
        return next((key for key, meant in self.names.items() if meant == name), name)


def modbus_tag(row: Row, kind: str, flags: Flags, report: Report) -> dict[str, Any] | None:
    """Address and type; None where there is no such thing here, which is told."""
    text = row.text("address")
    match = _ADDRESS.fullmatch(text.strip())
    number = int(match[2]) - flags.zero_based if match else -1
    if match is None or number < 0:
        array = "an array; take a tag for each element" if "[" in text else f"{text[:40]} is no address that is known"
        report.lost(row.place, f"{row.text('name')}: {array}")
        return None
    table = modbus.AREAS[match[1]]
    made: dict[str, Any] = {"at": f"{table}:{number}"}
    if table in ("coil", "discrete"):
        return made
    coded = _string(match) if match[4] or kind == "string" else _number(kind, match, flags)
    if not coded:
        report.lost(row.place, f"{row.text('name')}: there is no type {kind} at {text[:40]} here")
        return None
    return made | coded


def _string(match: re.Match[str]) -> dict[str, Any]:
    length = int(match[3] or 0)
    order = "DCBA" if (match[4] or "H").upper() == "L" else "ABCD"
    return {"type": "string", "length": (length + 1) // 2, "order": order} if length else {}


def _number(kind: str, match: re.Match[str], flags: Flags) -> dict[str, Any]:
    swapped = not flags.byte_high
    if match[3] or kind == "boolean":
        bit = int(match[3] or (0 if flags.zero_based_bits else 1)) - (not flags.zero_based_bits)
        bit = _LAST_BIT - bit if flags.modicon_bits else bit
        return {"type": "bool", "bit": bit, "order": modbus.order(bytes_swapped=swapped, words_swapped=flags.word_low)}
    if kind not in _TYPES:
        return {}
    order = modbus.order(bytes_swapped=swapped, words_swapped=flags.word_low)
    if _TYPES[kind] in _LONG:
        order = _LONG_ORDERS[flags.word_low, flags.dword_low]
        order = _swapped(order) if swapped else order
    return {"type": _TYPES[kind], "order": order}


def _swapped(order: str) -> str:
    """`order` with the bytes of each register exchanged."""
    return "".join(order[at ^ 1] for at in range(len(order)))


def scaling(row: Row, report: Report) -> dict[str, Any]:
    """`scale`, `offset` and `range` of a tag that is scaled linearly."""
    mode = row.text("scaling").lower()
    if mode in ("square root", "2"):
        report.lost(row.place, f"{row.text('name')}: scaling by the square root; the raw value is handed on")
    if mode not in ("linear", "1"):
        return {}
    raw_low, raw_high = row.number("raw_low"), row.number("raw_high", 1000.0)
    low, high = row.number("low"), row.number("high", 1000.0)
    if raw_high == raw_low:
        report.lost(row.place, f"{row.text('name')}: a raw range of nothing; the raw value is handed on")
        return {}
    scale = (high - low) / (raw_high - raw_low) * (-1 if row.flag("negate") else 1)
    offset = (-low if row.flag("negate") else low) - scale * raw_low
    return {"scale": scale, "offset": offset or None, "range": _clamped(row, low, high, report)}


def _clamped(row: Row, low: float, high: float, report: Report) -> list[float] | None:
    ends = row.flag("clamp_low"), row.flag("clamp_high")
    if ends == (True, True) and not row.flag("negate"):
        report.changed(row.place, "a value that is clamped is marked uncertain here")
        return [min(low, high), max(low, high)]
    if any(ends):
        report.lost(row.place, f"{row.text('name')}: clamped at one end only; `range` has two")
    return None
