"""How a value is coded in registers: its type, the order of its bytes, and the part of them that counts. Pure facts.

One list of byte indices says all of type and order; decoding takes bytes by it, encoding puts them back by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]
LongOrder = Literal[
    "ABCDEFGH", "BADCFEHG", "CDABGHEF", "DCBAHGFE", "EFGHABCD", "FEHGBADC", "GHEFCDAB", "HGFEDCBA",
]  # fmt: skip
AnyOrder = Literal[Order, LongOrder, "AB", "BA"]
Type = Literal[
    "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64",
    "bcd16", "bcd32", "string",
]  # fmt: skip

REGISTERS: Final[Mapping[Type, int]] = {
    "uint8": 1, "int8": 1, "uint16": 1, "int16": 1, "float16": 1, "bcd16": 1,
    "uint32": 2, "int32": 2, "float32": 2, "bcd32": 2, "uint64": 4, "int64": 4, "float64": 4,
}  # fmt: skip
DTYPES: Final[Mapping[Type, str]] = {
    "bool": "u1", "uint8": "u1", "int8": "i1", "uint16": "<u2", "int16": "<i2", "uint32": "<u4", "int32": "<i4",
    "uint64": "<u8", "int64": "<i8", "float16": "<f2", "float32": "<f4", "float64": "<f8",
    "bcd16": "<u2", "bcd32": "<u4",
}  # fmt: skip
UNSIGNED: Final[frozenset[Type]] = frozenset({"uint16", "uint32", "uint64"})
INTEGERS: Final[frozenset[Type]] = UNSIGNED | {"uint8", "int8", "int16", "int32", "int64"}
BYTES: Final[frozenset[Type]] = frozenset({"uint8", "int8"})
BCD: Final[Mapping[Type, int]] = {"bcd16": 4, "bcd32": 8}  # decimal digits

_SPELT: Final[Mapping[str, Mapping[int, str]]] = {  # the short words, by registers
    "ABCD": {1: "AB", 2: "ABCD", 4: "ABCDEFGH"},
    "CDAB": {1: "AB", 2: "CDAB", 4: "GHEFCDAB"},
    "BADC": {1: "BA", 2: "BADC", 4: "BADCFEHG"},
    "DCBA": {1: "BA", 2: "DCBA", 4: "HGFEDCBA"},
}
LONG_ORDERS: Final = get_args(LongOrder)


@dataclass(frozen=True, slots=True)
class Coding:
    """How one value is coded. A coil is a `bool` and takes one byte, 0 or 1.

    Attributes:
        type: of the number.
        order: of its bytes on the wire, `A` the most significant; a short word also stands for other widths.
        mask: bits that count, shifted down to the lowest; 0 is all of them.
        high: of an 8-bit integer: whether it is the high byte of its register.
        length: of a string: registers.
        texts: of an enumeration: the text of each number.
    """

    type: Type = "uint16"
    order: AnyOrder = "ABCD"
    mask: int = 0
    high: bool = False
    length: int = 0
    texts: tuple[tuple[int, str], ...] = ()

    @property
    def registers(self) -> int:
        """Registers that it takes; 0 for a coil."""
        return self.length or REGISTERS.get(self.type, 0)

    @property
    def shift(self) -> int:
        """Bits by which a masked value is shifted down."""
        return (self.mask & -self.mask).bit_length() - 1 if self.mask else 0

    @property
    def partial(self) -> bool:
        """Whether its registers hold something else beside it."""
        return bool(self.mask) or self.type in BYTES


def spelt(order: AnyOrder, registers: int) -> str:
    """The order of the bytes of a value of `registers`, a letter a byte.

    Raises:
        ValueError: the word is of another width.
    """
    word = _SPELT.get(order, {}).get(registers, order)
    if len(word) != 2 * registers:
        raise ValueError(f"order {order} is of {8 * len(order)} bits, the value has {16 * registers}")
    return word


def byte_places(coding: Coding) -> list[int]:
    """Where the bytes of a value stand on the wire: the least significant first; those of a string as it is read.

    The letters of a short word name two facts: CDAB swaps the words, BADC the bytes in each word, DCBA both. 16 and 64
    bits follow the same facts; the characters of a string follow the second one only.
    """
    if coding.type == "bool":
        return [0]
    if coding.type == "string":
        swap = spelt(coding.order, 1) == "BA"
        return [at ^ swap for at in range(2 * coding.length)]
    word = spelt(coding.order, coding.registers)
    places = [word.index(letter) for letter in sorted(word, reverse=True)]
    return [places[coding.high]] if coding.type in BYTES else places


def placed(coding: Coding, least_first: bytes) -> bytes:
    """The registers of a value, as they stand on the wire; what is not its own is 0."""
    wire = bytearray(max(1, 2 * coding.registers))
    for place, byte in zip(byte_places(coding), least_first, strict=True):
        wire[place] = byte
    return bytes(wire)


def part_mask(coding: Coding) -> bytes:
    """The bits of its registers that a value takes, as they stand on the wire."""
    if coding.mask:
        return placed(coding, coding.mask.to_bytes(2 * coding.registers, "little"))
    return placed(coding, b"\xff" * len(byte_places(coding)))


def touched(coding: Coding) -> list[int]:
    """Which of its registers hold bits of a value, from 0."""
    mask = part_mask(coding)
    return [register for register in range(coding.registers) if any(mask[2 * register : 2 * register + 2])]
