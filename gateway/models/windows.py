"""The last rows of each asset, as a ring of columns: what a model with a memory of its own kind is shown."""

import numpy as np
from numpy.typing import NDArray


class Windows:
    """Rings of `rows` rows of `width` tags for n assets."""

    def __init__(self, members: int, width: int, rows: int, hold: int) -> None:
        """A tag that is bad keeps its last good value for `hold` rows."""
        self.hold = hold
        self._ring = np.zeros((members, max(rows, 1), width))
        self._next = np.zeros(members, np.int64)
        self.count = np.zeros(members, np.int64)  # rows since the window began
        self._last = np.zeros((members, width))
        self._bad = np.full((members, width), np.iinfo(np.int64).max // 2)  # rows since the last good value

    @property
    def rows(self) -> int:
        """Rows that the ring has room for."""
        return int(self._ring.shape[1])

    def push(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Take one row of each member (NaN where bad); whether it counts. Where it does not, the window begins anew."""
        good = np.isfinite(x)
        bad = np.where(good, 0, self._bad[members] + 1)
        last = np.where(good, x, self._last[members])
        self._bad[members], self._last[members] = bad, last
        usable: NDArray[np.bool_] = np.all(bad <= self.hold, axis=1)
        self.count[members[~usable]] = 0
        kept = members[usable]
        self._ring[kept, self._next[kept] % self.rows] = last[usable]
        self._next[kept] += 1
        self.count[kept] += 1
        return usable

    def take(self, members: NDArray[np.int64], rows: int) -> NDArray[np.float64]:
        """The last `rows` rows of each member, the newest last: f8[B, rows, D], a copy."""
        at = (self._next[members, None] + np.arange(-rows, 0)) % self.rows
        taken: NDArray[np.float64] = self._ring[members[:, None], at]
        return taken

    def grow(self, rows: int) -> None:
        """Make room for `rows` rows; what is there stays."""
        if rows <= self.rows:
            return
        every = np.arange(len(self._ring))
        kept = self.take(every, self.rows)
        self._ring = np.zeros((len(kept), rows, kept.shape[2]))
        self._ring[:, : kept.shape[1]] = kept
        self._next[:] = kept.shape[1]


class Arrangement:
    """Windows as one version of a model wants them: as many rows, the tags in the order of its inputs."""

    def __init__(self, places: NDArray[np.int64], rows: int) -> None:
        """`places` i8[n, D] says for each asset where the tag of each input stands, `rows` how many a window has."""
        self._places, self._rows = places, rows
        self._straight = bool(np.array_equal(places, np.broadcast_to(np.arange(places.shape[1]), places.shape)))

    def __len__(self) -> int:
        return len(self._places)

    def of(self, members: NDArray[np.int64], windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The windows f8[B, any, D] of `members`, tags in the order of each asset, arranged: f8[B, rows, D]."""
        windows = windows[:, -self._rows :]
        if windows.shape[1] < self._rows:  # taken for a version with a shorter memory: nothing to be seen before
            windows = np.pad(windows, ((0, 0), (self._rows - windows.shape[1], 0), (0, 0)), "edge")
        return windows if self._straight else np.take_along_axis(windows, self._places[members][:, None], 2)

    def back(self, members: NDArray[np.int64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the model says of each input, f8[B, D], in the order of each asset's tags."""
        if self._straight:
            return columns
        found = np.empty_like(columns)
        np.put_along_axis(found, self._places[members], columns, 1)
        return found
