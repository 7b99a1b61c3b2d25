"""The score above which an alarm is due, for a budget of false alarms, from scores of normal rows alone.

Peaks over threshold (Pickands 1975, Davison and Smith 1990): the scores beyond a high quantile, thinned to one peak a
cluster, follow a generalised Pareto distribution; its tail says which score is passed once in a week, though the rows
at hand cover an hour. What a short calibration has not shown, such as a machine still warming up, is allowed for: the
shorter, the higher the threshold.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

TAIL: Final = 0.98  # quantile beyond which the tail begins
GAP: Final = 30  # rows; peaks closer than this are one event
FEWEST: Final = 8  # clusters that a fit needs
MARGIN: Final = 1.2  # times the highest score, where there are too few of them
DOUBT: Final = 1.96  # standard errors: 95 of 100 calibrations are no further off
FLAT: Final = 1e-6  # below it the tail is exponential
FIRST: Final = 1.75  # times the budget, to begin with: the control of the budget takes back what is too much
SHAPE: Final = (-0.3, 0.5)  # bounds of xi: what so few peaks say beyond them is chance


def threshold(scores: NDArray[np.floating], rate: float, longest: int) -> float:
    """The score that normal running passes `rate` times a row; never below 1, the upper end of normal.

    Args:
        scores: f[n], out-of-fold scores of normal rows, in the order of time.
        rate: events per row: the budget in events per second, times the period of the rows in seconds.
        longest: rows over which the scores remember, the longest span of the calibration; n / longest of them count as
            independent, so that their level is known with a relative standard error of sqrt(longest / n).
    """
    return (1 + DOUBT * float(np.sqrt(longest / len(scores)))) * max(return_level(scores, FIRST * rate), 1.0)


def return_level(scores: NDArray[np.floating], rate: float) -> float:
    """The score that rows like these pass `rate` times a row."""
    tail = float(np.quantile(scores, TAIL))
    excess = peaks(scores, tail) - tail
    if len(excess) < FEWEST:
        return MARGIN * float(scores.max())
    shape, scale = pareto(excess)
    beyond = max(len(excess) / len(scores) / rate, 1.0)
    if abs(shape) < FLAT:
        return tail + scale * float(np.log(beyond))
    return tail + scale / shape * float(beyond**shape - 1)


def peaks(scores: NDArray[np.floating], tail: float, gap: int = GAP) -> NDArray[np.float64]:
    """The highest score of each cluster of rows above `tail`; rows more than `gap` apart are two clusters."""
    above = np.flatnonzero(scores > tail)
    if not len(above):
        return np.empty(0)
    starts = np.flatnonzero(np.diff(above, prepend=above[0] - gap - 1) > gap)
    return np.maximum.reduceat(scores[above].astype(float), starts)


def pareto(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Shape xi and scale sigma of a generalised Pareto distribution by probability-weighted moments (Hosking 1987)."""
    ordered = np.sort(excess)
    n = len(ordered)
    mean = float(ordered.mean())
    weighted = float(((n - np.arange(1, n + 1)) / (n - 1) * ordered).mean())
    spread = max(mean - 2 * weighted, 1e-12)
    shape = 2 - mean / spread
    scale = max(2 * mean * weighted / spread, 1e-9)
    return float(np.clip(shape, *SHAPE)), scale
