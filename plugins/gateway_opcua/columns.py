"""Readings as columns: the numbers of every built-in type in one f8 column, what is no number beside it."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.sdk import quality
from gateway_opcua.plain import decode_variant

FILETIME_EPOCH: Final = 116_444_736_000_000_000  # 1970-01-01 in 100 ns steps since 1601-01-01 (Part 6 §5.2.2.5)
_LATEST: Final = FILETIME_EPOCH + (2**63 - 1) // 100  # later times do not fit into Unix ns
_EXACT: Final = 2**53  # integers up to here are exact as a double
_INT64, _UINT64, _DATETIME = 8, 9, 13
NUMBERS: Final = {
    1: "?", 2: "<i1", 3: "<u1", 4: "<i2", 5: "<u2", 6: "<i4", 7: "<u4", 8: "<i8", 9: "<u8", 10: "<f4", 11: "<f8",
    13: "<i8",
}  # fmt: skip
"""The built-in types that are numbers, and how they look on the wire."""


@dataclass(slots=True)
class Columns:
    """n readings in the order of their message.

    Attributes:
        value: f8[n]; NaN where there is no number or the status is bad. A DateTime is Unix seconds.
        filetime: i8[n], source time in 100 ns since 1601; 0 where there is none.
        status: u4[n], OPC UA StatusCode.
        kind: u1[n], form byte of the Variant: the built-in type, with 0x80 for an array; 0 without a value.
        other: what is no number, by position.
        server: i8[n], server time as `filetime`; None where no value came with one.
    """

    value: NDArray[np.float64]
    filetime: NDArray[np.int64]
    status: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    other: dict[int, Any] = field(default_factory=dict)
    server: NDArray[np.int64] | None = None

    @classmethod
    def empty(cls, n: int) -> "Columns":
        """No value, no time, status good."""
        return cls(np.full(n, np.nan), np.zeros(n, np.int64), np.zeros(n, np.uint32), np.zeros(n, np.uint8))

    def __len__(self) -> int:
        return len(self.value)

    def time(self, received: int) -> NDArray[np.int64]:
        """Unix ns, i8[n]; `received` where the source gave no time, or one outside 1970 to 2262."""
        known = (self.filetime > FILETIME_EPOCH) & (self.filetime < _LATEST)
        if known.all():
            return (self.filetime - FILETIME_EPOCH) * 100
        return np.where(known, (np.where(known, self.filetime, FILETIME_EPOCH) - FILETIME_EPOCH) * 100, received)

    def served(self) -> NDArray[np.int64]:
        """Server time, Unix ns, i8[n]; 0 where there is none."""
        if self.server is None:
            return np.zeros(len(self), np.int64)
        known = (self.server > FILETIME_EPOCH) & (self.server < _LATEST)
        return np.where(known, (np.where(known, self.server, FILETIME_EPOCH) - FILETIME_EPOCH) * 100, 0)

    def put(self, rows: slice | NDArray[np.intp], kind: int, numbers: NDArray[Any]) -> None:
        """Numbers of one type into their rows; 64-bit integers that a double cannot hold go to `other`, exact."""
        self.value[rows] = (numbers - FILETIME_EPOCH) / 1e7 if kind == _DATETIME else numbers
        if kind not in (_INT64, _UINT64):
            return
        huge = numbers > _EXACT if kind == _UINT64 else (numbers > _EXACT) | (numbers < -_EXACT)
        if huge.any():
            at = np.arange(len(self))[rows][huge]
            self.other.update(zip(at.tolist(), numbers[huge].tolist(), strict=True))
            self.value[at] = np.nan

    def put_other(self, row: int, variant: bytes) -> None:
        """A string, array or structure into its row; one that cannot be read makes its own row bad and no other."""
        try:
            self.other[row] = decode_variant(variant)
        except ValueError:
            self.status[row] = quality.BAD_DECODING_ERROR

    def settle(self) -> None:
        """No value is bad, and bad is no value."""
        nothing = self.kind == 0
        if nothing.any():
            self.status[nothing & (self.status < quality.BAD)] = quality.BAD_NO_DATA
        bad = self.status >= quality.BAD
        if bad.any():
            self.value[bad] = np.nan
            self.other = {row: value for row, value in self.other.items() if not bad[row]}

    def take(self, index: NDArray[np.intp]) -> "Columns":
        """The readings at `index`, in its order."""
        other = {i: self.other[old] for i, old in enumerate(index.tolist()) if old in self.other} if self.other else {}
        server = None if self.server is None else self.server[index]
        return Columns(self.value[index], self.filetime[index], self.status[index], self.kind[index], other, server)

    @classmethod
    def join(cls, parts: list["Columns"]) -> "Columns":
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
        other = {start + i: v for start, part in zip(starts, parts, strict=False) for i, v in part.other.items()}
        return cls(
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.filetime for part in parts]),
            np.concatenate([part.status for part in parts]),
            np.concatenate([part.kind for part in parts]),
            other,
            _joined(parts),
        )


def _joined(parts: list[Columns]) -> NDArray[np.int64] | None:
    """The server times of all, where one has them."""
    if all(part.server is None for part in parts):
        return None
    return np.concatenate([np.zeros(len(part), np.int64) if part.server is None else part.server for part in parts])
