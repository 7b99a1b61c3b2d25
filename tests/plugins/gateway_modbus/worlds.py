"""Plausible registers, randomly encoded: quantities of plants that drift, in every type and order."""

import random
import struct
from dataclasses import dataclass
from typing import Any, Final

from gateway_modbus.coding import REGISTERS, AnyOrder, Coding, Type
from gateway_modbus.doctor_rank import Evidence
from gateway_modbus.encode import encode, limits

# unit, lowest, highest, drift from read to read in parts of the span, scales of whole numbers
QUANTITIES: Final[tuple[tuple[str, float, float, float, tuple[float, ...]], ...]] = (
    ("°C", -30, 120, 0.002, (0.1, 0.01)), ("bar", 0.2, 16, 0.004, (0.01, 0.001)),
    ("m³/h", 0.5, 250, 0.005, (0.1, 0.01)),
    ("%", 1, 100, 0.004, (1, 0.1, 0.01)), ("rpm", 200, 3600, 0.003, (1,)), ("V", 215, 245, 0.01, (0.1, 0.01)),
    ("A", 0.5, 400, 0.005, (0.1, 0.01)), ("kW", -500, 900, 0.004, (0.1, 1)), ("Hz", 49.8, 50.2, 0.03, (0.01, 0.001)),
    ("mm/s", 0.3, 25, 0.02, (0.01,)), ("", 10, 5000, 0.003, (1,)),
    ("kWh", 1000, 900000, 1e-6, (1, 0.1)), ("h", 100, 90000, 1e-7, (1,)),
)  # fmt: skip
COUNTERS: Final = ("kWh", "h")
_PAIR: Final[tuple[AnyOrder, ...]] = ("AB", "BA")
_SHORT: Final[tuple[AnyOrder, ...]] = ("ABCD", "CDAB", "BADC", "DCBA")
TYPES: Final[tuple[Type, ...]] = (
    "uint16", "int16", "float16", "bcd16", "uint32", "int32", "float32", "bcd32", "uint64", "int64", "float64",
)  # fmt: skip


@dataclass(frozen=True)
class Register:
    """One register or several: their true coding, their reads, the options of a tag that a manual would give."""

    coding: Coding
    reads: list[bytes]
    options: dict[str, Any]
    bounded: bool  # whether the next tag begins right behind them

    @property
    def evidence(self) -> Evidence:
        limits = self.options.get("range")
        span = (limits[0], limits[1]) if limits else None
        scale = self.options.get("scale", 1.0)
        return Evidence(self.reads, self.options["unit"], span, scale, bounded=self.bounded)


def register(rng: random.Random, reads: int = 8) -> Register:
    """Draw one.

    Signed whole numbers are below 0, since above it nothing tells them from unsigned ones. Two thirds end where the
    next tag begins; behind the others stands another tag that does not move.
    """
    while True:
        coding = _coding(rng)
        unit, low, high, drift, scales = rng.choice(QUANTITIES)
        scale = 1.0 if coding.type.startswith("float") else rng.choice(scales)
        raws = _raws(rng, coding, (low, high, drift * (high - low), unit in COUNTERS), scale, reads)
        if raws is not None:
            wires = [encode(coding, raw) for raw in raws]
            bounded = rng.random() < 0.67
            behind = b"" if bounded else _behind(rng, coding)
            options: dict[str, Any] = {"unit": unit} | ({"scale": scale} if scale != 1 else {})
            options |= {"range": [low, high]} if rng.random() < 0.5 else {}
            return Register(coding, [wire + behind for wire in wires], options, bounded)


def _coding(rng: random.Random) -> Coding:
    type_ = rng.choice(TYPES)
    return Coding(type_, rng.choice(_PAIR if REGISTERS[type_] == 1 else _SHORT))


def _raws(
    rng: random.Random, coding: Coding, span: tuple[float, float, float, bool], scale: float, reads: int
) -> list[float] | None:
    """Raw values that drift; None where the type does not suit the quantity."""
    low, high, drift, counts = span
    signed = coding.type.startswith("int")
    if signed and low >= 0:
        return None
    value = rng.uniform(low if signed else max(low, 0.3 * high if low < 0 else low), min(high, 0) if signed else high)
    values = []
    for _ in range(reads):
        values.append(value)
        step = rng.gauss(0, drift)
        value += abs(step) if counts else step
    if coding.type.startswith("float"):
        return values if coding.type != "float16" or abs(value) < 2000 else None
    whole = [round(each / scale) for each in values]
    least, most = limits(coding)
    return list(whole) if all(least <= each <= most for each in whole) and abs(whole[0]) >= 10 else None


def _behind(rng: random.Random, coding: Coding) -> bytes:
    count = rng.randint(0, 4 - coding.registers)
    return struct.pack(
        f">{count}H", *(rng.choice((rng.randrange(1, 0x10000), rng.randrange(1, 500))) for _ in range(count))
    )
