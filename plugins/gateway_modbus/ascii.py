"""Modbus ASCII (MODBUS over Serial Line V1.02 §2.5.2): colon, hexadecimal digits, LRC, CR LF. Pure, and bounded."""

import re
from typing import Final

from gateway_modbus.frames import UNIT, Framing, unnumbered

LONGEST: Final = 513  # §2.5.2.1
_FRAME: Final = re.compile(rb"(?:[0-9A-Fa-f]{2}){3,255}")  # unit, function, ..., LRC


def lrc(data: bytes) -> int:
    """Two's complement of the sum (§6.2.1)."""
    return -sum(data) & 0xFF


def wrap(sent: bytes) -> bytes:
    """A request in Modbus TCP's form → ASCII."""
    body = sent[UNIT:]
    return b":" + (body + bytes((lrc(body),))).hex().upper().encode() + b"\r\n"


def _body(line: bytes) -> bytes:
    """Unit and PDU of what stands between colon and CR LF; empty where it does not check."""
    if not _FRAME.fullmatch(line):
        return b""
    frame = bytes.fromhex(line.decode("ascii"))
    return frame[:-1] if lrc(frame[:-1]) == frame[-1] else b""


def cut(stream: bytes, _sent: bytes = b"") -> tuple[list[bytes], bytes, int]:
    """Cut a stream into checked answers, in Modbus TCP's form; see `Framing`. The rest is 512 bytes at most."""
    frames, dropped = [], 0
    *lines, rest = stream.split(b"\r\n")
    for line in lines:
        start = line.rfind(b":")  # a colon always begins anew (§2.5.2.1)
        body = _body(line[start + 1 :]) if start >= 0 else b""
        if body:
            frames.append(unnumbered(body))
        dropped += max(start, 0) if body else len(line) + 2
    start = rest.rfind(b":")
    kept = rest[start:] if start >= 0 and len(rest) - start < LONGEST else b""
    return frames, kept, dropped + len(rest) - len(kept)


ASCII: Final = Framing(wrap, cut, tells=False)
