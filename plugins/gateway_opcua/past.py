"""HistoryRead of raw values between bytes and columns (Part 4 §5.11.3, Part 11 §6.5.3). Pure; errors as in `codec`."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway_opcua.codec import SOURCE_TIMES, content_of, type_id
from gateway_opcua.columns import FILETIME_EPOCH, Columns
from gateway_opcua.datavalues import Decoder
from gateway_opcua.wire import I32, U32, CodecError, numeric_id, skip_bytes, skip_extension

HISTORY_REQUEST, HISTORY_RESPONSE = 664, 667  # encoding ids (Part 6 Annex A, NodeIds.csv)
_RAW_DETAILS, _DATA = 649, 658
_TICK: Final = 100  # ns
_DETAILS = struct.Struct("<?qqI?")  # modified values, start, end, most values of a node, bounds
_TAIL: Final = I32.pack(-1) + b"\x00\x00" + I32.pack(-1)  # of a HistoryReadValueId: no index range, default encoding


@dataclass(frozen=True, slots=True)
class Told:
    """What one node said.

    Attributes:
        status: StatusCode of its answer.
        more: continuation point, empty where nothing follows.
        columns: its values, in the order of the server.
    """

    status: int
    more: bytes
    columns: Columns


def raw_request(
    nodes: Sequence[tuple[bytes, bytes]],
    start: int,
    end: int,
    most: int,
    *,
    release: bool = False,
    times: int = SOURCE_TIMES,
) -> bytes:
    """A HistoryReadRequest behind its header.

    Args:
        nodes: binary node id and continuation point of each, the latter empty at first.
        start: Unix ns, included.
        end: Unix ns, left out by the standard and not by every server.
        most: values of each node in one answer.
        release: the continuation points are not needed any more; nothing is read.
        times: those asked for (TimestampsToReturn).
    """
    span = (instant // _TICK + FILETIME_EPOCH for instant in (start, end))
    details = _DETAILS.pack(False, *span, most, False)  # noqa: FBT003 - fields of a structure
    head = type_id(_RAW_DETAILS) + b"\x01" + I32.pack(len(details)) + details
    head += struct.pack("<i?i", times, release, len(nodes))
    return head + b"".join(
        node + _TAIL + (I32.pack(len(more)) + more if more else I32.pack(-1)) for node, more in nodes
    )


def decode_history(body: bytes, n: int) -> list[Told]:
    """What each of the `n` nodes of a request said.

    Raises:
        ServiceFaultError: the server refused the whole request.
        CodecError: it is no valid answer to it.
    """
    try:
        at = content_of(body, HISTORY_RESPONSE)
        (given,) = I32.unpack_from(body, at)
        if given != n:
            raise CodecError(f"the history of {n} nodes asked for, that of {given} given")
        told, at = [], at + 4
        for _ in range(n):
            one, at = _result(body, at)
            told.append(one)
    except (IndexError, struct.error) as error:
        raise CodecError(f"the answer is cut off: {error}") from error
    return told


def _result(body: bytes, at: int) -> tuple[Told, int]:
    """One HistoryReadResult and the position behind it."""
    (status,) = U32.unpack_from(body, at)
    start, at = at + 8, skip_bytes(body, at + 4)
    more = bytes(body[start:at])
    kind, content = numeric_id(body, at)
    end = skip_extension(body, at)
    if kind != _DATA or body[content] != 1:
        return Told(status, more, Columns.empty(0)), end
    data = body[content + 5 : end]  # behind how it is encoded, and its length
    (count,) = I32.unpack_from(data, 0)
    return Told(status, more, Decoder().decode(data, 4, count)[1]), end
