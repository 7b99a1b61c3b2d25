"""The audit of what was written to devices: a chain of records in a file of its own, each sealed with the one before.

The seal is sha256 over the seal before, the record's number and its body, so that a record that is changed, taken out
or put elsewhere breaks the chain there (Schneier and Kelsey, Secure Audit Logs, 1999; without their keys: whoever can
write the file can also forge the whole chain behind a place, which `--seal` finds by a seal that was noted elsewhere).

A file of its own, and synchronous=FULL: damage to the other state costs no record, and nothing slow stands before a
write. A file that is damaged is never set aside silently: then nothing is written until a person has looked.
"""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.sdk.errors import FieldgateError
from gateway.state.schema import check, step_up, transaction

VERSION: Final = 1
BEGIN: Final = "0" * 64  # what the first record of all is sealed with
TRIMMED: Final = "trimmed"
_SLACK: Final = 100  # records beyond the bound before the oldest go: each time costs a record


class AuditError(FieldgateError):
    """The audit cannot be written or read. The message names the file and why."""


class KnownIdError(AuditError):
    """An intent bears an id that an earlier one bears."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the chain: its number, its body (JSON) and its seal (hex)."""

    number: int
    body: str
    seal: str

    @property
    def content(self) -> dict[str, Any]:
        """The body, as a table."""
        table: dict[str, Any] = orjson.loads(self.body)
        return table


def seal(before: str, number: int, body: str) -> str:
    """The seal of a record behind one that bears the seal `before`."""
    return hashlib.sha256(f"{before}\n{number}\n{body}".encode()).hexdigest()


