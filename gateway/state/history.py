"""What has happened to alarms, as it is kept and as it is read: one row for each change of an alarm's state."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from gateway.sdk.errors import FieldgateError


class HistoryError(FieldgateError):
    """The state cannot be read. The message names the file."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an alarm's state; `time` in Unix ns UTC, `score` and `threshold` None where there are none."""

    time: int
    asset: str
    previous: str
    state: str
    severity: str
    score: float | None
    threshold: float | None
    by: str
    comment: str
    message: str


FILE = "state.db"
_COLUMNS = ", ".join(field.name for field in fields(Change))


def keep(db: sqlite3.Connection, changes: Sequence[Change], most: int) -> None:
    """Add changes; of more than `most` the oldest go. Within the caller's transaction."""
    marks = ", ".join("?" * len(fields(Change)))
    db.executemany(f"INSERT INTO history ({_COLUMNS}) VALUES ({marks})", [astuple(one) for one in changes])  # noqa: S608 - names of our own
    db.execute("DELETE FROM history WHERE number <= (SELECT MAX(number) FROM history) - ?", (most,))


def read(path: Path, names: Sequence[str] = (), since: int = 0, most: int = 1000) -> list[Change]:
    """The latest `most` changes from `since` (Unix ns) on, of some alarms or of all, the oldest first.

    Reads beside a running gateway. Raises HistoryError when the file is none or cannot be read.
    """
    where = f" AND asset IN ({', '.join('?' * len(names))})" if names else ""
    query = f"SELECT {_COLUMNS} FROM history WHERE time >= ?{where} ORDER BY number DESC LIMIT ?"  # noqa: S608 - names of our own
    rows = _ask(path, query, (since, *names, most))
    return [Change(*row) for row in reversed(rows)]


def latest(path: Path) -> Mapping[str, Change]:
    """The last change of each alarm. Raises HistoryError as `read`."""
    query = f"SELECT {_COLUMNS} FROM history WHERE number IN (SELECT MAX(number) FROM history GROUP BY asset)"  # noqa: S608 - names of our own
    return {change.asset: change for change in (Change(*row) for row in _ask(path, query, ()))}


def states(path: Path) -> Mapping[str, str]:
    """The state of every alarm that ever had one, as JSON. Raises HistoryError as `read`."""
    return dict(_ask(path, "SELECT asset, content FROM alarm", ()))


def raised(path: Path) -> Mapping[str, int]:
    """When each alarm went active last, Unix ns UTC; a clock may have been set back since the one before.

    Raises HistoryError as `read`.
    """
    last = "SELECT MAX(number) FROM history WHERE state = 'active-unacknowledged' GROUP BY asset"
    return dict(_ask(path, f"SELECT asset, time FROM history WHERE number IN ({last})", ()))  # noqa: S608 - our own


def _ask(path: Path, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    try:
        if not path.is_file():
            raise HistoryError(f"{path} is not there: no gateway has run on this state folder")
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            return db.execute(query, values).fetchall()
    except (OSError, sqlite3.Error) as error:
        raise HistoryError(f"{path}: {error}") from error
