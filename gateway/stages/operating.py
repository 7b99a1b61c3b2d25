"""Whether a machine is in the state in which it is judged: by a condition over tags, and not before it has settled.

A start or a stop is no anomaly, and a limit of the running machine says nothing about the resting one: suppression by
design (ISA-18.2 §3.1). What is not known (a tag of the condition is not good) is no reason to judge, and no reason to
suppress what was raised before.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.expression import Expression, Known
from gateway.sdk.quality import UNCERTAIN
from gateway.stages.passing import Passing

SECOND: Final = 1_000_000_000
_NEVER: Final = np.int64(-1)


class Runs(IntEnum):
    """What is known of a machine."""

    NO = 0
    YES = 1
    SETTLING = 2  # the condition holds, and has not for long enough
    UNKNOWN = 3


class When(NamedTuple):
    """A condition, the rows of its tags in the order of its names, and the ns that it must have held."""

    condition: Expression
    rows: tuple[int, ...]
    settle: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at some assets has found; numbers of assets.

    Attributes:
        judged: those to be judged.
        resting: those that are not.
        stopped: whose condition holds no more since the last look.
        started: which are judged again since the last look.
    """

    judged: NDArray[np.int64]
    resting: NDArray[np.int64]
    stopped: list[int]
    started: list[int]


class Operating:
    """The conditions of n assets; equal ones are looked at once."""

    def __init__(self, whens: Sequence[When | None]) -> None:
        """One an asset; None: it is always judged."""
        self.whens = tuple(whens)
        self.runs = np.array([Runs.YES if when is None else Runs.UNKNOWN for when in whens], np.uint8)
        self._always = np.array([when is None for when in whens])
        self._held = np.full(len(whens), _NEVER)  # ns that it has held
        self._passing = Passing(len(whens))

    def take_over(self, old: "Operating") -> None:
        """Go on from another account of the same assets."""
        self.runs, self._passing, self._held = old.runs, old._passing, old._held  # noqa: SLF001 - of its own class

    def look(
        self, assets: NDArray[np.int64], value: NDArray[np.float64], status: NDArray[np.uint32], time: int
    ) -> Look:
        """Look at the conditions of `assets`.

        Args:
            assets: i8[B], each at most once.
            value: f8[N], the last value of every row.
            status: u4[N], its StatusCode.
            time: of what has come, Unix ns; only differences count.
        """
        stopped, started = list[int](), list[int]()
        alike: defaultdict[tuple[Expression, tuple[int, ...]], list[int]] = defaultdict(list)
        whose = assets[~self._always[assets]]
        passed = dict(zip(whose.tolist(), self._passing.step(whose, np.full(len(whose), time)).tolist(), strict=True))
        for asset in passed:
            when = self.whens[asset]
            assert when is not None  # noqa: S101 - those without are always judged
            alike[when.condition, when.rows].append(asset)
        for (condition, rows), members in alike.items():
            holds = condition([_known(row, value, status) for row in rows])
            for asset in members:
                before, now = self.runs[asset], self._now(asset, holds, passed[asset])
                self.runs[asset] = now
                if now != before and now in (Runs.NO, Runs.YES):
                    (started if now == Runs.YES else stopped).append(asset)
        runs = self.runs[assets] == Runs.YES
        return Look(assets[runs], assets[~runs], stopped, started)

    def _now(self, asset: int, holds: Known, passed: int) -> Runs:
        when, held = self.whens[asset], int(self._held[asset])
        assert when is not None  # noqa: S101 - the caller has looked
        if not holds:
            self._held[asset] = _NEVER
            return Runs.UNKNOWN if holds is None else Runs.NO
        self._held[asset] = held = 0 if held == _NEVER else held + passed
        return Runs.YES if held >= when.settle else Runs.SETTLING


def _known(row: int, value: NDArray[np.float64], status: NDArray[np.uint32]) -> Known:
    return float(value[row]) if status[row] < UNCERTAIN and np.isfinite(value[row]) else None
