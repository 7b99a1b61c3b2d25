"""How much time passes from row to row of each asset, though the clocks that date the rows may be set.

Delays, settling and the budget of alarms add up what passes. A clock that is set back takes nothing from them; one that
is set ahead must not give them what never passed: a year is no on-delay, and no year without an alarm.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int64]
LEAP: Final = 20 * 60 * 1_000_000_000  # ns; no two time zones, and no summer time, are less than half an hour apart
_NEVER: Final = np.iinfo(np.int64).min


class Passing:
    """When each of `count` assets was seen last. Instants are Unix ns; only their differences count."""

    def __init__(self, count: int) -> None:
        self._seen = np.full(count, _NEVER)
        self._leap = np.zeros(count, np.int64)  # the last step, where it was a leap: rows may come that slowly
        self._leaps = False

    def step(self, assets: I8, time: I8) -> I8:
        """What has passed since the last row of `assets` (i8[B], each once) until `time` (i8[B]); i8[B], ns.

        0 for a first row and for a clock that was set back. A leap counts as far as the step before it was one, too:
        where rows come more slowly than that it is their pace, else a clock was set, or nobody knows what was between.
        """
        seen = self._seen[assets]
        self._seen[assets] = time
        passed: I8 = np.where(seen == _NEVER, 0, np.maximum(time - seen, 0))
        leaps = passed > LEAP
        if not self._leaps and not leaps.any():
            return passed
        before, self._leap[assets] = self._leap[assets], np.where(leaps, passed, 0)
        self._leaps = bool(self._leap.any())
        return np.where(leaps, np.minimum(passed, before), passed)
