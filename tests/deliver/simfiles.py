"""A disk that may lose its power. What was not fsynced is lost, kept or torn at a crash; a name needs fsync_dir.

Modelled on what ext4 and xfs may do: every unsynced write is on its own (lost, torn, kept; a hole reads as zeros),
every name since the last fsync_dir, too (old, or new). `kill` is a process crash: the page cache survives.
"""

import errno
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Inode:
    """One file: what is seen, what is durable, and the writes in between."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)


class PowerCutError(Exception):
    """The machine stops here. Not an OSError: nothing handles it."""


class SimFiles:
    """Files in memory.

    Args:
        rng: decides what a crash leaves.
        quota: bytes that fit; None for as many as you like.
        fault: called with the operation's name before each; an errno makes it fail.
    """

    def __init__(
        self, rng: random.Random, quota: int | None = None, fault: Callable[[str], int | None] | None = None
    ) -> None:
        self.rng, self.quota, self.fault = rng, quota, fault
        self.seen: dict[str, Inode] = {}
        self.durable: dict[str, Inode] = {}
        self.handles: dict[int, Inode] = {}
        self.next = 3
        self.calls: Counter[str] = Counter()

    def cut_after(self, operations: int) -> None:
        """Let the power go before the operation after so many more."""
        left = iter(range(operations))

        def fault(_operation: str) -> None:
            if next(left, None) is None:
                raise PowerCutError

        self.fault = fault

    def crash(self) -> None:
        """Power is cut, and comes back."""
        names = {}
        for name in self.seen.keys() | self.durable.keys():
            sides = (self.seen.get(name), self.durable.get(name))
            inode = sides[0] if sides[0] is sides[1] else self.rng.choice(sides)
            if inode is not None:
                names[name] = inode
        for inode in {id(inode): inode for inode in names.values()}.values():
            inode.seen = self._left(inode)
            inode.durable, inode.pending = bytes(inode.seen), []
        self.seen, self.durable, self.handles = names, dict(names), {}
        self.fault = None

    def kill(self) -> None:
        """The process is gone, the page cache is not."""
        self.handles = {}
        self.fault = None

    def used(self) -> int:
        """Bytes in all files."""
        return sum(len(inode.seen) for inode in self.seen.values())

    def make_folder(self, folder: Path) -> None:  # noqa: ARG002 - there is one of it
        self._enter("make_folder")

    def names(self, folder: Path) -> list[str]:
        self._enter("names")
        return [Path(name).name for name in self.seen if Path(name).parent == folder]

    def open_append(self, path: Path) -> int:
        self._enter("open")
        inode = self.seen.get(str(path))
        if inode is None:
            if self.quota is not None and self.used() >= self.quota:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            inode = self.seen[str(path)] = Inode()
        self.next += 1
        self.handles[self.next] = inode
        return self.next

    def append(self, handle: int, data: bytes) -> None:
        inode = self.handles[handle]
        try:
            self._enter("append")
        except OSError:
            self._add(inode, data[: len(data) // 2])
            raise
        if self.quota is not None and self.used() + len(data) > self.quota:
            self._add(inode, data[: max(0, self.quota - self.used())])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._add(inode, data)

    def fsync(self, handle: int) -> None:
        self._enter("fsync")
        self._settle(self.handles[handle])

    def close(self, handle: int) -> None:
        del self.handles[handle]

    def fsync_dir(self, folder: Path) -> None:  # noqa: ARG002 - there is one of it
        self._enter("fsync_dir")
        self.durable = dict(self.seen)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        self._enter("read")
        return bytes(self._inode(path).seen[offset : offset + length])

    def size(self, path: Path) -> int:
        return len(self._inode(path).seen)

    def truncate(self, path: Path, size: int) -> None:
        self._enter("truncate")
        inode = self._inode(path)
        del inode.seen[size:]
        self._settle(inode)

    def rename(self, path: Path, target: Path) -> None:
        self._enter("rename")
        self.seen[str(target)] = self._inode(path)
        del self.seen[str(path)]

    def unlink(self, path: Path) -> None:
        self._enter("unlink")
        self._inode(path)
        del self.seen[str(path)]

    def reserve(self, path: Path, size: int) -> None:
        handle = self.open_append(path)
        try:
            self.append(handle, bytes(size))
            self.fsync(handle)
        finally:
            self.close(handle)

    def free(self, folder: Path) -> int:  # noqa: ARG002 - there is one of it
        self._enter("free")
        return 2**40 if self.quota is None else self.quota - self.used()

    def _enter(self, operation: str) -> None:
        self.calls[operation] += 1
        code = self.fault(operation) if self.fault else None
        if code:
            raise OSError(code, os.strerror(code))

    def _inode(self, path: Path) -> Inode:
        if str(path) not in self.seen:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return self.seen[str(path)]

    def _settle(self, inode: Inode) -> None:
        inode.durable, inode.pending = bytes(inode.seen), []

    def _add(self, inode: Inode, data: bytes) -> None:
        inode.pending.append((len(inode.seen), data))
        inode.seen += data

    def _torn(self, data: bytes) -> bytes:
        """The front of a write, or a write with one piece of it that never reached the disk."""
        first, second = sorted(self.rng.randrange(len(data) + 1) for _ in range(2))
        return data[:second] if self.rng.random() < 0.5 else data[:first] + bytes(second - first) + data[second:]

    def _left(self, inode: Inode) -> bytearray:
        left = bytearray(inode.durable)
        for offset, data in inode.pending:
            fate = self.rng.random()
            if fate < 0.34:
                continue
            kept = self._torn(data) if fate < 0.67 else data
            left.extend(bytes(max(0, offset - len(left))))
            left[offset : offset + len(kept)] = kept
        return left


class NoFsync(SimFiles):
    """A store that forgot fsync, as the disk sees it."""

    def fsync(self, handle: int) -> None:  # noqa: ARG002 - there is one of it
        self._enter("fsync")


class NoFsyncDir(SimFiles):
    """A store that forgot to fsync its folder."""

    def fsync_dir(self, folder: Path) -> None:  # noqa: ARG002 - there is one of it
        self._enter("fsync_dir")
