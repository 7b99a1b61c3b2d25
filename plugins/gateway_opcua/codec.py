"""The two services that carry readings, Read and Publish, between bytes and columns (Part 4 §5.11.2, §5.14.5). Pure.

Whatever a server sends, the one error that comes out of here is CodecError, and ServiceFaultError for a refusal.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.sdk import quality
from gateway_opcua.columns import FILETIME_EPOCH, Columns
from gateway_opcua.datavalues import Decoder
from gateway_opcua.wire import (
    I32,
    U32,
    CodecError,
    numeric_id,
    skip_array,
    skip_bytes,
    skip_diagnostics,
    skip_extension,
)

# Encoding ids of the messages (Part 6 Annex A, NodeIds.csv).
READ_REQUEST, READ_RESPONSE = 631, 634
PUBLISH_REQUEST, PUBLISH_RESPONSE = 826, 829
CALL_REQUEST, CALL_RESPONSE = 712, 715
SERVICE_FAULT: Final = 397
_DATA_CHANGE, _STATUS_CHANGE, _EVENTS = 811, 820, 916

ATTRIBUTE_VALUE: Final = 13
SOURCE_TIMES, BOTH_TIMES = 0, 2  # TimestampsToReturn (Part 4 §7.39): source only is 8 bytes a value less
_TAIL: Final = I32.pack(-1) + b"\x00\x00" + I32.pack(-1)  # of a ReadValueId: no index range, default encoding
_SENT: Final = struct.Struct("<Iq")  # number of a message, and when it was published
_HEADER = struct.Struct("<qIIiI3x")  # timestamp, handle, diagnostics, audit id (null), timeout hint, no further header


class ServiceFaultError(Exception):
    """The server refused a request.

    Attributes:
        code: the StatusCode that it gave.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with 0x{code:08X}")
        self.code = code


