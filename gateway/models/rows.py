"""Rows gathered for calibrations: one buffer for all members, each with its place; it goes when none gathers."""

import numpy as np
from numpy.typing import NDArray


class Rows:
    """The rows of all members.

    Attributes:
        count: i8[n], rows that each member has.
    """

    def __init__(self, width: int, needed: NDArray[np.int64]) -> None:
        self._width, self._needed = width, needed
        self._start = np.cumsum(needed) - needed
        self.count = np.zeros(len(needed), np.int64)
        self._closed = np.zeros(len(needed), np.bool_)
        self._buffer: NDArray[np.float64] | None = None

    def append(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> NDArray[np.int64]:
        """Keep one row of each member; the members that are complete with it."""
        if self._buffer is None:
            self._buffer = np.empty((int(self._needed.sum()), self._width))
        self._buffer[self._start[members] + self.count[members]] = x
        self.count[members] += 1
        return members[self.count[members] >= self._needed[members]]

    def since(self, member: int, first: int) -> NDArray[np.float64]:
        """The rows of a member that still gathers, from its row `first` on: f8[n, D]."""
        if self._buffer is None or self._closed[member]:
            return np.empty((0, self._width))
        start = int(self._start[member])
        return self._buffer[start + first : start + int(self.count[member])].copy()

    def take(self, member: int) -> NDArray[np.float64]:
        """The rows of a complete member."""
        assert self._buffer is not None  # noqa: S101 - append has made it
        start, count = int(self._start[member]), int(self.count[member])
        rows = self._buffer[start : start + count].copy()
        self.close(member)
        return rows

    def close(self, member: int) -> None:
        """No more rows of `member` are wanted."""
        self._closed[member] = True
        if self._closed.all():
            self._buffer = None

    def restart(self, member: int) -> None:
        """Begin anew for `member`."""
        self.count[member], self._closed[member] = 0, False
