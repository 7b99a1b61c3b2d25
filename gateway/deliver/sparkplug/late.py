"""Metrics as they lay in the outbox, sent late: marked as historical, or only those that still mean something."""

from collections.abc import Callable, Iterator

import numpy as np

from gateway.deliver.sparkplug.forms import ALIAS

_AT_ONCE = 4096  # metrics that are looked at together


def historical(metrics: bytes) -> bytes:
    """The same metrics, marked as historical. Those of one width that follow one another are marked at once."""
    body = bytearray(metrics)
    column, at = np.frombuffer(body, np.uint8), 0
    while at < len(body):
        start, end = _content(body, at)
        width = end - at
        rows = column[at : at + width * min(_AT_ONCE, (len(body) - at) // width)].reshape(-1, width)
        alike = (rows[:, : start - at] == rows[0, : start - at]).all(axis=1)
        run = len(rows) if alike.all() else int(alike.argmin())
        rows[:run, start - at + 1] = 1  # behind 0x28, the key of is_historical
        at += run * width
    return bytes(body)


def chosen(metrics: bytes, known: Callable[[int], bool]) -> tuple[bytes, int]:
    """Those of the metrics whose alias is known, and how many are not."""
    kept, left_out = bytearray(), 0
    for at, start, end in _each(metrics):
        if known(_unpadded(metrics[start + 3 : start + 3 + ALIAS])):
            kept += metrics[at:end]
        else:
            left_out += 1
    return bytes(kept), left_out


def _each(metrics: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each metric begins, where its content does, and where it ends."""
    at = 0
    while at < len(metrics):
        start, end = _content(metrics, at)
        yield at, start, end
        at = end


def _content(metrics: bytes | bytearray, at: int) -> tuple[int, int]:
    """Where the content of the metric at `at` begins, and where it ends: behind 0x12 stands its length."""
    start = at + 2
    while metrics[start - 1] & 0x80:
        start += 1
    return start, start + _unpadded(metrics[at + 1 : start])


def _unpadded(varint: bytes | bytearray) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(varint))
