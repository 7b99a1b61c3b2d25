"""Reading what was missed, for adapters whose devices remember: a capability of its own.

The gateway notes what it has of each tag. After an outage it asks for what lies between, beside the live readings.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.batch import Batch


@dataclass(frozen=True, slots=True)
class Memory:
    """What one device remembers.

    Attributes:
        device: its id.
        rows: u4[n], the tags of which it keeps a history.
        longest: s; what is longer ago than that is not asked for.
        rate: readings per second at which it may be asked, at most.
    """

    device: int
    rows: NDArray[np.uint32]
    longest: float
    rate: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Where readings of one device are missing. Both ends were read and are not to be told again.

    Attributes:
        device: its id.
        rows: u4[n].
        since: i8[n], source time of the last reading before the gap, Unix ns.
        until: i8[n], source time of the first reading behind it.
    """

    device: int
    rows: NDArray[np.uint32]
    since: NDArray[np.int64]
    until: NDArray[np.int64]


@runtime_checkable
class ReadsHistory(Protocol):
    """An adapter whose devices can say what they held in the past."""

    async def remembers(self) -> Sequence[Memory]:
        """Ask the devices, once after each connect, of which tags they keep a history. Raises DisconnectedError."""

    def missed(self, gap: Gap) -> AsyncGenerator[Batch, None]:
        """What was held in `gap`: batches of kind HISTORY in the order of time; one with `other` has no row twice.

        The device is asked piece by piece, only when the next batch is wanted, in bounded time and memory.

        Raises:
            TimeoutError: no answer; the rest may be asked for later.
            DisconnectedError: the connection is lost.
        """
