"""Modbus RTU (MODBUS over Serial Line V1.02 §2.5): unit, PDU, CRC. Pure, and bounded for any bytes.

An answer's length follows from its function code, not from pauses: USB adapters and networks do not keep pauses. Where
a frame does not check, the answer that is waited for is looked for behind it: noise in front of it costs nothing.
"""

from typing import Final

from gateway_modbus.frames import ERROR, FUNCTION, UNIT, Framing, unnumbered

LONGEST: Final = 256  # §2.5.1.1
_DAMAGED: Final = 0
_COUNTED: Final = frozenset({1, 2, 3, 4, 12, 17, 20, 21, 23})  # a byte count follows the function code
_FIXED: Final = {5: 8, 6: 8, 7: 5, 8: 8, 11: 8, 15: 8, 16: 8, 22: 10}  # bytes of the whole frame
_IDENTIFICATION: Final = 43  # MODBUS Application Protocol V1.1b3 §6.21: a list of objects
_OBJECTS: Final = 8  # where its objects begin: unit, function, MEI type, code, level, more, next, number


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_CRC: Final = _table()


def crc(data: bytes) -> bytes:
    """CRC-16 of `data` as it stands behind it, low byte first (§6.2.2)."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ _CRC[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def wrap(sent: bytes) -> bytes:
    """A request in Modbus TCP's form → RTU."""
    body = sent[UNIT:]
    return body + crc(body)


def _length(frame: bytes) -> int | None:
    """Bytes of the answer that begins `frame`; None as long as that cannot be told, 0 where it is none."""
    if len(frame) < 3:  # noqa: PLR2004 - unit, function, and what the length follows from
        return None
    function = frame[1]
    if function & ERROR:
        return 5
    if function in _COUNTED:
        return 5 + frame[2]
    return _identification(frame) if function == _IDENTIFICATION else _FIXED.get(function, _DAMAGED)


def _identification(frame: bytes) -> int | None:
    if len(frame) < _OBJECTS:
        return None
    at = _OBJECTS
    for _ in range(frame[_OBJECTS - 1]):
        if len(frame) < at + 2:
            return None
        at += 2 + frame[at + 1]
    return at + 2


def _end(stream: bytes, at: int) -> int | None:
    """Where the answer that begins at `at` ends, checked; None where it is not whole yet, 0 where it is none."""
    frame = stream[at : at + LONGEST]
    length = _length(frame)
    if length is None or length > len(frame):
        return None if len(frame) < LONGEST and (length or 0) <= LONGEST else _DAMAGED
    good = length and crc(frame[: length - 2]) == frame[length - 2 : length]
    return at + length if good else _DAMAGED


def _beginnings(stream: bytes, at: int, sent: bytes) -> list[int]:
    """Places behind `at` where an answer to `sent` may begin."""
    if not sent:
        return []
    heads = (sent[UNIT : FUNCTION + 1], bytes((sent[UNIT], sent[FUNCTION] | ERROR)))
    last = min(at + LONGEST, len(stream)) - 1
    return [place for place in range(at + 1, last) if stream[place : place + 2] in heads]


def _resume(stream: bytes, at: int, sent: bytes) -> int:
    """Where to go on when nothing whole begins at `at`: a whole answer, or else what may become one."""
    places = _beginnings(stream, at, sent)
    whole = [place for place in places if _end(stream, place)]
    open_ = [place for place in places if _end(stream, place) is None]
    if whole:
        return whole[0]
    if _end(stream, at) is None:
        return at
    return open_[0] if open_ else min(at + LONGEST, len(stream))


def cut(stream: bytes, sent: bytes) -> tuple[list[bytes], bytes, int]:
    """Cut a stream into checked answers, in Modbus TCP's form; see `Framing`. The rest is 256 bytes at most."""
    frames, at, dropped = [], 0, 0
    while at < len(stream):
        end = _end(stream, at)
        if end:
            frames.append(unnumbered(stream[at : end - 2]))
            at = end
            continue
        place = _resume(stream, at, sent)
        if place == at:
            break
        dropped, at = dropped + place - at, place
    return frames, stream[at:], dropped


RTU: Final = Framing(wrap, cut, tells=False)
