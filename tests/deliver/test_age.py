"""How old what waits is: counted in time that a gateway ran, so that no clock that is set drops or keeps anything."""

import random

import pytest

from gateway.deliver import cursor as cursor_file
from gateway.deliver.cursor import Age, Cursor, Position, read_cursor, write_cursor
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.sdk.testing import FakeClock
from tests.deliver.simfiles import SimFiles
from tests.deliver.support import FOLDER, assert_balanced, config, opened

YEAR = 365 * 86400.0
RIGHT = 1_780_000_000.0  # Unix s
LIMITS = config(max_age=800.0)


def live(files: SimFiles, wall: float, messages: int, step: float = 0.0) -> Outbox:
    """A run of the gateway that begins when its clock says `wall`: a message each 100 s, half-way the clock is set."""
    clock = FakeClock(int(wall * 1e9), monotonic=1000.0)
    outbox, _ = opened(files, clock, LIMITS)
    for number in range(messages):
        outbox.put(Class.TELEMETRY, outbox.reserve(Class.TELEMETRY), "t", b"{}" * 50, 1)
        outbox.step()
        clock.advance(100.0, 100.0 + (step if number == messages // 2 else 0.0))
    outbox.step()
    assert_balanced(outbox)
    return outbox


def dropped(outbox: Outbox) -> int:
    return sum(outbox.stats().classes[Class.TELEMETRY].dropped.values())


@pytest.fixture
def files() -> SimFiles:
    return SimFiles(random.Random(0))


@pytest.mark.parametrize("wall", [RIGHT, RIGHT + YEAR, RIGHT - YEAR, 5.0], ids=["right", "ahead", "behind", "1970"])
def test_a_restart_with_any_clock_drops_nothing_before_its_time_and_keeps_nothing_beyond_it(
    files: SimFiles, wall: float
) -> None:
    live(files, RIGHT, 4)
    second = live(files, wall, 3)
    assert dropped(second) == 0
    assert 600.0 <= second.stats().classes[Class.TELEMETRY].oldest_age <= 800.0, "it goes on growing older"
    third = live(files, wall, 8)
    assert 5 <= dropped(third) <= 7
    assert third.stats().classes[Class.TELEMETRY].oldest_age <= 1000.0


@pytest.mark.parametrize(("began", "step"), [(5.0, RIGHT), (RIGHT + YEAR, -YEAR), (RIGHT, YEAR), (RIGHT - YEAR, YEAR)])
def test_a_clock_that_was_set_in_the_run_before_ages_nothing(files: SimFiles, began: float, step: float) -> None:
    live(files, began, 4, step)
    assert dropped(live(files, RIGHT + 400, 3)) == 0


def test_many_short_runs_add_up(files: SimFiles) -> None:
    runs = [live(files, RIGHT + YEAR * (number % 3 - 1), 1) for number in range(14)]
    assert dropped(runs[6]) == 0
    assert sum(map(dropped, runs)) >= 3


def test_what_an_older_version_left_counts_from_the_first_start_of_this_one(files: SimFiles) -> None:
    live(files, RIGHT - YEAR, 4)
    old = read_cursor(files, FOLDER)
    assert old.age is not None
    write_cursor(files, FOLDER, Cursor(old.epoch, old.positions))
    assert read_cursor(files, FOLDER).age is None
    assert dropped(live(files, RIGHT, 4)) == 0
    assert dropped(live(files, RIGHT, 8)) >= 4


def test_a_version_that_knows_no_age_reads_all_that_it_knows(files: SimFiles) -> None:
    cursor = Cursor(7, {cls: Position(1, 2, 3) for cls in Class}, Age(10, 5))
    write_cursor(files, FOLDER, cursor)
    path = FOLDER / cursor_file.NAME
    data = files.read(path, 0, 1000)
    assert cursor_file._decode(data[: cursor_file._SIZE]) == cursor


def test_a_damaged_age_costs_the_age_and_nothing_else() -> None:
    cursor = Cursor(7, {cls: Position(1, 2, 3) for cls in Class}, Age(10, 5))
    data = cursor_file._encode(cursor)
    for at in range(cursor_file._SIZE, len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1
        for damaged in (bytes(flipped), data[:at]):
            found = cursor_file._decode(damaged)
            assert found == cursor
            assert found is not None
            assert found.age is None
