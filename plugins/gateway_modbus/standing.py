"""Whether a unit is worth asking: after three silences in a row it is set aside, and asked again ever more rarely.

A silent unit costs everybody on its line one timeout each time it is asked. The first wait is ten timeouts, so a unit
that is set aside takes a tenth of the line at most. Pure; times are seconds on the monotonic clock.
"""

from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 3  # silences in a row
SHARE: Final = 10  # timeouts to the first probe
LONGEST: Final = 30.0  # seconds between two probes, unless ten timeouts are longer


@dataclass(slots=True)
class Standing:
    """How one unit stands with the line."""

    timeout: float
    outcome: int = 0  # how its last silent request ended
    misses: int = 0
    _wait: float = 0.0
    _until: float = 0.0

    @property
    def aside(self) -> bool:
        """Whether it has been set aside."""
        return self.misses >= PATIENCE

    def rests(self, now: float) -> bool:
        """Whether it is not to be asked at this instant."""
        return self.aside and now < self._until

    def answered(self) -> bool:
        """It answered. True when that brings it back."""
        back = self.aside
        self.misses, self._wait = 0, 0.0
        return back

    def missed(self, now: float, outcome: int) -> bool:
        """It was silent. True when that sets it aside."""
        self.misses, self.outcome = self.misses + 1, outcome
        if self.aside:
            first = SHARE * self.timeout
            self._wait = min(2 * self._wait, max(LONGEST, first)) if self._wait else first
            self._until = now + self._wait
        return self.misses == PATIENCE
