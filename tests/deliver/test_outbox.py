"""The outbox with a disk that fills, fails and ages. Nothing accepted is lost, and everything is accounted for."""

import asyncio
import errno
import random
from pathlib import Path

import pytest

from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.ops.files import RealFiles
from gateway.sdk.testing import FakeClock, LoopClock
from tests.deliver.simfiles import SimFiles
from tests.deliver.support import FOLDER, assert_balanced, config, drain, opened, put


def disk(quota: int | None = None) -> SimFiles:
    return SimFiles(random.Random(0), quota)


def fill(outbox: Outbox, cls: Class, count: int, size: int = 100, step: int = 1) -> None:
    """Put `count` records of `size` bytes with one reading each, a commit after every `step`."""
    for index in range(count):
        outbox.put(cls, outbox.reserve(cls), "t", bytes([97 + index % 26]) * size, 1)
        if index % step == step - 1:
            outbox.step()
    outbox.step()


def telemetry(outbox: Outbox) -> tuple[int, int, int, dict[str, int]]:
    """Readings put, queued, acknowledged, dropped."""
    stats = outbox.stats().classes[Class.TELEMETRY]
    return stats.put.readings, stats.queued.readings, stats.acked.readings, stats.dropped


def test_nothing_can_be_taken_before_it_is_durable() -> None:
    outbox, _ = opened(disk(), FakeClock())
    outbox.put(Class.ALARM, outbox.reserve(Class.ALARM), "t", b"x", 0)
    assert outbox.take(10) == []
    outbox.step()
    assert [record.body for record in outbox.take(10)] == [b"x"]


def test_alarms_go_first_then_events_then_telemetry() -> None:
    outbox, _ = opened(disk(), FakeClock())
    for cls in reversed(Class):
        fill(outbox, cls, 3)
    assert [record.cls for record in outbox.take(7)] == [Class.ALARM] * 3 + [Class.EVENT] * 3 + [Class.TELEMETRY]


def test_one_commit_takes_all_that_waits_with_one_fsync_per_class() -> None:
    outbox, _ = opened(disk(), FakeClock())
    fill(outbox, Class.TELEMETRY, 1)
    before = outbox.stats().fsyncs
    fill(outbox, Class.TELEMETRY, 500, step=1000)
    assert outbox.stats().fsyncs == before + 1


def test_a_lost_connection_brings_everything_unacknowledged_back_in_order() -> None:
    outbox, _ = opened(disk(), FakeClock())
    fill(outbox, Class.TELEMETRY, 10)
    first = outbox.take(6)
    for record in (first[1], first[4]):
        outbox.ack(record.cls, record.sequence)
    outbox.rewind()
    assert [record.sequence for record in outbox.take(100)] == [1, 3, 4, 6, 7, 8, 9, 10]
    assert not outbox.ack(Class.TELEMETRY, 2)


def test_what_is_beyond_memory_is_read_back_from_disk_in_order() -> None:
    files = disk()
    outbox, _ = opened(files, FakeClock(), config(memory=4000, segment=3000))
    fill(outbox, Class.TELEMETRY, 300, step=10)
    lane = outbox._lanes[Class.TELEMETRY]
    assert lane.behind
    assert lane._ready_bytes < 6000
    got = drain(outbox, limit=7)
    assert [record.sequence for record in got] == list(range(1, 301))
    assert [record.body for record in got] == [bytes([97 + n % 26]) * 100 for n in range(300)]
    assert not outbox._lanes[Class.TELEMETRY].behind
    fill(outbox, Class.TELEMETRY, 1)
    assert [record.sequence for record in outbox.take(5)] == [301]
    assert_balanced(outbox)


def test_a_record_longer_than_a_piece_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.deliver.outbox._PIECE", 50)
    files = disk()
    outbox, _ = opened(files, FakeClock())
    fill(outbox, Class.EVENT, 3, size=1000)
    again, _ = opened(files, FakeClock())
    assert [len(record.body) for record in drain(again)] == [1000] * 3


