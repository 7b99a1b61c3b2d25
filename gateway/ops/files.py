"""The file system, as the outbox is given it: few operations, so that a test can stand in a disk that loses and tears.

Every operation raises OSError. A write is durable after `fsync`; a name (new, renamed, removed) after `fsync_dir`.
"""

import os
from pathlib import Path
from typing import Protocol


def give(path: Path, state: Path) -> None:
    """What root writes below the folder `state` belongs to whom that belongs: the gateway must be able to move it."""
    owner = state.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


class Files(Protocol):
    """What a store on disk needs. `RealFiles` in the daemon, a simulation in tests."""

    def make_folder(self, folder: Path) -> None:
        """Make `folder` and those above it, if they are not there."""

    def names(self, folder: Path) -> list[str]:
        """The names in `folder`, in no order."""

    def open_append(self, path: Path) -> int:
        """Open for appending; made when it is not there. Gives a handle."""

    def append(self, handle: int, data: bytes) -> None:
        """Write all of `data` at the end, or raise with some of it written."""

    def fsync(self, handle: int) -> None:
        """Make what was appended durable."""

    def close(self, handle: int) -> None:
        """Give the handle back."""

    def fsync_dir(self, folder: Path) -> None:
        """Make the names in `folder` durable."""

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end of the file."""

    def size(self, path: Path) -> int:
        """Bytes in the file."""

    def truncate(self, path: Path, size: int) -> None:
        """Cut the file to `size` bytes, durably."""

    def rename(self, path: Path, target: Path) -> None:
        """Give the file another name; what bore it before is replaced."""

    def unlink(self, path: Path) -> None:
        """Remove the file. Needs no space."""

    def reserve(self, path: Path, size: int) -> None:
        """Make the file take `size` bytes of the disk, durably; what is in it does not matter."""

    def free(self, folder: Path) -> int:
        """Bytes that may still be written on the file system of `folder`."""


class RealFiles:
    """The operating system's file system."""

    def make_folder(self, folder: Path) -> None:
        """Make `folder`, readable by nobody but its owner and group."""
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)

    def names(self, folder: Path) -> list[str]:
        """The names in `folder`."""
        return [path.name for path in folder.iterdir()]

    def open_append(self, path: Path) -> int:
        """Open for appending."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def append(self, handle: int, data: bytes) -> None:
        """Write all of `data`; `write(2)` may take less than it is given."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]

    def fsync(self, handle: int) -> None:
        """Data and size; `fdatasync(2)` spares the timestamps' journal write."""
        os.fdatasync(handle)

    def close(self, handle: int) -> None:
        """Close it."""
        os.close(handle)

    def fsync_dir(self, folder: Path) -> None:
        """A directory entry is durable only after fsync on the directory (fsync(2), NOTES)."""
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Read at `offset`, beyond the first short answer of `pread(2)`."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _read(handle, offset, length)
        finally:
            os.close(handle)

    def size(self, path: Path) -> int:
        """Bytes in the file."""
        return path.stat().st_size

    def truncate(self, path: Path, size: int) -> None:
        """Cut and fsync."""
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(handle, size)
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, path: Path, target: Path) -> None:
        """Give it another name; the system call is atomic."""
        path.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove it."""
        path.unlink()

    def reserve(self, path: Path, size: int) -> None:
        """`posix_fallocate(3)`: where the file system knows no allocation, it is written."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(handle, 0, size)
            os.fsync(handle)
        finally:
            os.close(handle)

    def free(self, folder: Path) -> int:
        """Bytes that an ordinary user may still write."""
        state = os.statvfs(folder)
        return state.f_bavail * state.f_frsize


def _read(handle: int, offset: int, length: int) -> bytes:
    parts = []
    while length > 0 and (part := os.pread(handle, length, offset)):
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return b"".join(parts)
