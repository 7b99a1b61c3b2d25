"""Too many commands at once: of each way in only so many are looked at within a second, the others are counted."""

import math
from collections import Counter
from collections.abc import Callable, Mapping


class Storm:
    """Counts commands by the way that they come.

    Args:
        most: that are looked at within a second.
        now: monotonic seconds.
    """

    def __init__(self, most: int, now: Callable[[], float]) -> None:
        self._most, self._now = most, now
        self._second, self._seen = -1, Counter[str]()
        self._untold = Counter[str]()

    def room(self, via: str) -> bool:
        """Whether one more is looked at."""
        second = math.floor(self._now())
        if second != self._second:
            self._second, self._seen = second, Counter()
        self._seen[via] += 1
        if self._seen[via] > self._most:
            self.note(via, 1)
            return False
        return True

    def note(self, via: str, count: int) -> None:
        """So many were not looked at."""
        self._untold[via] += count

    def take(self) -> Mapping[str, int]:
        """How many were not looked at since the last call, by way."""
        untold, self._untold = self._untold, Counter()
        return untold
