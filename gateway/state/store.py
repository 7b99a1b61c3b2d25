"""The small durable state: alarm states, their history, calibrations. SQLite with synchronous=FULL; the volume is tiny.

Opened, used and closed on one thread of its own. The schema carries its version; each step up is one SQL file.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.sdk.errors import FieldgateError
from gateway.state import history
from gateway.state.schema import check, step_up, transaction

VERSION: Final = 2
_WAL: Final = 64  # pages of write-ahead log; the usual 1000 would take what the ballast frees for alarms


class StateError(FieldgateError):
    """The state cannot be read by this version. The message names the file and the remedy."""


class StateStore:
    """Alarms and calibrations by asset."""

    def __init__(self, path: Path) -> None:
        """Open or create the store at `path`. A damaged file is set aside (`.damaged`) and a fresh one begun.

        Raises StateError where the disk does not let it be opened: full, read-only, broken. Nothing is set aside then.
        """
        self.path = path
        self.set_aside: Path | None = None
        try:
            self._db = self._open()
        except sqlite3.OperationalError as error:  # the disk's doing, not the file's
            raise StateError(
                f"{path}: {error}; free space on the disk, or mount it read-write, and start again"
            ) from error
        except sqlite3.DatabaseError:
            self.set_aside = path.with_suffix(".damaged")
            path.replace(self.set_aside)
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute(f"PRAGMA wal_autocheckpoint={_WAL}")
            check(db)
            self._migrate(db)
        except (sqlite3.DatabaseError, StateError):
            db.close()
            raise
        return db

    def _migrate(self, db: sqlite3.Connection) -> None:
        found = step_up(db, "schema", VERSION)
        if found > VERSION:
            raise StateError(f"{self.path} is of a newer Fieldgate (state version {found}, this one knows {VERSION})")

    def calibration(self, asset: str, fingerprint: str) -> bytes | None:
        """The calibration of `asset`, if it was made for these tags and this model."""
        row = self._db.execute(
            "SELECT content FROM calibration WHERE asset = ? AND fingerprint = ?", (asset, fingerprint)
        ).fetchone()
        return bytes(row[0]) if row else None

    def keep_calibration(self, asset: str, fingerprint: str, made: int, content: bytes) -> None:
        """Keep the calibration of `asset` for the former one; the rows that it was made of are not needed any more."""
        with transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO calibration VALUES (?, ?, ?, ?)", (asset, fingerprint, made, content)
            )
            self._db.execute("DELETE FROM gathered WHERE asset = ?", (asset,))

    def forget_calibration(self, asset: str) -> None:
        """The asset learns anew: what was learnt of it before must not come back with a restart."""
        with transaction(self._db):
            for table in ("calibration", "memory", "gathered"):
                self._db.execute(f"DELETE FROM {table} WHERE asset = ?", (asset,))  # noqa: S608 - names of our own

    def gathered(self, asset: str, fingerprint: str) -> bytes:
        """The rows that were gathered for a calibration so far, without a gap from the first on."""
        rows = self._db.execute(
            "SELECT first, content FROM gathered WHERE asset = ? AND fingerprint = ? ORDER BY first",
            (asset, fingerprint),
        )
        return b"".join(bytes(content) for _, content in rows)

    def keep_gathered(self, chunks: list[tuple[str, str, int, bytes]]) -> None:
        """Keep (asset, fingerprint, first, content) of some assets, all or none; a first row of 0 begins anew."""
        with transaction(self._db):
            for asset, _, first, _ in chunks:
                self._db.execute("DELETE FROM gathered WHERE asset = ? AND first >= ?", (asset, first))
            self._db.executemany("INSERT INTO gathered VALUES (?, ?, ?, ?)", chunks)

    def memory(self, asset: str, fingerprint: str) -> bytes | None:
        """What the detector of `asset` remembered last, if it was of these tags and this model."""
        row = self._db.execute(
            "SELECT content FROM memory WHERE asset = ? AND fingerprint = ?", (asset, fingerprint)
        ).fetchone()
        return bytes(row[0]) if row else None

    def keep_memories(self, memories: list[tuple[str, str, bytes]]) -> None:
        """Keep (asset, fingerprint, content) of some assets, all or none."""
        with transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO memory VALUES (?, ?, ?)", memories)

    def alarms(self) -> dict[str, str]:
        """The alarm state of every asset that ever had one, as JSON."""
        return dict(self._db.execute("SELECT asset, content FROM alarm"))

    def keep_alarms(self, states: dict[str, str], changes: Sequence[history.Change] = (), most: int = 10_000) -> None:
        """Keep the alarm states of some assets and what has led to them, all or none; at most `most` changes."""
        with transaction(self._db):
            self._db.executemany("INSERT OR REPLACE INTO alarm VALUES (?, ?)", states.items())
            if changes:
                history.keep(self._db, changes, most)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