def test_acknowledged_segments_are_removed_and_the_newest_stays() -> None:
    files = disk()
    outbox, _ = opened(files, FakeClock(), config(segment=1000))
    fill(outbox, Class.TELEMETRY, 50)
    assert len(files.seen) > 5
    drain(outbox)
    outbox.step()
    assert [Path(name).name for name in files.seen if name.endswith(".seg")] == ["telemetry-000000000008.seg"]
    assert telemetry(outbox) == (50, 0, 50, {})


def test_sequences_go_on_after_a_restart_and_the_epoch_stays() -> None:
    files, clock = disk(), FakeClock()
    outbox, recovery = opened(files, clock)
    fill(outbox, Class.ALARM, 5)
    drain(outbox)
    files.crash()
    clock.advance(100.0)
    again, recovered = opened(files, clock)
    assert again.reserve(Class.ALARM) == 6
    assert recovered.epoch == recovery.epoch
    assert not recovered.epoch_changed


async def test_a_clean_restart_sends_nothing_again() -> None:
    files = disk()
    outbox, _ = opened(files, FakeClock())
    fill(outbox, Class.TELEMETRY, 20)
    for record in outbox.take(15):
        outbox.ack(record.cls, record.sequence)
    assert await outbox.close()
    again, recovery = opened(files, FakeClock())
    assert recovery.counts[Class.TELEMETRY].records == 5
    assert [record.sequence for record in drain(again)] == [16, 17, 18, 19, 20]


async def test_closing_writes_what_waits_and_then_takes_no_more() -> None:
    files = disk()
    outbox, _ = opened(files, FakeClock())
    outbox.put(Class.EVENT, outbox.reserve(Class.EVENT), "t", b"last words", 4)
    assert await outbox.close()
    outbox.put(Class.EVENT, outbox.reserve(Class.EVENT), "t", b"too late", 4)
    assert outbox.stats().classes[Class.EVENT].dropped == {"closed": 4}
    again, _ = opened(files, FakeClock())
    assert [record.body for record in drain(again)] == [b"last words"]
    assert_balanced(outbox)


def test_the_cursor_is_written_once_a_second_at_most() -> None:
    files, clock = disk(), FakeClock()
    outbox, _ = opened(files, clock)
    for _ in range(100):
        fill(outbox, Class.TELEMETRY, 1)
        drain(outbox)
        clock.advance(0.05)
    assert 4 <= files.calls["rename"] <= 5


def test_over_the_budget_the_oldest_telemetry_goes_first_and_alarms_last() -> None:
    files = disk()
    outbox, _ = opened(files, FakeClock(), config(budget=24_000, segment=3000))
    fill(outbox, Class.ALARM, 60)
    fill(outbox, Class.TELEMETRY, 400)
    stats = outbox.stats()
    assert stats.disk_bytes <= 24_000
    assert stats.classes[Class.ALARM].dropped == {}
    dropped = stats.classes[Class.TELEMETRY].dropped["budget"]
    assert dropped > 200
    assert sum(drop.readings for drop in stats.classes[Class.TELEMETRY].drops) == dropped
    assert stats.classes[Class.TELEMETRY].drops[0].first == 1
    assert [r.sequence for r in drain(outbox) if r.cls is Class.TELEMETRY] == list(range(dropped + 1, 401))
    fill(outbox, Class.ALARM, 400)
    assert outbox.stats().classes[Class.ALARM].dropped["budget"] > 200
    assert_balanced(outbox)


def test_a_message_that_is_under_way_when_it_is_dropped_is_counted_once() -> None:
    outbox, _ = opened(disk(), FakeClock(), config(budget=16_000, segment=2000))
    fill(outbox, Class.TELEMETRY, 20)
    taken = outbox.take(10)
    fill(outbox, Class.TELEMETRY, 300)
    assert not outbox.ack(Class.TELEMETRY, taken[0].sequence)
    assert_balanced(outbox)
    outbox.rewind()
    assert outbox.take(1)[0].sequence > 100


