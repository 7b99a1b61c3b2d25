"""The schema of an SQLite file: it carries its version, and each step up is one SQL file, done whole or not at all."""

import sqlite3
from importlib.resources import files


def step_up(db: sqlite3.Connection, stem: str, newest: int) -> int:
    """Bring the schema up to version `newest` by the files STEM_v1.sql and on.

    Returns the version that was found; a newer one is left as it is.
    """
    (found,) = db.execute("PRAGMA user_version").fetchone()
    for version in range(found + 1, newest + 1):
        script = files("gateway.state").joinpath(f"{stem}_v{version}.sql").read_text()
        db.executescript(f"BEGIN;\n{script}\nPRAGMA user_version={version};\nCOMMIT;")
    return int(found)
