"""A segment written anew with fewer records: what is over the budget costs resolution before it costs time.

Belongs to the store thread. The new file takes the old one's name in one step, so a crash leaves one of both; its
records keep the old sequences, so what was merged is a gap that the accounts know as `thinned`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.deliver import segments
from gateway.deliver.event import Class
from gateway.deliver.ledger import Record, Tally
from gateway.deliver.recovery import Segment
from gateway.ops.files import Files

_WORTH: Final = 0.75  # of the old size; what saves less is not written
_FRESH: Final = "thinned.new"  # a crash may leave it; the next one begins anew

Merge = Callable[[Sequence[Record]], list[Record]]
"""Telemetry in order → fewer records in its place; the last one keeps its sequence."""


def thin_segment(files: Files, folder: Path, segment: Segment, merge: Merge) -> Tally | None:
    """Write `segment` anew. Gives what it holds now; None where that would save too little.

    Raises:
        OSError: the old file is still there, whole.
    """
    data = files.read(segment.path, 0, segment.size)
    if segments.decode_header(data) is None:
        return None
    kept = merge(list(_records(data, segment)))
    fresh = data[: segments.HEADER_SIZE] + b"".join(encoded(kept))
    if len(fresh) > _WORTH * segment.size:
        return None
    _replace(files, folder, segment.path, fresh)
    segment.size = len(fresh)
    return Tally.of(kept)


def encoded(records: Sequence[Record]) -> Iterator[bytes]:
    """The bytes of `records`, in parts."""
    for record in records:
        yield from segments.encode(record.sequence, record.readings, record.topic.encode(), record.body)


def _records(data: bytes, segment: Segment) -> Iterator[Record]:
    last = segment.first - 1
    for found in segments.scan(data, segments.HEADER_SIZE):
        if last < found.sequence <= segment.last:
            last = found.sequence
            topic, body = segments.topic_of(data, found), data[found.body : found.end]
            size = found.end - found.start
            yield Record(Class.TELEMETRY, last, topic, body, found.readings, segment.born, size)


def _replace(files: Files, folder: Path, path: Path, data: bytes) -> None:
    fresh = folder / _FRESH
    with suppress(FileNotFoundError):
        files.unlink(fresh)  # not cut: after a crash in a rename both names may mean one file
    handle = files.open_append(fresh)
    try:
        files.append(handle, data)
        files.fsync(handle)
    finally:
        files.close(handle)
    files.rename(fresh, path)
    files.fsync_dir(folder)
