"""Bytes to text: UTF-8 without control characters, or the place of the first byte that is none."""

import re
from typing import Final

from gateway.config.problems import Path, Place

MAX_BYTES: Final = 64 * 2**20

_BREAK: Final = re.compile(r"\r\n|\r|\n")
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class StopError(Exception):
    """The rest of the file makes no sense any more.

    Attributes:
        place: line and column; line 0 is the whole file.
        path: of the value, where it is known.
        message: a sentence.
    """

    def __init__(self, place: Place, path: Path, message: str) -> None:
        super().__init__(message)
        self.place, self.path, self.message = place, path, message


def decode(raw: bytes) -> str:
    """The text in `raw`. Raises StopError."""
    if len(raw) > MAX_BYTES:
        raise StopError((0, 0), (), f"the file is larger than {MAX_BYTES // 2**20} MiB")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise StopError((0, 0), (), "the file is UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        raise StopError(_place_after(before), (), f"byte 0x{raw[error.start]:02x} is not UTF-8 text") from error
    if match := _UNPRINTABLE.search(text):
        place = _place_after(text[: match.start()])
        raise StopError(place, (), f"control character U+{ord(match[0]):04X}; only text belongs here")
    return text


def lines(text: str) -> list[str]:
    """The lines of `text`, broken where libyaml breaks them."""
    return _BREAK.split(text)


def _place_after(text: str) -> Place:
    before = lines(text)
    return len(before), len(before[-1]) + 1