class AuditLog:
    """The chain, open for appending."""

    def __init__(self, path: Path, most: int) -> None:
        """Open or create the file; of more than `most` records the oldest go. Raises AuditError."""
        self.path, self._most = path, most
        try:
            self._db = self._open()
            self._last = self._end()
            (self._first,) = self._db.execute("SELECT COALESCE(MIN(number), 1) FROM audit").fetchone()
        except (sqlite3.Error, OSError) as error:
            raise AuditError(f"{path}: {error}; move it away and keep it, then restart") from error

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        check(db)
        found = step_up(db, "audit", VERSION)
        if found > VERSION:
            raise AuditError(f"{self.path} is of a newer Fieldgate (version {found}, this one knows {VERSION})")
        return db

    def _end(self) -> Record:
        row = self._db.execute("SELECT number, body, seal FROM audit ORDER BY number DESC LIMIT 1").fetchone()
        return Record(*row) if row else Record(0, "", BEGIN)

    def append(self, contents: Sequence[Mapping[str, Any]]) -> list[Record]:
        """Seal and keep records, all or none; they are on disk when this returns.

        Args:
            contents: JSON tables with `kind`, and with `id` where they belong to a command.

        Raises:
            KnownIdError: one is an intent with the id of an earlier intent.
            AuditError: the file cannot be written.
        """
        try:
            with transaction(self._db):
                found = self._insert(contents)
                first = self._trim(found) if found[-1].number - self._first >= self._most + _SLACK else self._first
        except sqlite3.IntegrityError as error:
            raise KnownIdError(f"{self.path}: the id has been used before") from error
        except sqlite3.Error as error:
            raise AuditError(f"{self.path}: {error}") from error
        self._last, self._first = found[-1], first
        return found[: len(contents)]

    def _insert(self, contents: Sequence[Mapping[str, Any]], last: Record | None = None) -> list[Record]:
        last, found = last or self._last, []
        for content in contents:
            body = orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
            last = Record(last.number + 1, body, seal(last.seal, last.number + 1, body))
            row = (last.number, content["kind"], content.get("id", ""), last.body, last.seal)
            self._db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", row)
            found.append(last)
        return found

    def _trim(self, found: list[Record]) -> int:
        """Let the oldest go; a record says so, and bears the seal that the eldest left is sealed with. The eldest."""
        through = found[-1].number - self._most
        (before,) = self._db.execute("SELECT seal FROM audit WHERE number = ?", (through,)).fetchone()
        found += self._insert([{"kind": TRIMMED, "through": through, "seal": before}], found[-1])
        self._db.execute("DELETE FROM audit WHERE number <= ?", (through,))
        return through + 1

    def ends(self, most: int) -> list[dict[str, Any]]:
        """The last record of each of the `most` latest commands with an id, the oldest first."""
        rows = self._db.execute(
            "SELECT body FROM audit WHERE number IN (SELECT MAX(number) FROM audit WHERE id != '' GROUP BY id) "
            "ORDER BY number DESC LIMIT ?",
            (most,),
        ).fetchall()
        return [orjson.loads(body) for (body,) in reversed(rows)]

    def latest(self) -> dict[str, int]:
        """When each tag was meant to be written last, Unix ns UTC."""
        return dict(
            self._db.execute(
                "SELECT json_extract(body, '$.tag'), MAX(json_extract(body, '$.at')) FROM audit "
                "WHERE kind = 'intent' GROUP BY 1"
            )
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with the chain, at a record's number."""

    number: int
    text: str


def read(path: Path, since: int = 0, most: int = -1) -> list[Record]:
    """The latest `most` records from number `since` on, all for -1, the oldest first; beside a running gateway.

    Raises AuditError when the file is none or cannot be read.
    """
    return [Record(*row[:3]) for row in _rows(path, "WHERE number >= ? ORDER BY number DESC LIMIT ?", (since, most))][
        ::-1
    ]


def verify(path: Path, noted: Mapping[int, str] | None = None) -> tuple[int, list[Finding]]:
    """How many records there are, and what is wrong with the chain: nothing when it is as it was written.

    Args:
        path: of the file.
        noted: seals by number that were kept elsewhere (messages, exports); a chain that was forged whole lacks them.

    Raises:
        AuditError: as `read`.
    """
    rows = _rows(path, "ORDER BY number", ())
    findings = _chain(rows)
    counted = _rows(path, "", (), "SELECT seq FROM sqlite_sequence WHERE name = 'audit'")
    last, ever = (rows[-1][0] if rows else 0), (counted[0][0] if counted else 0)
    if last < ever:
        findings.append(Finding(last + 1, f"records {last + 1} to {ever} have been taken out"))
    seals = {number: found for number, _, found, _, _ in rows}
    for number, wanted in (noted or {}).items():
        if seals.get(number) != wanted:
            findings.append(Finding(number, f"record {number} does not bear the seal that was noted"))
    return len(rows), findings


def _chain(rows: Sequence[tuple[Any, ...]]) -> list[Finding]:
    findings: list[Finding] = []
    number, before = 0, BEGIN
    trimmed = {(one["through"], one["seal"]) for row in rows if (one := _table(row[1])).get("kind") == TRIMMED}
    for at, body, found, kind, id_ in rows:
        if at != number + 1:
            findings += [] if number == 0 and _was_trimmed(at, body, found, trimmed) else [_missing(number + 1, at - 1)]
        elif found != seal(before, at, body):
            findings.append(Finding(at, f"record {at} was changed, or does not stand where it was written"))
        if (table := _table(body)).get("kind") != kind or table.get("id", "") != id_:
            findings.append(Finding(at, f"the columns of record {at} are not those of its body"))
        number, before = at, found
    return findings


def _was_trimmed(at: int, body: str, found: str, trimmed: set[tuple[int, str]]) -> bool:
    """Whether a record of the chain says that all before `at` was let go, and with which seal."""
    return any(through == at - 1 and found == seal(before, at, body) for through, before in trimmed)


def _missing(first: int, last: int) -> Finding:
    return Finding(
        first, f"records {first} to {last} have been taken out" if last > first else f"record {first} is gone"
    )


def _table(body: str) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _rows(
    path: Path, how: str, values: Sequence[object], what: str = "SELECT number, body, seal, kind, id FROM audit"
) -> list[tuple[Any, ...]]:
    try:
        if not path.is_file():
            raise AuditError(f"{path} is not there: nothing has been written on this state folder")
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            return db.execute(f"{what} {how}", values).fetchall()
    except (OSError, sqlite3.Error) as error:
        raise AuditError(f"{path}: {error}") from error
