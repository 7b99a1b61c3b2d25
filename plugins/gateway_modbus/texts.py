"""Text of strings and enumerations: work per tag, and so done again only when one of them has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

PADDING: Final = " \0"


@dataclass(frozen=True, slots=True)
class TextRun:
    """A string: its bytes in the taken row, its column in the result."""

    taken: slice
    column: int


class Texts:
    """The texts of buffers of one layout, made anew when their bytes or numbers are others than at the last call."""

    def __init__(self, strings: Sequence[TextRun], enums: Sequence[tuple[int, dict[int, str]]]) -> None:
        self._strings, self._enums = strings, enums
        self._bytes = np.concatenate([np.r_[run.taken] for run in strings] or [np.empty(0, np.intp)])
        self._numbers = np.array([column for column, _ in enums], np.intp)
        self._last = b""
        self._texts: dict[tuple[int, int], str] = {}

    def __bool__(self) -> bool:
        return bool(self._strings or self._enums)

    def __call__(self, taken: NDArray[np.uint8], value: NDArray[np.float64]) -> dict[tuple[int, int], str]:
        """The text of every string and enumeration, by (device, tag).

        Args:
            taken: bytes in the order of reading, shape (devices, bytes).
            value: numbers, shape (devices, tags).
        """
        seen = taken[:, self._bytes].tobytes() + value[:, self._numbers].tobytes()
        if seen != self._last or not self._texts:
            self._last, self._texts = seen, self._read(taken, value)
        return self._texts

    def _read(self, taken: NDArray[np.uint8], value: NDArray[np.float64]) -> dict[tuple[int, int], str]:
        rows = range(len(taken))
        texts = {(row, run.column): text(taken[row, run.taken].tobytes()) for row in rows for run in self._strings}
        for column, names in self._enums:
            texts |= {(row, column): _name(value[row, column], names) for row in rows}
        return texts


def text(raw: bytes) -> str:
    """Characters up to the first NUL, without padding: UTF-8, or Latin-1 where they are no UTF-8."""
    whole = raw.split(b"\0", 1)[0]
    try:
        return whole.decode().rstrip(PADDING)
    except UnicodeDecodeError:
        return whole.decode("latin-1").rstrip(PADDING)


def _name(number: float, names: dict[int, str]) -> str:
    """The text of a number; one that has none is shown as it is."""
    return names.get(int(number)) or f"{number:.0f}" if np.isfinite(number) else ""
