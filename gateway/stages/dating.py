"""When a row of an asset is: the newest source time of its tags, carried on by our own clock while none is newer.

OPC UA dates a value by its last change, read or subscribed to (OPC 10000-4 §7.11.3). What has jumped and then stays is
as true a minute later, and an alarm's delay must run meanwhile.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.stages.passing import Passing

I8 = NDArray[np.int64]


class Dating:
    """The newest source time of each of `count` assets, and how long it has been so. Times are Unix ns."""

    def __init__(self, count: int) -> None:
        self._source, self._since = np.zeros((2, count), np.int64)
        self._passing = Passing(count)

    def carry(self, assets: I8, source: I8, received: int) -> I8:
        """When the rows of `assets` (i8[B], each once) are, whose newest source times are `source`, as of `received`.

        It stays within the clock of the source, whatever that one says, and whatever ours is set to meanwhile.
        """
        passed = self._passing.step(assets, np.full(len(assets), received))
        since = np.where(source == self._source[assets], self._since[assets] + passed, 0)
        self._source[assets], self._since[assets] = source, since
        carried: I8 = source + since
        return carried
