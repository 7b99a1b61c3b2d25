"""What a few reads of some registers most likely are: every type and order, ranked by plausibility. Pure.

A reading is judged by what it costs to believe it: how rare its type is, how unusual its numbers are, how far they jump
from read to read, and what is left to explain of the registers behind it. The cheapest comes first.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from gateway_modbus import doctor_cost as cost
from gateway_modbus.coding import LONG_ORDERS, REGISTERS, AnyOrder, Coding, Type, byte_places
from gateway_modbus.decode import Decoder, Place
from gateway_modbus.doctor_units import usual

WINDOW: Final = 4  # registers that are looked at: the widest number

# How rare a type and an order are, in bits: 3 is one in eight.
_TYPES: Final[dict[Type, float]] = {
    "uint16": 1.5, "int16": 2.5, "float32": 1.5, "uint32": 2.5, "int32": 3.5, "float64": 4.0, "uint64": 4.0,
    "int64": 5.0, "bcd16": 4.0, "bcd32": 5.0, "float16": 5.0, "string": 12.0, "uint8": 6.0, "int8": 7.0,
}  # fmt: skip
_SHORT: Final[dict[AnyOrder, float]] = {"ABCD": 1.0, "CDAB": 1.0, "BADC": 2.5, "DCBA": 2.5}
_PAIR: Final[dict[AnyOrder, float]] = {"AB": 0.5, "BA": 2.5}
_LONG: Final[dict[AnyOrder, float]] = {  # but for those that the short ones stand for
    order: 7.0 for order in LONG_ORDERS if order not in ("ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA")
}

SHORT: Final = 3.0  # bits: addresses in a manual lie as close as widths let them
SCALED_FLOAT: Final = 5.0  # bits: a scale is there for the sake of whole numbers

Number = float | int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one tag.

    Attributes:
        reads: its registers up to the next tag, at most `WINDOW`, read a few times.
        unit: engineering unit, "" where not known.
        range: engineering range, None where not known.
        scale: raw * scale + offset is in the unit.
        offset: see there.
        bounded: whether the next tag begins right behind the registers; a value that leaves some over is less likely.
    """

    reads: Sequence[bytes]
    unit: str = ""
    range: tuple[float, float] | None = None
    scale: float = 1.0
    offset: float = 0.0
    bounded: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the registers: what it gives, raw, and what it costs to believe it, in bits."""

    coding: Coding
    values: tuple[Number | str, ...]
    bits: float


def rank(evidence: Evidence) -> list[Reading]:
    """Every reading that is possible, the most plausible first."""
    told = any(any(raw) for raw in evidence.reads)  # of noughts alone, nothing can be told but what is usual
    readings = [
        _reading(evidence, coding, rare) if told else Reading(coding, _values(evidence.reads, coding), rare)
        for coding, rare in codings(len(evidence.reads[0]) // 2)
    ]
    return sorted((reading for reading in readings if math.isfinite(reading.bits)), key=lambda reading: reading.bits)


def certainty(readings: Sequence[Reading]) -> float:
    """How likely the values of the first of `readings` are against all others together, 0 to 1."""
    first = readings[0]
    shares = [(2.0 ** max(-60.0, first.bits - other.bits), other.values == first.values) for other in readings]
    return math.fsum(share for share, same in shares if same) / math.fsum(share for share, _ in shares)


def codings(registers: int) -> Iterator[tuple[Coding, float]]:
    """Every type and order that fits into `registers`, and how rare it is, in bits."""
    for type_, width in REGISTERS.items():
        if width > registers:
            continue
        orders = {1: _PAIR, 2: _SHORT, 4: _SHORT | _LONG}[width]
        for order, rare in orders.items():
            yield Coding(type_, order), _TYPES[type_] + rare
    for order, rare in _PAIR.items() if registers > 1 else ():
        yield Coding("string", order, length=registers), _TYPES["string"] + rare


def _reading(evidence: Evidence, coding: Coding, rare: float) -> Reading:
    own = byte_places(coding)
    rest = [place for place in range(len(evidence.reads[0])) if place not in own]
    values = _values(evidence.reads, coding)
    short = SHORT if evidence.bounded and 2 * coding.registers < len(evidence.reads[0]) else 0.0
    bits = rare + short + _left(evidence.reads, [place for place in rest if place < 2 * coding.registers])
    bits += _left(evidence.reads, [place for place in rest if place >= 2 * coding.registers])
    if coding.type == "string":
        bits += _texts([_picked(raw, own) for raw in evidence.reads])
    else:
        bits += _numbers(evidence, [value for value in values if not isinstance(value, str)], coding)
    return Reading(coding, values, bits)


def _picked(raw: bytes, places: Sequence[int]) -> bytes:
    return bytes(raw[place] for place in places)


def _left(reads: Sequence[bytes], places: Sequence[int]) -> float:
    """What is left to explain: the bytes at `places`."""
    rest = [_picked(raw, places) for raw in reads]
    return cost.left_over(rest[0]) + sum(cost.left_over_step(*pair) for pair in pairwise(rest))


def _values(reads: Sequence[bytes], coding: Coding) -> tuple[Number | str, ...]:
    raw = np.frombuffer(b"".join(reads), np.uint8).reshape(len(reads), -1)
    values, other = Decoder([Place(0, coding)])(raw)
    return tuple(other.get((row, 0), float(value)) for row, value in enumerate(values[:, 0]))


def _texts(texts: Sequence[bytes]) -> float:
    changed = sum(one != other for one, other in pairwise(texts))
    return max(map(cost.characters, texts)) + changed * 8.0 * len(texts[0])


def _numbers(evidence: Evidence, numbers: Sequence[Number], coding: Coding) -> float:
    if not all(map(math.isfinite, numbers)):
        return math.inf
    shown = [number * evidence.scale + evidence.offset for number in numbers]
    sizes = [cost.magnitude(number, evidence.range, usual(evidence.unit)) for number in shown]
    steps = sum(cost.step(*pair, coding) for pair in pairwise(numbers))
    scaled = SCALED_FLOAT if coding.type.startswith("float") and evidence.scale != 1 else 0.0
    return scaled + cost.digits(numbers[0], coding) + sum(sizes) / len(sizes) + steps