def test_telemetry_that_is_too_old_is_dropped_and_a_jump_of_the_wall_clock_ages_nothing() -> None:
    clock = FakeClock()
    outbox, _ = opened(disk(), clock, config(max_age=800.0))
    for _ in range(10):
        fill(outbox, Class.TELEMETRY, 1)
        fill(outbox, Class.ALARM, 1)
        clock.advance(150.0, wall=1e8)
    dropped = outbox.stats().classes[Class.TELEMETRY].dropped["age"]
    assert 3 <= dropped <= 5
    assert outbox.stats().classes[Class.ALARM].dropped == {}
    assert outbox.stats().classes[Class.TELEMETRY].oldest_age <= 1100.0
    assert_balanced(outbox)


def test_too_much_at_once_drops_telemetry_and_counts_it() -> None:
    outbox, _ = opened(disk(), FakeClock(), config(memory=10_000))
    fill(outbox, Class.TELEMETRY, 200, step=1000)
    put_readings, queued, _, dropped = telemetry(outbox)
    assert put_readings == 200
    assert queued + dropped["overflow"] == 200
    assert 100 < dropped["overflow"] < 150
    fill(outbox, Class.ALARM, 120, step=1000)
    assert outbox.stats().classes[Class.ALARM].dropped == {}
    assert_balanced(outbox)


def test_on_a_full_disk_telemetry_makes_room_and_alarms_are_kept() -> None:
    files = disk(quota=20_000)
    outbox, _ = opened(files, FakeClock(), config(segment=2000))
    fill(outbox, Class.TELEMETRY, 300)
    fill(outbox, Class.ALARM, 40)
    stats = outbox.stats()
    assert stats.classes[Class.ALARM].queued.records == 40
    assert stats.classes[Class.TELEMETRY].dropped["full"] > 0
    assert "No space left" in stats.last_error
    assert_balanced(outbox)
    assert {r.sequence for r in drain(outbox) if r.cls is Class.ALARM} == set(range(1, 41))


def test_a_disk_that_others_filled_rejects_and_recovers_without_a_restart() -> None:
    files = disk()
    outbox, _ = opened(files, FakeClock())
    fill(outbox, Class.TELEMETRY, 5)
    for _ in range(20):
        files.quota = files.used() + 50
        fill(outbox, Class.TELEMETRY, 3, size=1000)
        assert outbox.stats().failed
        files.quota = None
        fill(outbox, Class.TELEMETRY, 2)
        assert not outbox.stats().failed
    assert telemetry(outbox) == (105, 45, 0, {"disk": 60})
    again, recovery = opened(files, FakeClock())
    assert not recovery.damaged
    assert len(drain(again)) == 45


@pytest.mark.parametrize("operation", ["append", "fsync", "fsync_dir", "open", "truncate", "unlink", "rename", "read"])
def test_an_error_of_any_call_loses_nothing_accepted(operation: str) -> None:
    """Each n-th call of one kind fails, for n = 1, 2, ...: the loop that SQLite's I/O error tests run."""
    for nth in range(1, 40):
        rng, clock = random.Random(nth), FakeClock()
        files = SimFiles(rng)
        outbox, _ = opened(files, clock, config(segment=800, memory=2000))
        calls = iter(range(1, 10**6))
        files.fault = lambda kind, calls=calls, nth=nth: errno.EIO if kind == operation and next(calls) == nth else None
        expected: dict[tuple[Class, int], bytes] = {}
        for _ in range(30):
            _, cls, sequence, body = put(outbox, rng.choice(list(Class)), rng)
            expected[cls, sequence] = body
            outbox.step()
            for record in outbox.take(rng.randrange(2)):
                outbox.ack(record.cls, record.sequence)
                del expected[record.cls, record.sequence]
            clock.advance(0.4)
            assert_balanced(outbox)
        dropped = sum(sum(stats.dropped_records.values()) for stats in outbox.stats().classes.values())
        files.crash()
        again, _ = opened(files, clock, config(segment=800))
        got = {(record.cls, record.sequence): record.body for record in drain(again)}
        lost = {key for key, body in expected.items() if got.get(key) != body}
        assert len(lost) <= dropped, (operation, nth, outbox.stats())
        assert operation == "read" or not dropped, (operation, nth)


