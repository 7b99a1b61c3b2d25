"""When a scan group is due: absolute deadlines on a grid, skipped rather than burst.

A group of period T and phase p is due at p*T + k*T. Connections get different phases so that devices are not all
asked in the same instant. Overdue ticks are counted and dropped: a slow device is never asked twice in a row for it.
"""

import heapq
import math
from collections.abc import Iterable

from gateway.sdk.tags import Group


def next_due(now: float, period: float, phase: float) -> float:
    """The first instant after `now` on the grid of `period` seconds, shifted by `phase` periods (0 ≤ phase < 1)."""
    shift = phase * period
    return (math.floor((now - shift) / period + 1e-9) + 1) * period + shift


class Schedule:
    """The scan groups of one connection, by due time: a fair queue, since a group that was served goes to the back."""

    def __init__(self, groups: Iterable[Group], phase: float, now: float) -> None:
        self._phase = phase
        self._heap = [(now, group.id, group) for group in groups]  # the first reads come at once, then on the grid
        heapq.heapify(self._heap)
        self.overdue = 0  # ticks that were skipped because the group was still being served, or the loop was late

    def pop(self) -> tuple[float, Group]:
        """Take the next group and the instant when it is due. `push` gives it back."""
        due, _, group = heapq.heappop(self._heap)
        return due, group

    def push(self, group: Group, due: float, now: float) -> None:
        """Give a served group back; `due` is the instant that it was served for."""
        following = next_due(max(now, due), group.every, self._phase)
        if following - due < group.every / 2:
            following += group.every  # the first read comes at once, off the grid: no second one right behind it
        self.overdue += max(0, int((following - due) / group.every + 0.01) - 1)
        heapq.heappush(self._heap, (following, group.id, group))

    def __len__(self) -> int:
        return len(self._heap)
