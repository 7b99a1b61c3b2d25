"""How far the threshold of an asset moves, so that its alarms keep to their budget.

Adaptive conformal inference (Gibbs and Candès 2021) with events for errors. An event beyond the budget raises the bar
for its kind, which is the tag that leads it: false alarms repeat themselves, and what is new must not pay for them.
Time lowers the bar again.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

RAISE_BY: Final = 0.35  # eta: one event multiplies the threshold of its kind by exp(0.35) = 1.42
RAISE_MAX: Final = 6 * RAISE_BY  # a chattering asset must not make itself blind: at most 8.2 times the threshold
LOWER_MAX: Final = 2 * RAISE_BY  # quiet for two budgets: half the threshold, and no further
BURST: Final = 1.0  # events that cost nothing when none has come for long
DOZE: Final = 0.05  # of the log threshold: how far quiet may lower it before that is looked at
DEBT: Final = -10.0  # events beyond the budget that are remembered


class Budget:
    """The budget of n assets, their events told apart into W kinds. All logarithms of a factor on the threshold.

    Attributes:
        raised: f8[n, W], by what events have raised the threshold of each kind.
        lowered: f8[n], by what quiet times have lowered it.
        left: f8[n], events that are left of the budget.
        least: f8[n], the smallest factor that there can be on a threshold within the next nap.
        nap: i8[n], ns for which that holds.
    """

    def __init__(self, rates: Sequence[float], kinds: int, lower: Sequence[bool]) -> None:
        """`rates` are budgets in events per ns; `lower` says whose threshold may fall below what was calibrated."""
        n = len(rates)
        self._rate = np.array(rates, float)
        self._lowest = np.where(np.array(lower, np.bool_), LOWER_MAX, 0.0)
        self.raised = np.zeros((n, kinds))
        self.lowered = np.zeros(n)
        self.left = np.full(n, BURST)
        self.least = np.exp(-np.minimum(self._lowest, DOZE))
        self.nap = np.minimum(DOZE / (RAISE_BY * self._rate), 2**62).astype(np.int64)

    def advance(self, assets: I8, elapsed: I8) -> None:
        """Let time pass for `assets`, in ns each."""
        share = self._rate[assets] * elapsed
        self.left[assets] = np.minimum(self.left[assets] + share, BURST)
        self.lowered[assets] = np.minimum(self.lowered[assets] + RAISE_BY * share, self._lowest[assets])
        self.raised[assets] = np.maximum(self.raised[assets] - RAISE_BY * share[:, None], 0.0)
        self.least[assets] = np.exp(-np.minimum(self.lowered[assets] + DOZE, self._lowest[assets]))

    def limit(self, assets: I8, kinds: I8, threshold: F8) -> F8:
        """The threshold that holds now for an event of these kinds; never lowered below 1, the upper end of normal."""
        factor = np.exp(self.raised[assets, kinds] - self.lowered[assets])
        limit: F8 = np.maximum(threshold * factor, np.minimum(threshold, 1.0))
        return limit

    def charge(self, assets: I8, kinds: I8) -> None:
        """An event of each of `assets` is over."""
        over = self.left[assets] < 1
        self.left[assets] = np.maximum(self.left[assets] - 1, DEBT)
        raised = self.raised[assets, kinds] + RAISE_BY * over
        self.raised[assets, kinds] = np.minimum(raised, RAISE_MAX)

    def forgive(self, asset: int) -> None:
        """Begin anew: what was learnt of false alarms belongs to another normal."""
        self.raised[asset], self.lowered[asset], self.left[asset] = 0.0, 0.0, BURST
        self.least[asset] = np.exp(-min(float(self._lowest[asset]), DOZE))

    def at_rest(self, assets: I8) -> NDArray[np.bool_]:
        """Whom no event has raised the bar for."""
        rest: NDArray[np.bool_] = (self.raised[assets] == 0).all(axis=1)
        return rest

    def snapshot(self, asset: int) -> dict[str, object]:
        """What must survive a restart, as JSON takes it: only kinds that were raised."""
        kinds = np.flatnonzero(self.raised[asset]).tolist()
        return {
            "raised": {str(kind): float(self.raised[asset, kind]) for kind in kinds},
            "lowered": float(self.lowered[asset]),
            "left": float(self.left[asset]),
        }

    def restore(self, asset: int, record: dict[str, object]) -> None:
        """Take up what `snapshot` gave. Raises KeyError, TypeError or ValueError when the record is not one."""
        given = record["raised"]
        if not isinstance(given, dict):
            raise TypeError("raised is no table")
        raised = np.zeros(self.raised.shape[1])
        for kind, by in given.items():
            if int(kind) < len(raised):
                raised[int(kind)] = float(by)
        lowered, left = float(str(record["lowered"])), float(str(record["left"]))
        if not (raised >= 0).all() or not (raised <= RAISE_MAX).all() or not 0 <= lowered <= LOWER_MAX:
            raise ValueError("a threshold is moved farther than it can be")
        self.raised[asset], self.lowered[asset] = raised, min(lowered, float(self._lowest[asset]))
        self.left[asset] = min(max(left, DEBT), BURST)
        self.advance(np.array([asset]), np.zeros(1, np.int64))
