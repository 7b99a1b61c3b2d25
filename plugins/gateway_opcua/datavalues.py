"""A run of DataValues into columns, without an object per value.

A message whose records all look alike is read as one structured array; one of mixed types by its layout.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway_opcua.columns import NUMBERS, Columns
from gateway_opcua.layout import Layout
from gateway_opcua.wire import (
    HAS_SERVER_PICOSECONDS,
    HAS_SERVER_TIME,
    HAS_SOURCE_PICOSECONDS,
    HAS_SOURCE_TIME,
    HAS_STATUS,
    HAS_VALUE,
    MAX_MASK,
    CodecError,
)

Heads = NDArray[np.uint32]
_NO_HEADS: Heads = np.empty(0, np.uint32)


class Decoder:
    """Decodes messages of one kind, and remembers the layout of the last mixed one."""

    def __init__(self, head: int = 0) -> None:
        """`head`: bytes in front of each DataValue; in a MonitoredItemNotification the four of its ClientHandle."""
        self._head = head
        self._layout: Layout | None = None
        self.walks = 0  # messages whose layout had to be learnt

    def decode(self, body: bytes, at: int, n: int) -> tuple[Heads, Columns]:
        """The heads (u4[n], empty without) and the columns of the n records at `at`.

        Raises:
            CodecError, IndexError, struct.error: the message is cut off or no OPC UA.
        """
        if n <= 0:
            return _NO_HEADS, Columns.empty(0)
        if n > (len(body) - at) // (self._head + 1):
            raise CodecError(f"{n} values announced, {len(body) - at} bytes left")
        heads, columns = _alike(body, at, n, self._head) or self._by_layout(body, at, n)
        columns.settle()
        return heads, columns

    def _by_layout(self, body: bytes, at: int, n: int) -> tuple[Heads, Columns]:
        data = np.frombuffer(body, np.uint8, offset=at)
        layout = self._layout
        if layout is None or not layout.fits(data, n):
            layout = self._layout = Layout(body, at, n, self._head)
            self.walks += 1
        return layout.heads(data), layout.columns(data)


def _alike(body: bytes, at: int, n: int, head: int) -> tuple[Heads, Columns] | None:
    """Read n records that all look like the first one; None when they do not."""
    mask = body[at + head]
    kind = body[at + head + 1] if mask & HAS_VALUE else 0
    record = _record(mask, kind, head)
    if record is None or n * record.itemsize > len(body) - at:
        return None
    records = np.frombuffer(body, record, n, at)
    if not (records["mask"] == mask).all() or (kind and not (records["kind"] == kind).all()):
        return None
    columns = Columns.empty(n)
    columns.kind[:] = kind
    if kind:
        columns.put(slice(None), kind, records["value"])
    if mask & HAS_STATUS:
        columns.status[:] = records["status"]
    if mask & HAS_SOURCE_TIME:
        columns.filetime[:] = records["time"]
    if mask & HAS_SERVER_TIME:
        columns.server = records["server_time"].astype(np.int64)
    return records["head"].astype(np.uint32) if head else _NO_HEADS, columns


@lru_cache(maxsize=256)
def _record(mask: int, kind: int, head: int) -> np.dtype[np.void] | None:
    """The record of a DataValue with this mask and type (Part 6 §5.2.2.17); None where its size varies."""
    if mask > MAX_MASK or (mask & HAS_VALUE and kind not in NUMBERS):
        return None
    fields = [("head", "<u4")] if head else []
    fields.append(("mask", "u1"))
    if mask & HAS_VALUE:
        fields += [("kind", "u1"), ("value", NUMBERS[kind])]
    tail = (
        (HAS_STATUS, "status", "<u4"),
        (HAS_SOURCE_TIME, "time", "<i8"),
        (HAS_SOURCE_PICOSECONDS, "picoseconds", "<u2"),
        (HAS_SERVER_TIME, "server_time", "<i8"),
        (HAS_SERVER_PICOSECONDS, "server_picoseconds", "<u2"),
    )
    return np.dtype(fields + [(name, form) for bit, name, form in tail if mask & bit])
