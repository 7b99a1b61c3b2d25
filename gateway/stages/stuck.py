"""The alarm that stays: an operator is asked, and until there is an answer, what has stayed is the level from there on.

An alarm that stands for a day says nothing new (ISA-18.2 calls it stale) and hides what comes next. So after `stays` it
is told of once, with what can be answered. When that has passed again without an answer, it returns, unacknowledged,
and rises again when the score leaves the level that it stayed at. The level sinks by itself, so that the question comes
back.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

PATIENCE: Final = 2.0  # times `stays`, after which an alarm returns without an answer
ABOVE: Final = 1.3  # times what the score was lately: this much more is news
LATELY: Final = 1 / 50  # weight of a new row in it
SINKS: Final = 7.0  # times `stays`, in which the level sinks to 1/e
GONE: Final = 1.0  # a level below the upper end of normal is none

CHOICES: Final = ("accept as new normal", "recalibrate", "real fault")


class Stuck:
    """For how long the alarms of n assets have stood, and at which level.

    Attributes:
        level: f8[n], below which a score is no news; 0: none.
    """

    def __init__(self, stays: Sequence[int]) -> None:
        """`stays` in ns; 0: never."""
        n = len(stays)
        self._after = np.array(stays, float)
        self._after[self._after == 0] = np.inf
        self.level = np.zeros(n)
        self._lately = np.zeros(n)
        self._stood = np.zeros(n)  # ns
        self._told: list[int] = []

    def step(self, assets: I8, active: NDArray[np.bool_], score: F8, elapsed: I8) -> None:
        """Take one row of each of `assets`: whether its alarm is active, its score, and the ns since the last row."""
        if not active.any() and not self.level[assets].any():
            self._stood[assets] = 0
            return
        self._stood[assets] = np.where(active, self._stood[assets] + elapsed, 0.0)
        lately = np.where(self._stood[assets] > 0, self._lately[assets], score)
        self._lately[assets] = lately + LATELY * (score - lately)
        level = self.level[assets] * np.exp(-elapsed / (SINKS * self._after[assets]))
        self.level[assets] = np.where(level < GONE, 0.0, level)
        stood, after = self._stood[assets], self._after[assets]
        self._told += assets[(stood >= after) & (stood - elapsed < after)].tolist()
        over = assets[stood >= PATIENCE * after]
        self.level[over] = ABOVE * self._lately[over]
        self._stood[over] = 0

    def take(self) -> list[int]:
        """The assets whose alarm has stood for `stays` since the last call."""
        told, self._told = self._told, []
        return told

    def forgive(self, asset: int) -> None:
        """Somebody has answered."""
        self.level[asset] = self._stood[asset] = 0.0

    def at_rest(self, assets: I8) -> NDArray[np.bool_]:
        """Who has no level of that kind."""
        rest: NDArray[np.bool_] = self.level[assets] == 0
        return rest

    def snapshot(self, asset: int) -> dict[str, float]:
        """What must survive a restart."""
        return {
            "level": float(self.level[asset]),
            "stood": float(self._stood[asset]),
            "lately": float(self._lately[asset]),
        }

    def restore(self, asset: int, record: dict[str, float]) -> None:
        """Take up what `snapshot` gave. Raises KeyError, TypeError or ValueError when the record is not one."""
        level, stood, lately = (float(record[name]) for name in ("level", "stood", "lately"))
        if not (0 <= level < np.inf and 0 <= stood < np.inf and 0 <= lately < np.inf):
            raise ValueError("no level, or no time")
        self.level[asset], self._stood[asset], self._lately[asset] = level, stood, lately
