"""Modbus addresses as people write them, and as they stand on the wire.

`holding:100` is zero-based, as on the wire. `40101` and `400101` are one-based, as in manuals (Modicon notation).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

LAST: Final = 0xFFFF  # MODBUS Application Protocol V1.1b3 §4.4: 65536 elements in each table


class DataTable(StrEnum):
    """The four primary tables of the Modbus data model (MODBUS Application Protocol V1.1b3 §4.3)."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"

    @property
    def function(self) -> int:
        """The function code that reads it."""
        return _FUNCTIONS[self]

    @property
    def bits(self) -> bool:
        """Whether its elements are single bits, not registers of 16."""
        return self in (DataTable.COIL, DataTable.DISCRETE)


_FUNCTIONS: Final = {DataTable.COIL: 1, DataTable.DISCRETE: 2, DataTable.HOLDING: 3, DataTable.INPUT: 4}
_DIGITS: Final = {"0": DataTable.COIL, "1": DataTable.DISCRETE, "3": DataTable.INPUT, "4": DataTable.HOLDING}
_NAMED: Final = re.compile(r"\s*([A-Za-z]+)\s*:\s*(0[xX][0-9A-Fa-f]+|\d+)\s*")
_NUMBERED: Final = re.compile(r"\s*(\d)(\d{4,5})\s*")
_REMEDY: Final = (
    "write holding:100, input:0, coil:5 or discrete:7 (zero-based), or 5 or 6 digits as in 40101 (one-based)"
)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One place in one table; `number` counts from 0, as on the wire."""

    table: DataTable
    number: int

    def __str__(self) -> str:
        return f"{self.table}:{self.number}"

    @property
    def wire(self) -> str:
        """The address on the wire, for people who compare it with a manual or a network trace."""
        return f"{self.table} {self.number} (0x{self.number:04X}), FC {self.table.function}"


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Elements of one table from `first` to `last`, both included."""

    table: DataTable
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.table}:{self.first}" + (f"-{self.last}" if self.last > self.first else "")

    @classmethod
    def parse(cls, text: Any) -> "Stretch":
        """Read `holding:120-129`, `holding:120` or `40121-40130`. Raises ValueError with the remedy."""
        if isinstance(text, Stretch):
            return text
        head, dash, tail = str(text).partition("-")
        first = parse(head)
        if not dash:
            return cls(first.table, first.number, first.number)
        last = parse(f"{first.table}:{tail.strip()}" if ":" in head else tail)
        if last.table is not first.table or last.number < first.number:
            raise ValueError(f"{text}: runs from a lower to a higher address of one table, as in holding:120-129")
        return cls(first.table, first.number, last.number)

    def meets(self, table: DataTable, start: int, end: int) -> bool:
        """Whether it has an element in common with those of `table` from `start` to before `end`."""
        return self.table is table and self.first < end and start <= self.last


def parse(text: Any) -> Address:
    """Read an address as a person wrote it.

    Args:
        text: `holding:100`, `coil:0x1F`, `"40101"`, `400101` or the number 40103, as YAML gives it.

    Raises:
        ValueError: it is no address; the message names the remedy.
    """
    if isinstance(text, Address):
        return text
    named = _NAMED.fullmatch(str(text))
    return _named(named[1], named[2]) if named else _numbered(text)


def _named(table: str, number: str) -> Address:
    if table.lower() not in tuple(DataTable):
        raise ValueError(f"there is no table {table!r}: {_REMEDY}")
    place = int(number, 16 if number[:2].lower() == "0x" else 10)
    if place > LAST:
        raise ValueError(f"{table}:{number} is beyond {LAST}, the last address of a table")
    return Address(DataTable(table.lower()), place)


def _numbered(text: Any) -> Address:
    match = _NUMBERED.fullmatch(str(text))
    if match is None and type(text) is int and 0 < text <= LAST + 1:
        # YAML reads 00001 as the number 1: what was meant cannot be told any more
        raise ValueError(f'{text} does not name its table: write coil:{text - 1}, or in quotes "{text:05d}" for a coil')
    if match is None:
        raise ValueError(f"{text!r} is no Modbus address: {_REMEDY}")
    table, count = _DIGITS.get(match[1]), int(match[2])
    if table is None:
        raise ValueError(f"{text}: the first digit is 0 (coil), 1 (discrete), 3 (input) or 4 (holding), not {match[1]}")
    if not 1 <= count <= LAST + 1:
        raise ValueError(
            f"{text}: numbers of this form count from 1 to {LAST + 1}, so {match[1]}{1:0{len(match[2])}d} is the first"
        )
    return Address(table, count - 1)
