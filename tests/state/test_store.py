"""Alarms and calibrations survive; a damaged file is set aside; a newer one is refused with its name."""

import sqlite3
from pathlib import Path

import pytest

from gateway.state.store import StateError, StateStore


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state.db")
    store.keep_calibration("pump", "f1", 5, b"content")
    store.keep_memories([("pump", "f1", b"smooth")])
    store.keep_alarms({"pump": "{}", "tank": "[]"})
    store.close()
    for _ in range(2):
        again = StateStore(tmp_path / "state.db")
        assert again.calibration("pump", "f1") == b"content"
        assert again.calibration("pump", "other tags") is None
        assert again.memory("pump", "f1") == b"smooth"
        assert again.memory("pump", "other tags") is None
        assert again.alarms() == {"pump": "{}", "tank": "[]"}
        again.close()


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"this is no database" * 100)
    store = StateStore(path)
    assert store.set_aside is not None
    assert store.set_aside.read_bytes().startswith(b"this is no database")
    assert store.alarms() == {}
    store.close()


def test_a_state_of_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StateError, match=r"state\.db is of a newer Fieldgate"):
        StateStore(path)
