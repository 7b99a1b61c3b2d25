"""Modbus TCP frames: requests made, a byte stream cut into answers, an answer judged. Pure, and bounded for any bytes.

MODBUS Messaging on TCP/IP V1.0b §3.1.3: transaction (2), protocol (2, zero), length (2), unit (1), then the PDU.
"""

import struct
from collections.abc import Callable, Container
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

HEADER: Final = 6  # bytes up to and with the length field, which counts all that follows
SHORTEST, LONGEST = 2, 254  # of the length field: unit + function, unit + 253 bytes of PDU
DATA: Final = 9  # where the payload of a read begins: header, unit, function, byte count
ERROR: Final = 0x80  # set in the function code of an exception answer


class GarbageError(ValueError):
    """The stream is not Modbus TCP, or has lost its frame boundaries: nothing behind this point can be trusted."""


class Verdict(Enum):
    """What an answer is to the request in flight."""

    GOOD = auto()  # its payload is the answer
    EXCEPTION = auto()  # the unit refuses; the byte at EXCEPTION_CODE says why
    SHORT = auto()  # the right transaction with the wrong amount of data
    LATE = auto()  # the answer to a request that was given up
    ALIEN = auto()  # the answer to nothing that was asked: other transaction, unit or function


EXCEPTION_CODE: Final = 8


@dataclass(slots=True)
class Request:
    """A read, ready to be sent: its bytes behind the transaction id, and where its payload goes."""

    tail: bytes
    size: int  # bytes of payload
    store: Callable[[bytes], None]  # takes the payload of a good answer
    timeout: float
    delay: float = 0.0  # pause on the line before it


def read_request(unit: int, function: int, start: int, count: int) -> bytes:
    """A read request without its transaction id: 10 bytes that follow the id's two."""
    return struct.pack(">HHBBHH", 0, HEADER, unit, function, start, count)


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
        size: bytes of payload that the request must bring.
        given_up: transaction ids (two bytes each) of requests that were given up.
    """
    if frame[:2] != sent[:2]:
        return Verdict.LATE if frame[:2] in given_up else Verdict.ALIEN
    if frame[6] != sent[6] or frame[7] & ~ERROR != sent[7]:
        return Verdict.ALIEN
    if frame[7] & ERROR:
        return Verdict.EXCEPTION if len(frame) == EXCEPTION_CODE + 1 else Verdict.SHORT
    whole = len(frame) == DATA + size and frame[DATA - 1] == size
    return Verdict.GOOD if whole else Verdict.SHORT
