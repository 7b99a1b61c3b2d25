"""A storm of events, thinned: so many a second go on, and whatever is held back is told of or counted. Pure.

Of a condition only the last state matters: while there is no room it is held, the newer in place of the older, and told
when there is. Of other events those beyond the rate are counted. So nothing grows, and no condition is left behind.
"""

from typing import Final

from gateway.sdk import Occurrence

_MOST: Final = 10_000  # conditions held back
_EVERY: Final = 10.0  # s between two reports of what was thinned out


class Thinning:
    """Lets `rate` occurrences a second through, and as many at once after a rest.

    Attributes:
        thinned: occurrences that were not told and never will be.
    """

    def __init__(self, rate: int, now: float) -> None:
        self.thinned = 0
        self._rate, self._room, self._at = rate, float(rate), now
        self._held: dict[str, Occurrence] = {}
        self._untold, self._worst, self._told_at = 0, 0, now - _EVERY

    def offer(self, occurrence: Occurrence, key: str, now: float) -> bool:
        """Whether it may be told now. `key` names the condition that it is about, "" for none."""
        self._refill(now)
        if not self._held and self._room >= 1:
            self._room -= 1
            return True
        if key and (key in self._held or len(self._held) < _MOST):
            self._drop(self._held.pop(key, None))
            self._held[key] = occurrence
        else:
            self._drop(occurrence)
        return False

    def due(self, now: float) -> list[Occurrence]:
        """What was held back and may be told now, the eldest first."""
        self._refill(now)
        keys = list(self._held)[: int(self._room)]
        self._room -= len(keys)
        return [self._held.pop(key) for key in keys]

    def report(self, now: float) -> tuple[int, int]:
        """How many were thinned out since the last report, and the highest severity among them; now and then."""
        if not self._untold or now - self._told_at < _EVERY:
            return 0, 0
        told, self._untold, self._worst, self._told_at = (self._untold, self._worst), 0, 0, now
        return told

    def _refill(self, now: float) -> None:
        self._room = min(float(self._rate), self._room + (now - self._at) * self._rate)
        self._at = now

    def _drop(self, occurrence: Occurrence | None) -> None:
        if occurrence is not None:
            self.thinned += 1
            self._untold += 1
            self._worst = max(self._worst, occurrence.fields.get("severity") or 0)
