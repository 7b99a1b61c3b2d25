"""Alarms and calibrations survive; a damaged file is set aside; a newer one is refused with its name."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.state import history
from gateway.state.history import Change, HistoryError
from gateway.state.store import VERSION, StateError, StateStore

V1 = Path(__file__).parent / "state_v1.db"  # as the first version wrote it


def change(number: int, asset: str = "pump", score: float | None = 2.0) -> Change:
    return Change(number, asset, "normal", "shelved", "high", score, 1.0, "ann", "", f"{asset}: shelved by ann")


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


def test_a_state_of_the_first_version_is_taken_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    shutil.copy(V1, path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    for _ in range(2):
        store = StateStore(path)
        assert store.set_aside is None
        assert store.calibration("pump-7", "f1") == b"content"
        assert store.memory("pump-7", "f1") == b"smooth"
        assert store.gathered("tank", "f2") == b"rows"
        assert '"active_unacknowledged"' in store.alarms()["pump-7"]
        store.keep_alarms(store.alarms(), [change(1)])
        store.close()
    assert len(history.read(path)) == 2
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_the_history_holds_so_many_changes_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = StateStore(path)
    for number in range(25):
        store.keep_alarms({"pump": "{}"}, [change(number, "pump" if number % 2 else "tank")], most=10)
    assert [one.time for one in history.read(path)] == list(range(15, 25)), "beside an open store"
    store.close()
    assert [one.time for one in history.read(path, since=20)] == list(range(20, 25))
    assert [one.time for one in history.read(path, ["tank"], most=2)] == [22, 24]
    assert history.latest(path) == {"pump": change(23), "tank": change(24, "tank")}
    assert history.states(path) == {"pump": "{}"}


def test_a_change_comes_back_as_it_was_and_one_without_a_score_too(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = StateStore(path)
    store.keep_alarms({}, [change(1), change(2, score=None)])
    store.close()
    assert history.read(path) == [change(1), change(2, score=None)]


def test_a_history_that_is_not_there_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"state\.db is not there"):
        history.read(tmp_path / "state.db")
    (tmp_path / "state.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(HistoryError, match=r"state\.db: file is not a database"):
        history.read(tmp_path / "state.db")


def test_a_state_of_another_user_is_said_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(HistoryError, match="Permission denied"):
        history.read(tmp_path / "state.db")
