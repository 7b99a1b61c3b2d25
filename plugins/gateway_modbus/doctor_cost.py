"""What it costs to believe a number to be a measurement, in bits: 10 is one in a thousand. Pure.

A number costs what it takes to write it down by a code that is short for what is usual: whole numbers by their length,
floats by their digits, steps by their size. What is read wrongly is long.
"""

import math
import struct
from typing import Final

from gateway_modbus.coding import Coding

Range = tuple[float, float]

OCTAVE, OCTAVES = 7.0, 5.0  # most measurements lie around 2**7, two thirds of them within 2**5 of it
NEGATIVE: Final = 3.0  # one in eight
NOUGHT: Final = 4.0
WITHIN, BEYOND = 1.5, 16.0  # inside and outside a range that was given
USUAL, UNUSUAL = 2.5, 8.0  # inside and outside what is usual for its unit
CHARACTER: Final = 5.3  # a letter, a digit or a space
STEP: Final = 4.0
REST: Final = 0.2
BYTE: Final = 256
PRINTABLE: Final = (32, 126)  # ASCII

_MANTISSA: Final = {"float16": 10, "float32": 23, "float64": 52}
_WHOLE: Final = {"float16": "<H", "float32": "<I", "float64": "<Q"}
_FLOAT: Final = {"float16": "<e", "float32": "<f", "float64": "<d"}


def digits(number: float, coding: Coding) -> float:
    """Bits of a number within its octave: all below the leading one, without the zeros behind the last one."""
    if coding.type not in _MANTISSA:
        return math.log2(1 + abs(number))
    width = _MANTISSA[coding.type]
    fraction = _pattern(number, coding) & ((1 << width) - 1)
    zeros = (fraction & -fraction).bit_length() - 1 if fraction else width
    return min(float(width), width - zeros + math.log2(width))


def magnitude(number: float, limits: Range | None, usual: Range | None) -> float:
    """Bits of the size and sign of a number in engineering units.

    Args:
        number: the number.
        limits: a range that somebody gave.
        usual: what is usual for its unit.
    """
    if not math.isfinite(number):
        return math.inf
    for span, inside, outside in ((limits, WITHIN, BEYOND), (usual, USUAL, UNUSUAL)):
        if span is not None:
            within = span[0] <= number <= span[1]
            return inside + _tiny(number, max(map(abs, span))) if within else outside + _octave(number)
    return _octave(number)


def step(last: float, number: float, coding: Coding) -> float:
    """Bits of the way from one read to the next, counted in the smallest steps that the type can make."""
    if coding.type in _MANTISSA:
        return _length(abs(_ordered(number, coding) - _ordered(last, coding)))
    return _length(abs(int(number) - int(last)))


def left_over(first: bytes) -> float:
    """Bits of bytes that a reading says nothing about: most are another tag's, some are 0, some small.

    They are registers, or the one byte of a register beside the one that is read.
    """
    if len(first) == 1:
        return NOUGHT if first == b"\0" else 8.5
    return math.fsum(
        -math.log2(0.25 * (word == 0) + 0.2 / 256 * (word < BYTE) + 0.55 / 65536) for word in _words(first)
    )


def left_over_step(last: bytes, now: bytes) -> float:
    """Bits of the way of such bytes from one read to the next."""
    return sum(_length(abs(after - before)) for before, after in zip(_words(last), _words(now), strict=True))


def characters(raw: bytes) -> float:
    """Bits of text; what no string holds makes it impossible."""
    body = raw.rstrip(b"\0")
    if not body or any(not PRINTABLE[0] <= byte <= PRINTABLE[1] for byte in body):
        return math.inf
    plain = sum(chr(byte).isalnum() or byte in b" _-." for byte in body)
    return CHARACTER * plain + 8 * (len(body) - plain) + len(raw) - len(body)


def _words(raw: bytes) -> tuple[int, ...]:
    return tuple(raw) if len(raw) == 1 else struct.unpack(f">{len(raw) // 2}H", raw)


def _octave(number: float) -> float:
    if number == 0:
        return NOUGHT
    off = (math.log2(abs(number)) - OCTAVE) / OCTAVES
    return off * off / 2 / math.log(2) + math.log2(OCTAVES * math.sqrt(2 * math.pi)) + NEGATIVE * (number < 0)


def _tiny(number: float, largest: float) -> float:
    """Bits of being nearly 0 where much more is usual: of a number below a millionth of the largest."""
    return max(0.0, math.log2(largest / abs(number)) - 20) if number else 1.0


def _length(distance: int) -> float:
    """Bits of a distance: hardly any for none, else its length, and which length it is."""
    return STEP + math.log2(distance) if distance else REST


def _pattern(number: float, coding: Coding) -> int:
    (pattern,) = struct.unpack(_WHOLE[coding.type], struct.pack(_FLOAT[coding.type], number))
    return int(pattern)


def _ordered(number: float, coding: Coding) -> int:
    """The bits of a float as a whole number in the order of the floats."""
    pattern, top = _pattern(number, coding), 1 << 8 * struct.calcsize(_WHOLE[coding.type]) - 1
    return pattern if pattern < top else top - pattern
