"""The first user of all: made at the first start with a password of its own, kept in a file until it is changed.

Only who may read the state folder can read it; `fieldgate console password` shows it. There is no default password.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.console import passwords
from gateway.console.rights import Role
from gateway.ops.files import give
from gateway.state.users import ADMIN, User, UserChangedError, Users

FILE: Final = "console-password"


def begin(users: Users, state: Path, now: int) -> None:
    """Make the first user where there is none at all. `now`: Unix ns UTC. Raises UsersError, OSError."""
    if users.users():
        return
    password = passwords.made()
    user = User(ADMIN, Role.ADMIN, passwords.hashed(password), change=True, made=now).renewed()
    with suppress(UserChangedError):  # another process has just made them, and keeps its own password
        users.put(user, along=lambda: _write(state, f"{ADMIN} {password}\n"))


def told(state: Path) -> tuple[str, str] | None:
    """The first user and their password; None once it has been changed. Raises OSError where it may not be read."""
    path = state / FILE
    if not path.exists():
        return None
    user, _, password = path.read_text().strip().partition(" ")
    return user, password


def done(state: Path, user: str) -> None:
    """`user` has another password now: the first one need not be known any more."""
    found = told(state)
    if found and found[0] == user:
        (state / FILE).unlink(missing_ok=True)


def _write(state: Path, text: str) -> None:
    draft = state / f".{FILE}.part"
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    give(draft, state)
    draft.replace(state / FILE)