def test_a_disk_that_fails_for_good_stops_nothing() -> None:
    files = disk()
    outbox, _ = opened(files, FakeClock())
    fill(outbox, Class.ALARM, 3)
    files.fault = lambda _operation: errno.EIO
    fill(outbox, Class.ALARM, 10)
    stats = outbox.stats()
    assert stats.failed
    assert "Input/output" in stats.last_error
    assert stats.classes[Class.ALARM].dropped_records == {"disk": 10}
    assert [record.sequence for record in outbox.take(100)] == [1, 2, 3]
    assert_balanced(outbox)


def test_start_never_refuses_on_a_disk_that_fails() -> None:
    files = SimFiles(random.Random(0), fault=lambda _operation: errno.EIO)
    outbox, recovery = opened(files, FakeClock())
    assert recovery.errors
    fill(outbox, Class.ALARM, 2)
    assert outbox.stats().classes[Class.ALARM].dropped_records == {"disk": 2}


def pressed(seed: int) -> None:
    """A small budget, little memory, a disk that fills and fails now and then, a publisher that comes and goes."""
    rng, clock = random.Random(seed), FakeClock()
    files = SimFiles(rng, quota=rng.choice([None, 12_000]))
    files.fault = lambda _operation: errno.EIO if rng.random() < 0.01 else None
    outbox, _ = opened(files, clock, config(budget=16_000, segment=2000, memory=3000, max_age=40.0))
    bodies: dict[tuple[Class, int], bytes] = {}
    for _ in range(120):
        for _ in range(rng.randrange(6)):
            _, cls, sequence, content = put(outbox, rng.choice(list(Class)), rng)
            bodies[cls, sequence] = content
        if rng.random() < 0.7:
            outbox.step()
        for record in outbox.take(rng.choice([0, 0, 3, 20])):
            assert bodies[record.cls, record.sequence] == record.body
            if rng.random() < 0.7:
                outbox.ack(record.cls, record.sequence)
            elif rng.random() < 0.5:
                outbox.drop(record.cls, record.sequence, "refused")
        if rng.random() < 0.1:
            outbox.rewind()
        clock.advance(rng.random())
        assert_balanced(outbox)
    files.fault = files.quota = None
    outbox.rewind()
    drain(outbox)
    fill(outbox, Class.TELEMETRY, 2)  # behind whatever could not be read back
    drain(outbox)
    assert_balanced(outbox)


def test_under_any_pressure_the_books_balance_and_nothing_comes_out_changed() -> None:
    for seed in range(60):
        pressed(seed)


def test_a_topic_that_no_record_can_hold_is_refused() -> None:
    outbox, _ = opened(disk(), FakeClock())
    with pytest.raises(ValueError, match="65535"):
        outbox.put(Class.EVENT, outbox.reserve(Class.EVENT), "t" * 70_000, b"", 0)


async def test_the_thread_accepts_and_wakes_the_publisher(tmp_path: Path) -> None:
    awake = asyncio.Event()
    outbox = Outbox(RealFiles(), tmp_path / "outbox", config(), LoopClock(), awake.set)
    outbox.open()
    outbox.start()
    got = 0
    for number in range(1, 201):
        outbox.put(Class.TELEMETRY, outbox.reserve(Class.TELEMETRY), "t", b"x" * 300, 40)
        if number % 50 == 0:
            async with asyncio.timeout(20):
                while got < number:
                    awake.clear()
                    records = outbox.take(1000)
                    got += len(records)
                    for record in records:
                        outbox.ack(record.cls, record.sequence)
                    if not records:
                        await awake.wait()
    assert await outbox.close()
    assert telemetry(outbox) == (8000, 0, 8000, {})
    assert outbox.stats().fsyncs < 200
    again = Outbox(RealFiles(), tmp_path / "outbox", config(), LoopClock())
    assert again.open().counts[Class.TELEMETRY].records == 0
    assert FOLDER.name == "outbox"
