"""Bytes of registers to numbers, for all tags of a scan group at once. Pure.

Type and byte order of every tag become one list of byte indices: a single `take` brings the bytes of all tags into the
host's order, and one view per type reads them. The input is 2-D, so devices of one profile can be read together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway_modbus.config import REGISTERS, Order, Type

EXACT: Final = 2**53  # integers up to here are exact in f8

_DTYPES: Final[dict[Type, str]] = {
    "bool": "u1", "uint16": "<u2", "int16": "<i2", "uint32": "<u4", "int32": "<i4", "uint64": "<u8", "int64": "<i8",
    "float16": "<f2", "float32": "<f4", "float64": "<f8",
}  # fmt: skip
_SWAPS: Final[dict[Order, tuple[bool, bool]]] = {  # (words swapped, bytes swapped)
    "ABCD": (False, False), "CDAB": (True, False), "BADC": (False, True), "DCBA": (True, True),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tag's bytes begin in the buffer, and how they are coded. A coil takes one byte, 0 or 1."""

    at: int
    type: Type
    order: Order = "ABCD"


@dataclass(frozen=True, slots=True)
class _Run:
    """Tags of one type: their bytes in the taken row, their type there, their columns in the result."""

    taken: slice
    dtype: np.dtype[Any]
    columns: NDArray[np.intp]


def byte_order(type_: Type, order: Order) -> list[int]:
    """Where the bytes of a value stand on the wire, the least significant first.

    The letters name two facts: CDAB swaps the words, BADC the bytes in each word, DCBA both. 64 bits follow the same
    facts with four words (CDAB: GHEFCDAB); 16 bits have only bytes to swap.
    """
    words = REGISTERS.get(type_, 0)
    if not words:
        return [0]
    word_swap, byte_swap = _SWAPS[order]
    by_significance = [(words - 1 - word if word_swap else word, byte) for word in range(words) for byte in (0, 1)]
    return [2 * word + (1 - byte if byte_swap else byte) for word, byte in reversed(by_significance)]


class Decoder:
    """Reads every tag of a buffer laid out as `places` say."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._width = len(places)
        self._runs: list[_Run] = []
        taken: list[int] = []
        for type_ in dict.fromkeys(place.type for place in places):
            columns = [column for column, place in enumerate(places) if place.type == type_]
            start = len(taken)
            for column in columns:
                place = places[column]
                taken += [place.at + offset for offset in byte_order(type_, place.order)]
            self._runs.append(_Run(slice(start, len(taken)), np.dtype(_DTYPES[type_]), np.array(columns, np.intp)))
        self._taken = np.array(taken, np.intp)

    def __call__(self, raw: NDArray[np.uint8]) -> tuple[NDArray[np.float64], dict[tuple[int, int], int]]:
        """Decode buffers of the same layout.

        Args:
            raw: shape (devices, bytes).

        Returns:
            Values, shape (devices, tags), and what f8 cannot hold exactly: (device, tag) → integer beyond 2**53.
        """
        value = np.empty((len(raw), self._width))
        exact: dict[tuple[int, int], int] = {}
        taken = raw.take(self._taken, axis=1)
        with np.errstate(invalid="ignore"):  # a signalling NaN is data here, not an accident of ours
            for run in self._runs:
                numbers = np.ascontiguousarray(taken[:, run.taken]).view(run.dtype)
                value[:, run.columns] = numbers
                if run.dtype.itemsize == 8 and run.dtype.kind in "iu":  # noqa: PLR2004 - bytes of 64 bits
                    exact.update(_beyond(numbers, run.columns))
        return value, exact


def _beyond(numbers: NDArray[Any], columns: NDArray[np.intp]) -> dict[tuple[int, int], int]:
    large = numbers > EXACT
    if numbers.dtype.kind == "i":
        large |= numbers < -EXACT
    return {(int(row), int(columns[k])): int(numbers[row, k]) for row, k in np.argwhere(large)}
