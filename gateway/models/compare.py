"""Two versions on the same windows: how often they agree, how often each would alarm, how long each takes.

Scores are counted in a histogram of score / threshold, so that memory is bounded and two stretches of time can be laid
beside each other: a version whose scores have moved while its fellow's have not is not the one that was tried.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

EDGES: Final = np.concatenate([[0.0], np.geomspace(0.02, 50.0, 60), [np.inf]])
STEP: Final = float(np.log(50.0 / 0.02) / 59)  # between two edges, in e-folds
_TIMES: Final = 1000  # latest calls whose time is kept
_LEAST: Final = 200  # rows before a shift is judged
SHIFT: Final = float(np.log(2))  # by a factor of 2 on the average


@dataclass
class Side:
    """What one version said."""

    version: str
    alarms: int = 0
    failed: int = 0
    late: int = 0
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(EDGES) - 1, np.int64))
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_TIMES))

    def note(self, ratio: NDArray[np.float64], seconds: float) -> None:
        """Take the scores of one call, each by its threshold."""
        self.alarms += int(np.count_nonzero(ratio > 1))
        self.histogram += np.histogram(np.minimum(ratio, 1e9), EDGES)[0]
        self.times.append(seconds)

    def quantile(self, share: float) -> float:
        """Of the times of calls, s; 0 while there are none."""
        return float(np.quantile(np.array(self.times), share)) if self.times else 0.0


@dataclass(frozen=True)
class Gate:
    """What a shadow must keep to be promoted.

    Attributes:
        rows: windows that both have scored.
        agreement: least share of windows on which both say the same.
        alarms: greatest ratio of the shadow's alarm rate to the active one's (one row in `rows` is always allowed).
        seconds: longest time of 99 of 100 calls.
    """

    rows: int
    agreement: float
    alarms: float
    seconds: float


class Comparison:
    """The active version and the one beside it, on the windows that both have scored."""

    def __init__(self, active: str, second: str, before: "Comparison | None" = None) -> None:
        """`before` is the comparison in which the active version was still the shadow."""
        self.active, self.second = Side(active), Side(second)
        self.rows = self.agreed = 0
        self._before = before

    def note(self, side: Side, ratio: NDArray[np.float64], seconds: float) -> None:
        """Take one call's scores of one version; NaN where it said nothing."""
        side.note(ratio[np.isfinite(ratio)], seconds)
        side.failed += int(np.count_nonzero(~np.isfinite(ratio)))

    def pair(self, active: NDArray[np.float64], second: NDArray[np.float64]) -> None:
        """Take one call that both have scored, row by row."""
        both = np.isfinite(active) & np.isfinite(second)
        self.rows += int(np.count_nonzero(both))
        self.agreed += int(np.count_nonzero(both & ((active > 1) == (second > 1))))

    @property
    def agreement(self) -> float:
        """Share of windows on which both say the same: alarm, or none."""
        return self.agreed / self.rows if self.rows else 0.0

    def findings(self, gate: Gate) -> list[tuple[str, bool, str]]:
        """What the gate says of the shadow: (criterion, whether it is kept, in words)."""
        allowed = max(gate.alarms * self.active.alarms, self.rows / gate.rows, 1.0)
        slow = self.second.quantile(0.99)
        return [
            ("rows", self.rows >= gate.rows, f"{self.rows} windows scored by both, {gate.rows} are needed"),
            ("agreement", self.agreement >= gate.agreement, f"{self.agreement:.2%} agree, {gate.agreement:.2%} needed"),
            ("alarm rate", self.second.alarms <= allowed, f"{self.second.alarms} alarms, at most {allowed:.0f}"),
            ("latency", slow <= gate.seconds, f"p99 {slow * 1e3:.2f} ms, at most {gate.seconds * 1e3:.0f} ms"),
            ("faults", not self.second.failed, f"{self.second.failed} windows without an answer"),
        ]

    def shifted(self) -> str:
        """In words, that the active version's scores have moved since it was the shadow; empty where not.

        Its predecessor, which scores the same windows, must not have moved: then it is not the machine.
        """
        before = self._before
        if before is None or min(self.active.histogram.sum(), before.second.histogram.sum()) < _LEAST:
            return ""
        own = distance(self.active.histogram, before.second.histogram)
        other = distance(self.second.histogram, before.active.histogram)
        if own < SHIFT or other > own / 2:
            return ""
        factors = f"a factor of {np.exp(own):.2f}, those of {self.second.version} by {np.exp(other):.2f}"
        return f"its scores have shifted since it was in shadow by {factors}"

    def report(self) -> dict[str, Any]:
        """The figures, as JSON takes them."""
        return {
            "rows": self.rows,
            "agreement": round(self.agreement, 5),
            "versions": [
                {
                    "version": side.version,
                    "role": role,
                    "scored": int(side.histogram.sum()),
                    "alarms": side.alarms,
                    "without_answer": side.failed,
                    "p50_ms": round(side.quantile(0.5) * 1e3, 3),
                    "p99_ms": round(side.quantile(0.99) * 1e3, 3),
                    "median_of_threshold": round(_median(side.histogram), 3),
                }
                for role, side in (("active", self.active), ("beside", self.second))
            ],
            "apart": round(float(np.exp(distance(self.active.histogram, self.second.histogram))), 3),
        }


def distance(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """How far scores must be moved, on the average and in e-folds, to make one histogram the other (Wasserstein).

    Unlike the greatest gap between the distributions it is small where both are narrow and lie close. 0 where one is
    empty.
    """
    if not one.sum() or not other.sum():
        return 0.0
    return float(np.abs(np.cumsum(one) / one.sum() - np.cumsum(other) / other.sum()).sum() * STEP)


def text(name: str, report: dict[str, Any], findings: list[tuple[str, bool, str]]) -> str:
    """The report for a person."""
    lines = [
        f"{name}: {report['rows']} windows scored by both, {report['agreement']:.2%} agree",
        "",
        "  version     role      scored   alarms  no answer   p50 ms   p99 ms   median score / threshold",
    ]
    lines += [
        f"  {one['version']:10}  {one['role']:7} {one['scored']:8} {one['alarms']:8} {one['without_answer']:10} "
        f"{one['p50_ms']:8.2f} {one['p99_ms']:8.2f}   {one['median_of_threshold']:.3f}"
        for one in report["versions"]
    ]
    lines += ["", f"  scores lie apart by a factor of {report['apart']:.3f}"]
    lines += ["", *(f"  {'kept ' if kept else 'NOT  '} {what}: {words}" for what, kept, words in findings)]
    return "\n".join(lines) + "\n"


def _median(histogram: NDArray[np.int64]) -> float:
    total = np.cumsum(histogram)
    if not total[-1]:
        return 0.0
    return float(EDGES[int(np.searchsorted(total, total[-1] / 2))])
