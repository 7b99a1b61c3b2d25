"""Bytes of registers to values, for all tags of a scan group at once. Pure.

Type and byte order of every tag become one list of byte indices: a single `take` brings the bytes of all tags into the
host's order, and one view per type reads them. The input is 2-D, so devices of one profile can be read together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway_modbus.coding import BCD, DTYPES, Coding, byte_places
from gateway_modbus.texts import TextRun, Texts

EXACT: Final = 2**53  # integers up to here are exact in f8
LAST_DIGIT: Final = 9

Other = dict[tuple[int, int], int | str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tag's bytes begin in the buffer, and how they are coded. A coil takes one byte, 0 or 1."""

    at: int
    coding: Coding


@dataclass(frozen=True, slots=True)
class _Run:
    """Tags of one type: their bytes in the taken row, their type there, their columns in the result.

    `masks` and `shifts`, a number a tag, are given where some tags are a part of their registers; `digits` for BCD.
    """

    taken: slice
    dtype: np.dtype[Any]
    columns: NDArray[np.intp]
    masks: NDArray[Any] | None
    shifts: NDArray[Any] | None
    digits: int

    def read(self, taken: NDArray[np.uint8]) -> NDArray[Any]:
        """The numbers of this run, shape (devices, tags of the run)."""
        numbers = np.ascontiguousarray(taken[:, self.taken]).view(self.dtype)
        if self.masks is not None and self.shifts is not None:
            numbers = (numbers & self.masks) >> self.shifts
        return from_bcd(numbers, self.digits) if self.digits else numbers


class Decoder:
    """Reads every tag of a buffer laid out as `places` say."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._width = len(places)
        taken: list[int] = []
        self._runs = [_run(places, columns, taken) for columns in _alike(places)]
        strings = [_string(place, column, taken) for column, place in enumerate(places) if _is_string(place)]
        enums = [(column, dict(place.coding.texts)) for column, place in enumerate(places) if place.coding.texts]
        self._texts = Texts(strings, enums)
        self._taken = np.array(taken, np.intp)

    def __call__(self, raw: NDArray[np.uint8]) -> tuple[NDArray[np.float64], Other]:
        """Decode buffers of the same layout.

        Args:
            raw: shape (devices, bytes).

        Returns:
            Values, shape (devices, tags), NaN for strings and for digits that are none, and what f8 cannot hold, by
            (device, tag): the integer beyond 2**53, the text of a string or of an enumeration.
        """
        value = np.full((len(raw), self._width), np.nan)
        other: Other = {}
        taken = raw.take(self._taken, axis=1)
        with np.errstate(invalid="ignore"):  # a signalling NaN is data here, not an accident of ours
            for run in self._runs:
                numbers = run.read(taken)
                value[:, run.columns] = numbers
                if numbers.dtype.itemsize == 8 and numbers.dtype.kind in "iu":  # noqa: PLR2004 - bytes of 64 bits
                    other.update(_beyond(numbers, run.columns))
        if self._texts:
            other.update(self._texts(taken, value))
        return value, other


def from_bcd(numbers: NDArray[Any], digits: int) -> NDArray[np.float64]:
    """Numbers written with one decimal digit in four bits; NaN where one of the digits is none."""
    each = numbers[..., np.newaxis] >> (4 * np.arange(digits, dtype=numbers.dtype)) & 0xF
    value = each @ (10.0 ** np.arange(digits))
    return np.where((each > LAST_DIGIT).any(axis=-1), np.nan, value)


def _is_string(place: Place) -> bool:
    return place.coding.type == "string"


def _alike(places: Sequence[Place]) -> list[list[int]]:
    """The columns that are read as one, strings apart."""
    runs: dict[tuple[str, bool], list[int]] = {}
    for column, place in enumerate(places):
        if not _is_string(place):
            runs.setdefault((place.coding.type, bool(place.coding.mask)), []).append(column)
    return list(runs.values())


def _run(places: Sequence[Place], columns: Sequence[int], taken: list[int]) -> _Run:
    """A run of `columns`, whose bytes are added to `taken`."""
    start, codings = len(taken), [places[column].coding for column in columns]
    for column in columns:
        taken += _bytes(places[column])
    dtype, masked = np.dtype(DTYPES[codings[0].type]), bool(codings[0].mask)
    return _Run(
        taken=slice(start, len(taken)),
        dtype=dtype,
        columns=np.array(columns, np.intp),
        masks=np.array([coding.mask for coding in codings], dtype) if masked else None,
        shifts=np.array([coding.shift for coding in codings], dtype) if masked else None,
        digits=BCD.get(codings[0].type, 0),
    )


def _string(place: Place, column: int, taken: list[int]) -> TextRun:
    start = len(taken)
    taken += _bytes(place)
    return TextRun(slice(start, len(taken)), column)


def _bytes(place: Place) -> list[int]:
    return [place.at + offset for offset in byte_places(place.coding)]


def _beyond(numbers: NDArray[Any], columns: NDArray[np.intp]) -> dict[tuple[int, int], int]:
    large = numbers > EXACT
    if numbers.dtype.kind == "i":
        large |= numbers < -EXACT
    return {(int(row), int(columns[k])): int(numbers[row, k]) for row, k in np.argwhere(large)}
