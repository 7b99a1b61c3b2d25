"""Whose turn it is, row by row: pure.

In lock-step a row is over when every side has been read at it; a side that is read again sees the same row again. So a
client that reads all sides at one period gets each row exactly once. Else the clock says when a row is over (`step`).
"""

from collections.abc import Collection


class Turns:
    """The row that is shown, and which sides have been read at it."""

    def __init__(self, rows: int, sides: Collection[str], *, lockstep: bool) -> None:
        self.rows, self.row = rows, 0
        self._sides, self._lockstep = frozenset(sides), lockstep
        self._read: set[str] = set()

    @property
    def done(self) -> bool:
        """Every row is over."""
        return self.row >= self.rows

    def read(self, side: str) -> bool:
        """Tell that `side` has been read at this row. True when it was the first to be, hence the row is served."""
        first = not self._read and not self.done
        self._read.add(side)
        return first

    @property
    def over(self) -> bool:
        """In lock-step: every side has been read at this row."""
        return self._lockstep and not self.done and self._read >= self._sides

    def step(self) -> None:
        """Go on to the next row."""
        self.row += 1
        self._read.clear()
