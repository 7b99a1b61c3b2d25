"""Records read back from disk, in order, each segment once: where the last call ended, the next one goes on."""

from collections.abc import Iterator, Sequence

from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.deliver.recovery import Segment
from gateway.deliver.segments import Found, scan, topic_of
from gateway.ops.files import Files


class Reader:
    """Reads one class back."""

    def __init__(self, files: Files, cls: Class) -> None:
        self._files, self._cls = files, cls
        self._after = -1  # the last sequence that was read
        self._number = self._offset = 0  # where: segment, and place in it

    def records(self, segments: Sequence[Segment], after: int, piece: int) -> Iterator[Record]:
        """The records behind sequence `after`, read in pieces of some `piece` bytes.

        Raises:
            OSError: a segment cannot be read; the next call goes on behind it.
        """
        if after != self._after:
            self._after, self._number = after, 0
        for segment in [segment for segment in segments if segment.last > after]:
            if segment.number > self._number:
                self._number, self._offset = segment.number, 0
            if segment.number == self._number:
                yield from self._in(segment, piece)

    def _in(self, segment: Segment, piece: int) -> Iterator[Record]:
        length = 2 * piece
        while self._offset < segment.size:
            start, self._offset = self._offset, segment.size  # what raises is not read again
            data = self._files.read(segment.path, start, min(length, segment.size - start))
            if start + len(data) < segment.size:
                self._offset = start
            for found in scan(data):
                self._offset = start + found.end
                if self._after < found.sequence <= segment.last:
                    self._after = found.sequence
                    yield self._record(data, found, segment)
            if start + len(data) >= segment.size or (self._offset == start and length == segment.size):
                self._offset = segment.size
            elif self._offset == start:  # one record is longer than the piece
                length = segment.size

    def _record(self, data: bytes, found: Found, segment: Segment) -> Record:
        topic, body, size = topic_of(data, found), data[found.body : found.end], found.end - found.start
        return Record(self._cls, found.sequence, topic, body, found.readings, segment.born, size)
