"""How many alarms an operator gets: the figures of ISA-18.2 (clause 16, monitoring), over a rolling hour.

Counted when an alarm goes active, in minutes; `now` is monotonic seconds, so that a clock that is set moves no figure.
Only `raised` changes anything: the figures are read from another thread.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.config.assets import Severity
from gateway.stages.states import ACTIVE, STANDING, UNACKNOWLEDGED, State

MINUTE: Final = 60.0
HOUR: Final = 60  # minutes
TEN: Final = 10  # minutes; more than 10 alarms in them is a flood
CHATTERS: Final = 3  # alarms of one kind within a minute
SEVERITIES: Final = tuple(Severity)


class AlarmFigures:
    """Counts the alarms of n assets by severity.

    Attributes:
        peak: most alarms in ten minutes since the start.
        first: the asset whose alarm was the first after ten minutes without any.
    """

    def __init__(self, severities: Sequence[Severity]) -> None:
        """One severity an asset."""
        n = len(severities)
        self._severity = np.array([SEVERITIES.index(one) for one in severities], np.int64)
        self._minutes = np.zeros((HOUR, len(SEVERITIES)), np.int64)  # the last is the running one
        self._minute = -np.inf
        self._latest = np.full((n, CHATTERS), -np.inf)  # when each was raised last, the eldest first
        self._chattered = np.full(n, -np.inf)  # when each chattered last
        self.peak = self.first = 0

    def raised(self, asset: int, now: float) -> None:
        """An alarm has gone active."""
        self._minutes, self._minute = self._passed(now), np.floor(now / MINUTE)
        if not self._minutes[-TEN:].any():
            self.first = asset
        self._minutes[-1, self._severity[asset]] += 1
        self.peak = max(self.peak, int(self._minutes[-TEN:].sum()))
        latest = self._latest[asset]
        latest[:-1], latest[-1] = latest[1:].copy(), now
        if now - latest[0] <= MINUTE:
            self._chattered[asset] = now

    def hour(self, now: float) -> dict[str, int]:
        """Alarms of the last hour, by severity."""
        return _named(self._passed(now).sum(axis=0))

    def ten_minutes(self, now: float) -> dict[str, int]:
        """Alarms of the last ten minutes, by severity."""
        return _named(self._passed(now)[-TEN:].sum(axis=0))

    def chattering(self, now: float) -> NDArray[np.bool_]:
        """Mask over the assets that were raised three times within a minute, in the last hour."""
        mask: NDArray[np.bool_] = now - self._chattered <= HOUR * MINUTE
        return mask

    def document(self, state: NDArray[np.uint8], now: float) -> dict[str, Any]:
        """All figures; `state` u1[n] is the state of each alarm."""
        return {
            "hour": self.hour(now),
            "ten_minutes": self.ten_minutes(now),
            "ten_minutes_peak": self.peak,
            "active": self._split(np.isin(state, ACTIVE)),
            "unacknowledged": self._split(np.isin(state, UNACKNOWLEDGED)),
            "standing": self._split(np.isin(state, STANDING)),
            "shelved": self._split(state == State.SHELVED),
            "out_of_service": self._split(state == State.OUT_OF_SERVICE),
            "chattering": self._split(self.chattering(now)),
        }

    def _split(self, mask: NDArray[np.bool_]) -> dict[str, int]:
        return _named(np.bincount(self._severity[mask], minlength=len(SEVERITIES)))

    def _passed(self, now: float) -> NDArray[np.int64]:
        """The minutes as they are at `now`."""
        over = int(min(max(np.floor(now / MINUTE) - self._minute, 0), HOUR))
        return np.concatenate([self._minutes[over:], np.zeros((over, len(SEVERITIES)), np.int64)])


def _named(counts: NDArray[np.int64]) -> dict[str, int]:
    return {severity.value: int(count) for severity, count in zip(SEVERITIES, counts, strict=True)}
