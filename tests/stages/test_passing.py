"""What passes between rows: a clock that is set gives no time and takes none, and a slow pace is still a pace."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.assets import AlarmConfig
from gateway.stages.alarm import Event
from gateway.stages.dating import Dating
from gateway.stages.operating import SECOND
from gateway.stages.passing import LEAP, Passing
from tests.stages.line import Line
from tests.stages.test_operating import Machines

YEAR = 365 * 86400 * SECOND
ONE = np.array([0])


def passed(*times: int) -> list[int]:
    """What passes by rows of one asset at these times, s."""
    passing = Passing(1)
    return [int(passing.step(ONE, np.array([time * SECOND]))[0]) // SECOND for time in times]


def test_it_is_the_time_between_rows() -> None:
    assert passed(100, 101, 103, 103, 1000) == [0, 1, 2, 0, 897]


def test_a_clock_that_is_set_gives_nothing_and_takes_nothing() -> None:
    year = YEAR // SECOND
    assert passed(100, 101, 101 + year, 102 + year) == [0, 1, 0, 1]
    assert passed(100 + year, 101 + year, 102, 103) == [0, 1, 0, 1]
    assert passed(100, 100 + year, 101, 101 + year, 102 + year) == [0, 0, 0, 0, 1]
    assert passed(5, 6, 1_780_000_000, 1_780_000_001) == [0, 1, 0, 1], "1970, and then the right time"


def test_rows_that_come_slowly_have_a_pace_and_a_year_is_not_it() -> None:
    hour, year = 3600, YEAR // SECOND
    assert passed(0, hour, 2 * hour, 3 * hour) == [0, 0, hour, hour]
    assert passed(0, hour, 2 * hour, 3 * hour + year, 4 * hour + year) == [0, 0, hour, hour, hour]


@given(st.lists(st.integers(0, LEAP), min_size=1), st.data())
def test_a_step_among_rows_changes_no_more_than_the_row_behind_it(steps: list[int], data: st.DataObject) -> None:
    at, by = data.draw(st.integers(0, len(steps) - 1)), data.draw(st.sampled_from([-YEAR, YEAR, 2 * LEAP, -2 * LEAP]))
    still, stepped = Passing(1), Passing(1)
    time = 50 * YEAR
    for number, step in enumerate([0, *steps]):
        time += step
        right = int(still.step(ONE, np.array([time]))[0])
        got = int(stepped.step(ONE, np.array([time + (by if number > at else 0)]))[0])
        assert got == (0 if number == at + 1 else right)


def test_each_asset_has_its_own() -> None:
    passing = Passing(2)
    passing.step(np.array([0, 1]), np.array([0, 0]))
    assert passing.step(np.array([1]), np.array([YEAR])).tolist() == [0]
    assert passing.step(np.array([0, 1]), np.array([SECOND, YEAR + SECOND])).tolist() == [SECOND, SECOND]


# -- where it counts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("years", [1, -1, 56])
def test_a_clock_that_is_set_raises_no_alarm_before_its_delay_and_holds_none_back(years: int) -> None:
    line = Line(AlarmConfig(on_delay=60.0, off_delay=60.0))
    assert line.rows(*[2] * 30) == []
    assert line.rows(2, step=years * YEAR / SECOND) == []
    assert line.rows(*[2] * 30) == []
    assert [moved.event for moved in line.rows(2)] == [Event.RAISE]
    assert line.rows(0, step=years * YEAR / SECOND) == []
    assert line.rows(*[0] * 59) == []
    assert [moved.event for moved in line.rows(0)] == [Event.RETURN]


def test_a_year_that_never_was_is_no_year_without_an_alarm() -> None:
    quiet, set_ahead = Line(AlarmConfig()), Line(AlarmConfig())
    for line in (quiet, set_ahead):
        line.rows(*[2] * 10)
        line.rows(*[0] * 100)
    quiet.rows(0, step=0.0)
    set_ahead.rows(0, step=YEAR / SECOND)
    for line in (quiet, set_ahead):
        line.rows(0)
    assert set_ahead.alarms.budget.snapshot(0) == quiet.alarms.budget.snapshot(0)


def test_a_clock_that_is_set_settles_no_machine() -> None:
    machines = Machines()
    machines.look(20.0)
    machines.look(20.0, step=YEAR / SECOND)
    assert machines.look(20.0).started == []
    assert [machines.look(20.0).started for _ in range(2)] == [[], [2]]


def test_the_time_of_a_server_is_carried_on_by_what_passes_and_not_by_what_our_clock_is_set_to() -> None:
    dating, source, ours = Dating(1), np.array([40 * YEAR]), 50 * YEAR

    def after(step: int) -> int:
        nonlocal ours
        ours += step
        return int(dating.carry(ONE, source, ours)[0]) - 40 * YEAR

    assert [after(0), after(SECOND), after(YEAR), after(SECOND)] == [0, SECOND, SECOND, 2 * SECOND]
    assert [after(-2 * YEAR), after(SECOND)] == [2 * SECOND, 3 * SECOND]
