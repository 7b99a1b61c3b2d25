"""Input drift of a user's model: the slow mean of each of its tags, against the rows that the model was trained on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.models.baseline import Baseline
from gateway.models.manifest import Input


class Inputs:
    """The slow means of the tags of n assets; they go on when another version becomes active, not over a restart."""

    def __init__(self, width: int, spans: Sequence[float]) -> None:
        """`spans`, one an asset, in rows; 0: its drift is not followed."""
        self._baseline = Baseline(width, spans)
        self._m = np.zeros((len(spans), 1, 1, width))  # the slow means themselves
        self._known = np.zeros((len(spans), width), np.bool_)

    @property
    def drift(self) -> NDArray[np.float64]:
        """f8[n, D], how far each tag has moved from the training's mean, slowly, in scales of the manifest."""
        return self._baseline.shift

    def begin(self, inputs: Sequence[Input], places: NDArray[np.int64]) -> None:
        """Compare with what these `inputs` were trained on; `places` i8[n, D] says where each asset has their tags.

        An input whose manifest gives no mean and no scale is not followed.
        """
        told = np.array([one.mean != 0 or one.scale != 1 for one in inputs])
        mean = np.array([one.mean for one in inputs])
        scale = np.where(told, [one.scale for one in inputs], np.inf)
        for member, place in enumerate(places):
            of_tag = np.argsort(place)  # the input of each tag
            self._begin(member, mean[of_tag], scale[of_tag])

    def _begin(self, member: int, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        slow = np.where(self._known[member], self._m[member, 0, 0], mean)
        self._baseline.begin(member, mean, scale)
        self._baseline.put(member, (slow - mean) / scale, self._m)
        self._known[member] = np.isfinite(scale)

    def follow(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> None:
        """Take one row x[B, D] of each member; NaN where a tag is bad."""
        self._baseline.follow(members, x, np.ones(len(members)), self._m)
