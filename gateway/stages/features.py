"""Second stage: which assets are due, and the row of values that their model sees.

An asset names tags. It is due when every scan group that holds one of them was read since it was last scored, or,
with a period of its own, when that has passed. All due assets of one model and width are gathered in one fancy index.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.quality import UNCERTAIN


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a cohort of B assets looks like now.

    Attributes:
        x: f8[B, D], NaN where the value is not good.
        good: i8[B], number of good tags.
        time: i8[B], newest source time among the good tags, Unix ns; 0 where none is good.
    """

    x: NDArray[np.float64]
    good: NDArray[np.int64]
    time: NDArray[np.int64]

    def without(self, left_out: NDArray[np.bool_]) -> "Gathered":
        """The same without the tags that `left_out` (mask [B, D]) marks: NaN, and not counted as good."""
        x = np.where(left_out, np.nan, self.x)
        return Gathered(x, np.count_nonzero(~np.isnan(x), axis=1), self.time)


def gather(
    index: NDArray[np.int64], value: NDArray[np.float64], status: NDArray[np.uint32], time: NDArray[np.int64]
) -> Gathered:
    """Take the tags `index` (i8[B, D], rows) out of the image's columns."""
    usable = status[index] < UNCERTAIN
    x = np.where(usable, value[index], np.nan)
    newest = np.where(usable, time[index], 0).max(axis=1)
    return Gathered(x, usable.sum(axis=1), newest)


class Readiness:
    """Which assets wait for which scan groups. A group that was lost is not waited for until it is read again.

    An asset whose tags all come from one group has nothing to wait for: it is due with each scan of it. Only the others
    (`pairs` of asset and group) are kept account of.
    """

    def __init__(self, groups_of_asset: Sequence[Sequence[int]], group_count: int) -> None:
        wanted = [sorted(set(groups)) for groups in groups_of_asset]
        self._pairs = pairs = [
            (asset, group) for asset, groups in enumerate(wanted) if len(groups) > 1 for group in groups
        ]
        self._asset = np.array([asset for asset, _ in pairs], np.int64)
        self._fresh = np.zeros(len(pairs), bool)
        self._absent = np.zeros(len(pairs), bool)
        self._missing = np.array([len(groups) for groups in wanted], np.int64)
        alone: list[list[int]] = [[] for _ in range(group_count)]
        shared: list[list[int]] = [[] for _ in range(group_count)]
        for asset, groups in enumerate(wanted):
            if len(groups) == 1:
                alone[groups[0]].append(asset)
        for place, (_, group) in enumerate(pairs):
            shared[group].append(place)
        self._alone = [np.array(assets, np.int64) for assets in alone]
        self._of_group = [np.array(places, np.int64) for places in shared]
        self._of_asset = _positions(self._asset, len(wanted))

    def read(self, groups: Sequence[int]) -> NDArray[np.int64]:
        """Note that `groups` (each once) were read; give the assets that are due now, and let them wait anew.

        A group that has come twice by then counts for the next row, too: when the loop was held up, the last scan of
        one row and the first of the next arrive together, and no row may be lost by that.
        """
        due = _joined([self._alone[group] for group in groups])
        pairs = _joined([self._of_group[group] for group in groups])
        if not len(pairs):
            return due
        again = pairs[self._fresh[pairs] & ~self._absent[pairs]]
        self._absent[pairs] = False
        self._arrive(pairs)
        touched = self._asset[pairs]
        complete = np.unique(touched[self._missing[touched] == 0])
        self._wait_anew(complete)
        if len(again):
            self._arrive(again[np.isin(self._asset[again], complete)])
        return np.concatenate([due, complete])

    def lost(self, groups: Iterable[int]) -> None:
        """Note that `groups` are gone: nobody waits for them."""
        pairs = _joined([self._of_group[group] for group in groups])
        if len(pairs):
            self._absent[pairs] = True
            self._arrive(pairs)

    def take_over(self, old: "Readiness", moved: Mapping[int, int]) -> None:
        """Go on from another account of the same assets; `moved`: the number that a scan group has here, by its old."""
        place = {pair: number for number, pair in enumerate(self._pairs)}
        for number, (asset, group) in enumerate(old._pairs):  # noqa: SLF001 - of its own class
            here = place.get((asset, moved.get(group, -1)))
            if here is not None:
                self._absent[here] = old._absent[number]  # noqa: SLF001 - of its own class
                if old._fresh[number]:  # noqa: SLF001 - of its own class
                    self._arrive(np.array([here]))

    def _arrive(self, pairs: NDArray[np.int64]) -> None:
        new = pairs[~self._fresh[pairs]]
        self._fresh[new] = True
        self._missing -= np.bincount(self._asset[new], minlength=len(self._missing))

    def _wait_anew(self, assets: NDArray[np.int64]) -> None:
        for asset in assets.tolist():
            mine = self._of_asset[asset]
            self._fresh[mine] = self._absent[mine]
            self._missing[asset] = np.count_nonzero(~self._absent[mine])


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _positions(asset: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """For each asset, where its pairs stand (`asset` is sorted)."""
    edges = np.searchsorted(asset, np.arange(count + 1))
    return [np.arange(edges[i], edges[i + 1]) for i in range(count)]
