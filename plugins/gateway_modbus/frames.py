"""Modbus frames: requests made, a byte stream cut into answers, an answer judged. Pure, and bounded for any bytes.

Modbus TCP's own form (MODBUS Messaging on TCP/IP V1.0b §3.1.3) is the form in which every answer is judged:
transaction (2), protocol (2, zero), length (2), unit (1), then the PDU. Other framings are translated to it.
"""

import struct
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

HEADER: Final = 6  # bytes up to and with the length field, which counts all that follows
SHORTEST, LONGEST = 2, 254  # of the length field: unit + function, unit + 253 bytes of PDU
UNIT, FUNCTION = 6, 7  # where they stand
DATA: Final = 9  # where the payload of a read begins: header, unit, function, byte count
ERROR: Final = 0x80  # set in the function code of an exception answer
EXCEPTION_CODE: Final = 8
ANY: Final = -1  # size of an answer that is not a read's: all behind its function code is the payload


class GarbageError(ValueError):
    """The stream is not Modbus TCP, or has lost its frame boundaries: nothing behind this point can be trusted."""


class Verdict(Enum):
    """What an answer is to the request in flight."""

    GOOD = auto()  # its payload is the answer
    EXCEPTION = auto()  # the unit refuses; the byte at EXCEPTION_CODE says why
    SHORT = auto()  # the right transaction with the wrong amount of data
    LATE = auto()  # the answer to a request that was given up
    ALIEN = auto()  # the answer to nothing that was asked: other transaction, unit or function


@dataclass(slots=True)
class Request:
    """One request, ready to be sent: its bytes behind the transaction id, and where its payload goes."""

    tail: bytes
    size: int  # bytes of payload, or ANY
    store: Callable[[bytes], None]  # takes the payload of a good answer
    timeout: float
    delay: float = 0.0  # pause on the line before it
    head: bytes = field(init=False)  # how a good answer to a read goes on behind its transaction id, up to its payload
    length: int = field(init=False)  # of a good answer to a read, in Modbus TCP's form

    def __post_init__(self) -> None:
        size = max(self.size, 0)
        self.length = DATA + size
        self.head = struct.pack(">HHBBB", 0, 3 + size, self.tail[4], self.tail[5], size)

    @property
    def begins(self) -> int:
        """Where the payload begins in an answer."""
        return DATA if self.size >= 0 else FUNCTION + 1


def read_request(unit: int, function: int, start: int, count: int) -> bytes:
    """A read request without its transaction id: 10 bytes that follow the id's two."""
    return struct.pack(">HHBBHH", 0, HEADER, unit, function, start, count)


def request(unit: int, pdu: bytes) -> bytes:
    """Any request without its transaction id."""
    return struct.pack(">HHB", 0, 1 + len(pdu), unit) + pdu


def cut(stream: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream into whole frames and the rest, which is shorter than one frame (260 bytes).

    Raises:
        GarbageError: a header has another protocol id than 0 or an impossible length.
    """
    frames, at, size = [], 0, len(stream)
    while size - at >= HEADER:
        length = stream[at + 4] << 8 | stream[at + 5]
        if stream[at + 2] or stream[at + 3] or not SHORTEST <= length <= LONGEST:
            raise GarbageError(f"no Modbus TCP header: {stream[at : at + HEADER].hex(' ')}")
        end = at + HEADER + length
        if end > size:
            break
        frames.append(stream[at:end])
        at = end
    return frames, stream[at:]


def judge(frame: bytes, sent: bytes, size: int, given_up: Container[bytes] = ()) -> Verdict:
    """What `frame` is to the request `sent`.

    Args:
        frame: one whole frame, as `cut` gives it.
        sent: the request in flight with its transaction id; empty when there is none.
        size: bytes of payload that the request must bring, or ANY.
        given_up: transaction ids (two bytes each) of requests that were given up.
    """
    if frame[:2] != sent[:2]:
        return Verdict.LATE if frame[:2] in given_up else Verdict.ALIEN
    if frame[UNIT] != sent[UNIT] or frame[FUNCTION] & ~ERROR != sent[FUNCTION]:
        return Verdict.ALIEN
    if frame[FUNCTION] & ERROR:
        return Verdict.EXCEPTION if len(frame) == EXCEPTION_CODE + 1 else Verdict.SHORT
    whole = size == ANY or (len(frame) == DATA + size and frame[DATA - 1] == size)
    return Verdict.GOOD if whole else Verdict.SHORT


@dataclass(frozen=True, slots=True)
class Framing:
    """One way to put requests on a wire and to take answers from it.

    Attributes:
        wrap: a request in Modbus TCP's form → its bytes on this wire.
        cut: (stream, request in flight or b"") → (answers in Modbus TCP's form, rest, bytes that were dropped).
        tells: whether an answer names its request, so that a late one is always known; without, transaction is 0.
    """

    wrap: Callable[[bytes], bytes]
    cut: Callable[[bytes, bytes], tuple[list[bytes], bytes, int]]
    tells: bool


def unnumbered(body: bytes) -> bytes:
    """Unit and PDU of a framing without transaction ids, in Modbus TCP's form."""
    return struct.pack(">HHH", 0, 0, len(body)) + body


TCP: Final = Framing(wrap=bytes, cut=lambda stream, _: (*cut(stream), 0), tells=True)
