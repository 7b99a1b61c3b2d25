"""What the models of SunSpec hold, as tags: inverters (101-103) and meters (201-204) with their scale factors. Pure.

SunSpec Information Model Reference: integer models; offsets are from the register of the model's number.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

COMMON: Final = 1
_NO_FACTOR: Final = -32768  # sunssf "not implemented"
_HIGHEST_FACTOR: Final = 10
_NOT_THERE: Final = {"int16": b"\x80\x00", "uint16": b"\xff\xff", "uint32": b"\x00\x00\x00\x00"}  # the last: acc32
_STRINGS: Final = {"vendor": (2, 16), "model": (18, 16), "revision": (42, 8), "serial": (50, 16)}


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a model: where it is, how it is coded, where its power of ten stands, its unit."""

    name: str
    at: int
    type: str
    factor: int
    unit: str


def _points(text: str) -> tuple[Point, ...]:
    rows = (line.split() for line in text.strip().splitlines())
    return tuple(Point(name, int(at), kind, int(factor), unit) for name, at, kind, factor, unit in rows)


_INVERTER: Final = _points(
    """
    current        2 uint16  6 A
    voltage_a     10 uint16 13 V
    voltage_b     11 uint16 13 V
    voltage_c     12 uint16 13 V
    power         14  int16 15 W
    frequency     16 uint16 17 Hz
    energy        24 uint32 26 Wh
    dc_voltage    29 uint16 30 V
    dc_power      31  int16 32 W
    temperature   33  int16 37 °C
    """
)
_METER: Final = _points(
    """
    current        2  int16  6 A
    voltage_a      8  int16 15 V
    voltage_b      9  int16 15 V
    voltage_c     10  int16 15 V
    frequency     16  int16 17 Hz
    power         18  int16 22 W
    power_factor  33  int16 37 %
    exported      38 uint32 54 Wh
    imported      46 uint32 54 Wh
    """
)
_KINDS: Final[Mapping[int, tuple[str, tuple[Point, ...]]]] = {
    **dict.fromkeys((101, 102, 103), ("inverter", _INVERTER)),
    **dict.fromkeys((201, 202, 203, 204), ("meter", _METER)),
}
REGISTERS: Final = 56  # of a model that hold all of these


def kind(model: int) -> str:
    """inverter, meter, or "" for a model that is not known here."""
    return _KINDS[model][0] if model in _KINDS else ""


def common(registers: bytes) -> dict[str, str]:
    """Who made it, from the registers of the common model, its header first."""
    found = {
        name: registers[2 * at : 2 * (at + count)].split(b"\0")[0].decode("latin-1").strip()
        for name, (at, count) in _STRINGS.items()
    }
    return {name: text for name, text in found.items() if text}


def tags(model: int, base: int, registers: bytes) -> dict[str, dict[str, Any]]:
    """Its tags as a device file has them, those that the device does not implement left out.

    Args:
        model: its number.
        base: address of its first holding register.
        registers: what it holds, its header first.
    """
    found = {}
    for point in _KINDS[model][1] if model in _KINDS else ():
        raw = registers[2 * point.at : 2 * point.at + (4 if point.type == "uint32" else 2)]
        factor = registers[2 * point.factor : 2 * point.factor + 2]
        if len(factor) < 2 or raw == _NOT_THERE[point.type]:  # noqa: PLR2004 - bytes of a register
            continue
        (power,) = struct.unpack(">h", factor)
        if power == _NO_FACTOR or abs(power) > _HIGHEST_FACTOR:
            continue
        tag: dict[str, Any] = {"at": f"holding:{base + point.at}", "type": point.type}
        found[point.name] = {**tag, **({"scale": float(f"1e{power}")} if power else {}), "unit": point.unit}
    return found
