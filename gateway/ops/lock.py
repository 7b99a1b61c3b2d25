"""One gateway per state folder: a second one is refused by a lock that the kernel releases with the process."""

import fcntl
import os
from pathlib import Path

from gateway.sdk.errors import FieldgateError


class AlreadyRunningError(FieldgateError):
    """Another gateway works on the same state folder."""


def lock(folder: Path) -> int:
    """Take the folder's lock for the life of this process; returns the descriptor that holds it."""
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise AlreadyRunningError(
            f"{folder} is in use by another fieldgate (pid {owner}); give --state another folder"
        ) from error
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle
