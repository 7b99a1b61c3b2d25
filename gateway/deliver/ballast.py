"""Space that is held for the hour in which somebody else has filled the disk: given up, alarms can still be written."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.ops.files import Files

_NAME: Final = "ballast"
_LOOK: Final = 1.0  # s between two looks whether it can be taken again


class Ballast:
    """A file that is nothing but its size.

    Args:
        files: the file system.
        folder: where it lies.
        size: bytes; 0: there is none.
        beyond: bytes that must be free beside it before it is taken.

    Attributes:
        held: whether it is there.
    """

    def __init__(self, files: Files, folder: Path, size: int, beyond: int) -> None:
        self._files, self._path, self._size, self._beyond = files, folder / _NAME, size, beyond
        self._next = 0.0  # when to look again
        self._given = False  # it was there, and was given up
        self.held = False

    def tend(self, now: float) -> None:
        """Take it where there is room. `now`: monotonic seconds."""
        if self.held or not self._size or now < self._next:
            return
        self._next = now + _LOOK
        with suppress(OSError):
            self.held = self._there() or self._take()

    def give_up(self) -> bool:
        """Let its space be written by others. False where there was none."""
        if not self.held:
            return False
        self.held, self._given = False, True
        try:
            self._files.unlink(self._path)
        except OSError:
            return False
        return True

    @property
    def owed(self) -> bool:
        """Whether it was given up and its space is not free again: what is left of it is for alarms."""
        if self.held or not self._given:
            return False
        try:
            return self._files.free(self._path.parent) < self._size
        except OSError:
            return True

    def _there(self) -> bool:
        try:
            return self._files.size(self._path) == self._size
        except FileNotFoundError:
            return False

    def _take(self) -> bool:
        if self._files.free(self._path.parent) < self._size + self._beyond:
            return False
        try:
            self._files.reserve(self._path, self._size)
        except OSError:
            self._files.unlink(self._path)
            return False
        return True
