"""Where everything stands in a message of mixed types.

Learnt by walking one message. It holds for a later one as long as the bytes that decide sizes (masks, types, lengths)
are the same, which one vector compare tells; each type is then gathered by one `take`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway_opcua.columns import NUMBERS, Columns
from gateway_opcua.wire import (
    HAS_SERVER_TIME,
    HAS_SOURCE_PICOSECONDS,
    HAS_SOURCE_TIME,
    HAS_STATUS,
    HAS_VALUE,
    MAX_MASK,
    SIZES,
    TAILS,
    CodecError,
    skip_variant,
)

Places = NDArray[np.intp]
_LENGTHS: Final = (12, 15, 16)  # String, ByteString, XmlElement: their size is their length
_ARRAY: Final = 0x80  # bit of the form byte; 0x40 besides means a matrix
_SIZE: Final = np.array([max(size, 0) for size in SIZES])


class Layout:
    """The places of all parts of n records, each `head` bytes and a DataValue, relative to the first."""

    def __init__(self, body: bytes, at: int, n: int, head: int) -> None:
        """Walk the message. Raises CodecError, IndexError or struct.error when it is cut off or no OPC UA."""
        masks, self._others, size = _walk(body, at, n, head)
        data = np.frombuffer(body, np.uint8, size, at)
        self._n, self._size = n, size
        self._heads = _places(masks - head, 4 if head else 0)
        self._kind = np.zeros(n, np.uint8)
        valued = np.flatnonzero(data[masks] & HAS_VALUE)
        self._kind[valued] = data[masks[valued] + 1]
        self._numbers = [
            (kind, rows, _places(masks[rows] + 2, SIZES[kind]))
            for kind in np.unique(self._kind).tolist()
            if kind in NUMBERS
            for rows in [np.flatnonzero(self._kind == kind)]
        ]
        self._place_tails(data, masks)
        self._place_guards(data, masks, valued)

    def _place_tails(self, data: NDArray[np.uint8], masks: Places) -> None:
        mask = data[masks]
        tail = masks + 1 + np.where(mask & HAS_VALUE, 1 + _SIZE[self._kind & 0x3F], 0)
        for row, (_, stop) in self._others.items():
            tail[row] = stop
        self._status_rows = np.flatnonzero(mask & HAS_STATUS)
        self._statuses = _places(tail[self._status_rows], 4)
        tail = tail + np.where(mask & HAS_STATUS, 4, 0)
        self._time_rows = np.flatnonzero(mask & HAS_SOURCE_TIME)
        self._times = _places(tail[self._time_rows], 8)
        tail = tail + np.where(mask & HAS_SOURCE_TIME, 8, 0) + np.where(mask & HAS_SOURCE_PICOSECONDS, 2, 0)
        self._server_rows = np.flatnonzero(mask & HAS_SERVER_TIME)
        self._server_times = _places(tail[self._server_rows], 8)

    def _place_guards(self, data: NDArray[np.uint8], masks: Places, valued: Places) -> None:
        guards = [_length_bytes(int(self._kind[row])) for row in self._others]
        self._steady = None not in guards  # structures and the like have no few bytes that decide their size
        long = np.array([row for row, guard in zip(self._others, guards, strict=True) if guard], np.intp)
        self._guards = np.concatenate([masks, masks[valued] + 1, _places(masks[long] + 2, 4)])
        self._expected = data[self._guards]

    def fits(self, data: NDArray[np.uint8], n: int) -> bool:
        """Whether the n records at the start of `data` stand where this layout says."""
        if not self._steady or n != self._n or len(data) < self._size:
            return False
        return bool((data.take(self._guards) == self._expected).all())

    def heads(self, data: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """The u4 in front of each record, u4[n]; empty where there is none."""
        return data.take(self._heads).view("<u4")

    def columns(self, data: NDArray[np.uint8]) -> Columns:
        """Every column."""
        columns = Columns.empty(self._n)
        columns.kind[:] = self._kind
        for kind, rows, places in self._numbers:
            columns.put(rows, kind, data.take(places).view(NUMBERS[kind]))
        columns.status[self._status_rows] = data.take(self._statuses).view("<u4")
        columns.filetime[self._time_rows] = data.take(self._times).view("<i8")
        if len(self._server_rows):
            columns.server = np.zeros(self._n, np.int64)
            columns.server[self._server_rows] = data.take(self._server_times).view("<i8")
        for row, (start, stop) in self._others.items():
            columns.put_other(row, data[start:stop].tobytes())
        return columns


def _places(starts: Places, size: int) -> Places:
    """The places of `size` bytes from each start, flat."""
    places: Places = (starts[:, None] + np.arange(size)).ravel()
    return places


def _length_bytes(kind: int) -> bool | None:
    """Whether its first four bytes decide the size of a value; False when it has one size, None when they do not."""
    if kind < len(SIZES) and SIZES[kind] >= 0:
        return False
    if kind in _LENGTHS or (kind & 0xC0 == _ARRAY and SIZES[kind & 0x3F] > 0):
        return True
    return None


def _walk(body: bytes, at: int, n: int, head: int) -> tuple[Places, dict[int, tuple[int, int]], int]:
    """The place of each mask, of each value that is no number (from, to), and the size of it all."""
    first, masks, others = at, [], {}
    for row in range(n):
        at += head
        mask = body[at]
        masks.append(at - first)
        at += 1
        if mask & HAS_VALUE:
            kind = body[at]
            if kind in NUMBERS or kind == 0:
                at += 1 + SIZES[kind]
            else:
                stop = skip_variant(body, at)
                others[row] = (at - first, stop - first)
                at = stop
        if mask > MAX_MASK:
            raise CodecError(f"data value with the reserved mask {mask:#x}")
        at += TAILS[mask]
    if at > len(body):
        raise CodecError("the message ends within a value")
    return np.array(masks, np.intp), others, at - first
