"""What lies in an outbox's folder, looked at from outside: nothing is made, cut, synced or moved.

A gateway may run meanwhile. Then the end of the newest segments may be a record that is just being written; it shows as
an unfinished end, which is no damage.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.deliver.readback import Reader
from gateway.deliver.recovery import Recovery, Remains, recover
from gateway.ops.files import RealFiles
from gateway.sdk import Clock

_PIECE: Final = 2**20  # bytes that are read at once


class _Untouched(RealFiles):
    """The real files, of which none is changed."""

    def make_folder(self, folder: Path) -> None:
        """Nothing is made."""

    def fsync_dir(self, folder: Path) -> None:
        """Nothing was renamed."""

    def open_append(self, path: Path) -> int:  # noqa: ARG002 - as Files
        """No handle: nothing is appended."""
        return -1

    def fsync(self, handle: int) -> None:
        """Nothing was appended."""

    def close(self, handle: int) -> None:
        """There is none."""


@dataclass(frozen=True)
class Contents:
    """What was found.

    Attributes:
        recovery: damages, unfinished ends, epoch.
        classes: each class as it lies on disk.
    """

    recovery: Recovery
    classes: dict[Class, Remains]

    def bytes(self, cls: Class) -> int:
        """Bytes of `cls` on disk."""
        return sum(segment.size for segment in self.classes[cls].segments)

    def records(self, cls: Class, *, everything: bool = False) -> Iterator[Record]:
        """The messages of `cls` that the broker has not acknowledged; with `everything` all that are still there.

        The cursor is written once a second, so the first few may have been acknowledged after all.

        Raises:
            OSError: a segment cannot be read.
        """
        one = self.classes[cls]
        yield from Reader(_Untouched(), cls).records(one.segments, 0 if everything else one.acked, _PIECE)


def look(folder: Path, clock: Clock) -> Contents:
    """Look at the outbox in `folder`. What cannot be read is told in `recovery.errors`."""
    recovery, found, _ = recover(_Untouched(), folder, clock)
    return Contents(recovery, found)
