"""A batch: what one device said in one scan, or in one publish response. Columns, never objects per reading."""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.tags import Group

Rows = slice | NDArray[np.uint32]


class Kind(IntEnum):
    """What a batch tells of its rows."""

    DATA = 0  # they were read now
    CONFIRM = 1  # they have not changed since: the source says so (keep-alive of a subscription); columns are empty
    LOST = 2  # the connection is gone: the runner says so; values NaN, status bad
    HISTORY = 3  # they were missed and come from the memory of the device: in the order of time, a row may repeat


@dataclass(slots=True)
class Batch:
    """Columns of n readings of one device.

    Attributes:
        device: id of the device (its place in the TagTable).
        group: id of the scan group, or -1 where the rows are not one whole group (subscriptions).
        rows: the rows, as one slice or as u4[n].
        value: f8[n], raw as the device sent them; NaN where status is bad.
        time: i8[n], source time, Unix ns UTC (the time of receipt where the protocol carries none).
        status: u4[n], OPC UA StatusCode.
        received: wall time of receipt, Unix ns UTC.
        other: what no f8 holds (text, arrays, structures, integers beyond 2**53), by row; value is NaN or the nearest.
        kind: data, confirmation or loss.
        sequence: counted per device by the runner, from 1.
        served: i8[n], when the server in between took note, Unix ns UTC, 0 where it does not say; None where nobody
            asked for it, or the protocol knows but one time.
    """

    device: int
    group: int
    rows: Rows
    value: NDArray[np.float64]
    time: NDArray[np.int64]
    status: NDArray[np.uint32]
    received: int
    other: dict[int, Any] = field(default_factory=dict)
    kind: Kind = Kind.DATA
    sequence: int = 0
    served: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.value)

    def chosen(self, mask: NDArray[np.bool_]) -> "Batch":
        """The readings that `mask` marks; what is no number stays with its row."""
        rows = (
            np.arange(self.rows.start, self.rows.stop, dtype=np.uint32) if isinstance(self.rows, slice) else self.rows
        )
        return replace(
            self,
            rows=rows[mask],
            value=self.value[mask],
            time=self.time[mask],
            status=self.status[mask],
            served=None if self.served is None else self.served[mask],
        )

    @classmethod
    def of(
        cls,
        group: Group,
        value: NDArray[np.float64],
        received: int,
        *,
        time: NDArray[np.int64] | None = None,
        status: NDArray[np.uint32] | None = None,
    ) -> "Batch":
        """A whole scan of `group`: one value a tag, good and of the time of receipt unless told otherwise."""
        n = len(group)
        time = np.full(n, received, np.int64) if time is None else time
        status = np.zeros(n, np.uint32) if status is None else status
        return cls(group.device, group.id, group.rows, value, time, status, received)

    @classmethod
    def failed(cls, group: Group, code: int, received: int, kind: Kind = Kind.DATA) -> "Batch":
        """A scan of `group` that gave nothing: every tag bad with `code`, never a number."""
        n = len(group)
        bad = np.full(n, code, np.uint32)
        times = np.full(n, received, np.int64)
        return cls(group.device, group.id, group.rows, np.full(n, np.nan), times, bad, received, kind=kind)

    @classmethod
    def confirm(cls, device: int, rows: Rows, received: int) -> "Batch":
        """`rows` still hold what they held: the source was heard and reported no change."""
        empty = np.empty(0)
        return cls(
            device, -1, rows, empty, empty.astype(np.int64), empty.astype(np.uint32), received, kind=Kind.CONFIRM
        )


class Sink(Protocol):
    """Where batches go. A plain call: it never blocks, never awaits and never raises."""

    def __call__(self, batch: Batch) -> None:
        """Take `batch`; its arrays belong to the sink from now on."""
