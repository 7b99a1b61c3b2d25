"""Values to bytes of registers: the inverse of `decode`, and the judge of what can be written at all. Pure.

A value is refused rather than changed: nothing is clipped or cut. A float becomes the nearest that its type holds.
"""

import math
import struct
from typing import Final

from gateway.sdk import Value, WriteRefusedError
from gateway_modbus.coding import BCD, DTYPES, INTEGERS, Coding, byte_places, placed

_FORMATS: Final = {"u1": "B", "i1": "b", "<u2": "H", "<i2": "h", "<u4": "I", "<i4": "i", "<u8": "Q", "<i8": "q",
                   "<f2": "e", "<f4": "f", "<f8": "d"}  # fmt: skip
NEARLY: Final = 1e-6  # from a whole number is one that was scaled: (19.99 - 0) / 0.01 is not quite 1999
EPSILON: Final = 1e-15


def encode(coding: Coding, value: Value) -> bytes:
    """The bytes of `value` as they go over the wire.

    A part of a register (mask, 8 bits) stands at its place, the other bits are 0; `part_mask` tells which it are.

    Raises:
        WriteRefusedError: the type cannot hold the value; the message says why.
    """
    if coding.type == "string":
        least_first = _characters(coding, value)
    else:
        least_first = struct.pack("<" + _FORMATS[DTYPES[coding.type]], _raw(coding, _number(coding, value)))
    return placed(coding, least_first)


def _characters(coding: Coding, value: Value) -> bytes:
    room = 2 * coding.length
    if not isinstance(value, str):
        raise WriteRefusedError(f"{value!r} is no text")
    try:
        raw = value.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise WriteRefusedError(f"{value!r} is no text") from error
    if len(raw) > room:
        raise WriteRefusedError(f"{value!r} takes {len(raw)} bytes; there is room for {room}")
    if "\0" in value or value.endswith(" "):
        raise WriteRefusedError(f"{value!r} would be read back without its NUL or its spaces at the end")
    return raw.ljust(room, b"\0")


def _number(coding: Coding, value: Value) -> float | int:
    """The number that is meant: of an enumeration the one that has this text."""
    if coding.texts:
        numbers = {text: number for number, text in coding.texts}
        if value in numbers:
            return numbers[str(value)]
        if value not in numbers.values():
            raise WriteRefusedError(f"{value!r} is none of {', '.join(numbers)}")
    if isinstance(value, str):
        raise WriteRefusedError(f"{value!r} is text; the tag holds a number")
    return value


def _raw(coding: Coding, number: float) -> float | int:
    """The number as its type holds it, a masked one shifted to its place, BCD as its digits."""
    if coding.type.startswith("float"):
        return _float(coding, number)
    whole = _whole(number)
    low, high = limits(coding)
    if not low <= whole <= high:
        raise WriteRefusedError(f"{whole} is not within {low} to {high}")
    if coding.mask and whole << coding.shift & ~coding.mask:
        raise WriteRefusedError(f"{whole} has bits between those of the mask 0x{coding.mask:X}")
    return int(str(whole), 16) if coding.type in BCD else whole << coding.shift


def limits(coding: Coding) -> tuple[int, int]:
    """The smallest and the largest whole number that a type other than float and string holds."""
    if coding.mask:
        return 0, coding.mask >> coding.shift
    if coding.type == "bool":
        return 0, 1
    if coding.type in BCD:
        return 0, 10 ** BCD[coding.type] - 1
    bits = 8 * len(byte_places(coding))
    signed = coding.type in INTEGERS and coding.type.startswith("int")
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def _whole(number: float) -> int:
    if isinstance(number, int):
        return int(number)
    if not math.isfinite(number):
        raise WriteRefusedError(f"{number} is no number")
    nearest = round(number)
    if abs(number - nearest) > max(NEARLY, EPSILON * abs(number)):
        raise WriteRefusedError(f"{number} is no whole number")
    return nearest


def _float(coding: Coding, number: float) -> float:
    try:
        value = float(number)
        struct.pack("<" + _FORMATS[DTYPES[coding.type]], value)
    except OverflowError as error:
        raise WriteRefusedError(f"{number} is beyond what {coding.type} holds") from error
    if not math.isfinite(value):
        raise WriteRefusedError(f"{number} is no number")
    return value
