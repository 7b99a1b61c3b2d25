"""State that the disk refuses waits in its order and is kept later; a bug costs its own job only."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.sdk.testing import SilentLog
from gateway.state.store import StateError, StateStore
from gateway.state.thread import _MOST, StateThread


class Log(SilentLog):
    def error(self, event: str, **fields: object) -> None:
        self.lines.append(("error", event, fields))

    exception = error


class Disk:
    """Keeps numbers, unless it is full."""

    def __init__(self) -> None:
        self.full, self.kept = False, list[int]()

    def keep(self, number: int) -> None:
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        self.kept.append(number)


async def settled(thread: StateThread) -> None:
    await thread.result(lambda: None)


async def test_what_the_disk_refuses_waits_in_its_order_and_is_kept_later() -> None:
    log, disk = Log(), Disk()
    thread = StateThread("state", log)
    disk.full = True
    for number in range(5):
        thread(lambda n=number: disk.keep(n))  # type: ignore[misc]
    await settled(thread)
    assert (disk.kept, thread.trouble, thread.failed) == ([], "database or disk is full", 5)
    disk.full = False
    thread(lambda: disk.keep(5))
    await settled(thread)
    assert (disk.kept, thread.trouble) == ([0, 1, 2, 3, 4, 5], "")
    assert [event for _, event, _ in log.lines] == ["state cannot be kept", "state is kept again"]
    await asyncio.to_thread(thread.end)


async def test_of_what_is_remembered_now_and_then_only_the_latest_waits() -> None:
    disk = Disk()
    thread = StateThread("state", Log())
    disk.full = True
    for number in range(5):
        thread(lambda n=number: disk.keep(n), "memories")  # type: ignore[misc]
    await settled(thread)
    disk.full = False
    thread(lambda: disk.keep(5))
    await settled(thread)
    assert disk.kept == [4, 5]
    await asyncio.to_thread(thread.end)


async def test_what_waits_is_bounded_and_counted() -> None:
    disk = Disk()
    thread = StateThread("state", Log())
    disk.full = True
    for number in range(_MOST + 7):
        thread(lambda n=number: disk.keep(n))  # type: ignore[misc]
    await settled(thread)
    assert thread.given_up == 7
    disk.full = False
    thread(lambda: disk.keep(-1))
    await settled(thread)
    assert disk.kept[0] == 8
    await asyncio.to_thread(thread.end)


async def test_a_bug_costs_its_own_job_only() -> None:
    log, disk = Log(), Disk()
    thread = StateThread("state", log)
    thread(lambda: disk.kept.append(1 // 0))
    thread(lambda: disk.keep(1))
    await settled(thread)
    assert (disk.kept, thread.trouble) == ([1], "")
    assert [event for _, event, _ in log.lines] == ["work beside the loop failed"]
    await asyncio.to_thread(thread.end)


def test_a_state_that_the_disk_does_not_let_open_is_not_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    store = StateStore(path)
    store.keep_alarms({"pump": "{}"})
    store.close()

    def full(_store: StateStore) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(StateStore, "_open", full)
        with pytest.raises(StateError, match="free space"):
            StateStore(path)
    assert not path.with_suffix(".damaged").exists()
    again = StateStore(path)
    assert again.alarms() == {"pump": "{}"}
    again.close()
