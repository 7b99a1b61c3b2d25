"""What all SQLite files of the state have in common: soundness, transactions, and a schema that carries its version.

Each step up of a schema is one SQL file, done whole or not at all.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from importlib.resources import files


def check(db: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError where the file is damaged."""
    (verdict,) = db.execute("PRAGMA quick_check").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(str(verdict))


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is done meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def step_up(db: sqlite3.Connection, stem: str, newest: int) -> int:
    """Bring the schema up to version `newest` by the files STEM_v1.sql and on.

    Returns the version that was found; a newer one is left as it is.
    """
    (found,) = db.execute("PRAGMA user_version").fetchone()
    for version in range(found + 1, newest + 1):
        script = files("gateway.state").joinpath(f"{stem}_v{version}.sql").read_text()
        db.executescript(f"BEGIN;\n{script}\nPRAGMA user_version={version};\nCOMMIT;")
    return int(found)