def request_header(token: bytes, wall_ns: int, handle: int, timeout: float) -> bytes:
    """RequestHeader (Part 4 §7.33). The time must be real: some servers refuse what is far from theirs."""
    return token + _HEADER.pack(wall_ns // 100 + FILETIME_EPOCH, handle, 0, -1, int(timeout * 1000))


def type_id(number: int) -> bytes:
    """The type of a message, in front of its header."""
    return struct.pack("<BBH", 1, 0, number)


class ReadPlan:
    """A Read of the same nodes again and again: its request is encoded once, its layout remembered.

    Attributes:
        request: the request behind its header.
    """

    def __init__(
        self, nodes: Sequence[bytes], attributes: int | Sequence[int] = ATTRIBUTE_VALUE, times: int = SOURCE_TIMES
    ) -> None:
        """`nodes`: their binary node ids; `attributes`: which one of them all, or of each; `times`: those asked for."""
        each = [attributes] * len(nodes) if isinstance(attributes, int) else attributes
        head = struct.pack("<dii", 0.0, times, len(nodes))  # maxAge 0: from the device, not from a cache
        self.request = head + b"".join(node + U32.pack(one) + _TAIL for node, one in zip(nodes, each, strict=True))
        self._n = len(nodes)
        self._decoder = Decoder()

    def __len__(self) -> int:
        return self._n

    @property
    def walks(self) -> int:
        """Responses whose layout had to be learnt."""
        return self._decoder.walks

    def decode(self, body: bytes) -> Columns:
        """The columns of a ReadResponse, one entry a node.

        Raises:
            ServiceFaultError: the server refused the whole request.
            CodecError: it is no valid answer to this request.
        """
        try:
            at = content_of(body, READ_RESPONSE)
            (n,) = I32.unpack_from(body, at)
            if n != self._n:
                raise CodecError(f"{self._n} values asked for, {n} given")
            return self._decoder.decode(body, at + 4, n)[1]
        except (IndexError, struct.error) as error:
            raise CodecError(f"the answer is cut off: {error}") from error


@dataclass(slots=True)
class Published:
    """What one PublishResponse says.

    Attributes:
        subscription: its id.
        sequence: number of the message; of a keep-alive, that of the next message.
        more: further messages wait on the server.
        changes: ClientHandles u4[n] and columns, in the order of the message; empty for a keep-alive.
        closed: StatusCode with which the server ended the subscription, or None.
        keep_alive: it says nothing but that the server is there.
        published: when it left the server, in 100 ns since 1601.
        events: bodies of lists of events, as they came.
    """

    subscription: int
    sequence: int
    more: bool
    changes: list[tuple[NDArray[np.uint32], Columns]]
    closed: int | None = None
    keep_alive: bool = False
    published: int = 0
    events: list[bytes] = field(default_factory=list)


def publish_request(acknowledged: Sequence[tuple[int, int]]) -> bytes:
    """A PublishRequest behind its header: (subscription, sequence) of each message that has arrived."""
    return I32.pack(len(acknowledged)) + b"".join(struct.pack("<II", *one) for one in acknowledged)


class PublishDecoder:
    """Decodes PublishResponses."""

    def __init__(self) -> None:
        self._decoder = Decoder(head=4)

    def decode(self, body: bytes) -> Published:
        """Read one PublishResponse.

        Raises:
            ServiceFaultError: the server refused the request.
            CodecError: it is no valid answer.
        """
        try:
            return self._message(body, content_of(body, PUBLISH_RESPONSE))
        except (IndexError, struct.error) as error:
            raise CodecError(f"the message is cut off: {error}") from error

    def message(self, body: bytes, subscription: int) -> Published:
        """Read one NotificationMessage by itself, as Republish gives it. Raises CodecError."""
        try:
            return self._content(body, 0, Published(subscription, 0, more=True, changes=[]))
        except (IndexError, struct.error) as error:
            raise CodecError(f"the message is cut off: {error}") from error

    def _message(self, body: bytes, at: int) -> Published:
        (subscription,) = U32.unpack_from(body, at)
        at = skip_array(body, at + 4, 4)  # sequence numbers that could be asked for again
        more = body[at] != 0
        return self._content(body, at + 1, Published(subscription, 0, more, []))

    def _content(self, body: bytes, at: int, message: Published) -> Published:
        message.sequence, message.published = _SENT.unpack_from(body, at)
        at += _SENT.size
        (count,) = I32.unpack_from(body, at)
        at += 4
        message.keep_alive = count <= 0
        if count > len(body) - at:
            raise CodecError(f"{count} notifications announced, {len(body) - at} bytes left")
        for _ in range(count):
            at = self._notification(body, at, message)
        return message

    def _notification(self, body: bytes, at: int, message: Published) -> int:
        kind, content = numeric_id(body, at)
        end = skip_extension(body, at)
        has_body, content = body[content] == 1, content + 5  # encoding byte and length
        if has_body and kind == _DATA_CHANGE:
            (n,) = I32.unpack_from(body, content)
            message.changes.append(self._decoder.decode(body[:end] if end < len(body) else body, content + 4, n))
        elif has_body and kind == _STATUS_CHANGE:
            (message.closed,) = U32.unpack_from(body, content)
        elif has_body and kind == _EVENTS:
            message.events.append(body[content:end])
        return end


def content_of(body: bytes, wanted: int) -> int:
    """Step over type and ResponseHeader (Part 4 §7.34) to the content of a good response of the type wanted."""
    kind, at = numeric_id(body, 0)
    (code,) = U32.unpack_from(body, at + 12)  # behind the time and the handle of the request
    at = skip_diagnostics(body, at + 16)
    (strings,) = I32.unpack_from(body, at)
    at += 4
    if strings > len(body) - at:
        raise CodecError(f"{strings} strings announced, {len(body) - at} bytes left")
    for _ in range(strings):
        at = skip_bytes(body, at)
    at = skip_extension(body, at)
    if kind == SERVICE_FAULT or code >= quality.BAD:
        raise ServiceFaultError(code)
    if kind != wanted:
        raise CodecError(f"message of type {kind} where {wanted} was due")
    return at
