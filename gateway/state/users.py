"""Who may use the web console: people with their roles and tokens for programs, in an SQLite file of their own.

What is kept of a password is its argon2id hash, of a token its sha256: it is 256 random bits, which nobody guesses.
The command line and a running gateway write the same file, each in transactions; synchronous=FULL. A file that is
damaged is never set aside silently: whoever could damage it would come in as the first user of a fresh one.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Final, Self

from gateway.ops.files import give
from gateway.sdk.errors import FieldgateError
from gateway.state.schema import check, step_up, transaction

FILE: Final = "console.db"
VERSION: Final = 1
ADMIN: Final = "admin"


class UsersError(FieldgateError):
    """The file cannot be read or written. The message names it and why."""


class UserChangedError(FieldgateError):
    """Somebody else has changed, made or removed this user since they were read."""


class LastAdminError(FieldgateError):
    """Without this user nobody could administer the console any more."""


@dataclass(frozen=True, slots=True)
class User:
    """One person. `change`: the password was made by somebody else; `era`: see `renewed`; `made` is Unix ns UTC."""

    name: str
    role: str
    secret: str
    change: bool
    made: int
    era: str = ""

    def renewed(self, **changes: object) -> Self:
        """The same user after a change that ends all their logins."""
        return replace(self, era=secrets.token_hex(8), **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Token:
    """One token for a program: `secret` is the sha256 of it, `by` who made it; times are Unix ns UTC."""

    id: str
    name: str
    role: str
    secret: str
    by: str
    made: int
    expires: int


class Users:
    """The file, open. Used by one thread at a time."""

    def __init__(self, state: Path) -> None:
        """Open or create the file in the folder `state`. Raises UsersError."""
        self.path = state / FILE
        try:
            fresh = not self.path.exists()
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))  # before SQLite, which knows no mode
            self._db = self._open()
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm") if fresh else ():
                if (state / name).exists():
                    give(state / name, state)
        except (sqlite3.Error, OSError) as error:
            raise UsersError(
                f"{self.path}: {error}; move it away and keep it: the next start makes a new one"
            ) from error

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5.0)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            check(db)
            found = step_up(db, "console", VERSION)
        except BaseException:
            db.close()
            raise
        if found > VERSION:
            db.close()
            raise UsersError(f"{self.path} is of a newer Fieldgate (version {found}, this one knows {VERSION})")
        return db

    def changed(self) -> int:
        """Another number when somebody else has written the file (PRAGMA data_version)."""
        with self._told():
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    def users(self) -> dict[str, User]:
        """All people, by name."""
        with self._told():
            rows = self._db.execute(f"SELECT {_names(User)} FROM user ORDER BY name").fetchall()  # noqa: S608 - our own names
        found = (User(name, role, secret, bool(change), made, era) for name, role, secret, change, made, era in rows)
        return {user.name: user for user in found}

    def put(self, user: User, before: User | None = None, along: Callable[[], None] | None = None) -> None:
        """Keep `user`.

        Args:
            user: as they are to be.
            before: as they were when they were read; None: there was none of that name.
            along: is done with it, all or nothing.

        Raises:
            UserChangedError: it is no longer as it was.
            LastAdminError: no admin would be left.
        """
        with self._transaction():
            found = self._db.execute("SELECT era FROM user WHERE name = ?", (user.name,)).fetchone()
            if found != (None if before is None else (before.era,)):
                raise UserChangedError(f"user '{user.name}' has been changed by somebody else meanwhile; try again")
            self._db.execute(f"INSERT OR REPLACE INTO user ({_names(User)}) VALUES (?, ?, ?, ?, ?, ?)", astuple(user))  # noqa: S608 - our own names
            self._keep_an_admin()
            if along is not None:
                along()

    def remove(self, name: str) -> bool:
        """Remove a user; whether there was one. Raises LastAdminError."""
        with self._transaction():
            gone = self._db.execute("DELETE FROM user WHERE name = ?", (name,)).rowcount > 0
            if gone:
                self._keep_an_admin()
        return gone

    def _keep_an_admin(self) -> None:
        (admins,) = self._db.execute("SELECT COUNT(*) FROM user WHERE role = ?", (ADMIN,)).fetchone()
        if not admins:
            raise LastAdminError("one user must stay admin; make another one first")

    def tokens(self) -> dict[str, Token]:
        """All tokens, by id, those that have expired included."""
        with self._told():
            rows = self._db.execute(f"SELECT {_names(Token)} FROM token ORDER BY made").fetchall()  # noqa: S608 - our own names
        return {row[0]: Token(*row) for row in rows}

    def put_token(self, token: Token) -> None:
        """Keep a token."""
        with self._transaction():
            self._db.execute("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(token))

    def remove_token(self, id_: str) -> bool:
        """Remove a token; whether there was one."""
        with self._transaction():
            return self._db.execute("DELETE FROM token WHERE id = ?", (id_,)).rowcount > 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told(), transaction(self._db):
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UsersError(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _names(table: type[User] | type[Token]) -> str:
    return ", ".join(field.name for field in fields(table))
