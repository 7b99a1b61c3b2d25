"""Where the files of a configuration are read from: the disk, or what an earlier reading of them has kept."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from gateway.config.text import MAX_BYTES

_PAGE: Final = 2**16  # bytes that are asked for at least: some file systems say that a file has none


class Shelf(Protocol):
    """Gives files by their absolute path."""

    def read(self, path: Path) -> bytes:
        """What the file says, one byte more than may be read at most. Raises OSError, or ValueError for no path."""

    def there(self, path: Path) -> bool:
        """Whether there is such a file."""

    def names(self, folder: Path) -> list[Path]:
        """What lies in `folder`, by name; nothing where there is none. Raises OSError."""


class Disk:
    """The files as they are now."""

    def read(self, path: Path) -> bytes:
        """See Shelf."""
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "it is no file")  # a pipe or a device would not end
        with path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size  # what is asked for is allocated, and 64 MiB are many
            return opened.read(min(max(size, _PAGE), MAX_BYTES) + 1)

    def there(self, path: Path) -> bool:
        """See Shelf."""
        return path.exists()

    def names(self, folder: Path) -> list[Path]:
        """See Shelf."""
        return sorted(folder.iterdir()) if folder.exists() else []


@dataclass(frozen=True)
class Kept:
    """Files as they were when they were kept: `content` by their path as seen from `home`."""

    home: Path
    content: Mapping[str, bytes]

    def read(self, path: Path) -> bytes:
        """See Shelf."""
        try:
            return self.content[self._name(path)]
        except KeyError:
            raise FileNotFoundError(2, "it was not among what is kept") from None

    def there(self, path: Path) -> bool:
        """See Shelf."""
        return self._name(path) in self.content

    def names(self, folder: Path) -> list[Path]:
        """See Shelf."""
        return sorted(path for path in map(self.home.__truediv__, self.content) if path.parent == folder)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.home).as_posix() if path.is_relative_to(self.home) else ""


def signature(files: Sequence[Path], folders: Sequence[str]) -> tuple[object, ...]:
    """What is another one when `files`, or the names in `folders` beside the first of them, may have changed.

    Links are followed, so that a swap of a link counts, as does an editor's rename.
    """
    return (*map(_stamp, files), *(tuple(_names(files[0].parent / folder)) for folder in folders))


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.suffix == ".yaml")
    except OSError:
        return []


def digest(content: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(content):
        for part in (name.encode(), content[name]):
            total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()
