"""The budget of an alarm and alarms that stay: what raises the threshold, what lowers it, and what never does."""

import numpy as np
import pytest

from gateway.config.assets import AlarmConfig
from gateway.stages.alarm import APART, RAISE_BY, RAISE_MAX, SECOND, Alarms, Event, State, Transition
from tests.stages.line import PLAIN, START, Line


def spent(config: AlarmConfig = PLAIN) -> Line:
    """A line that has had the event that its budget allows for now."""
    line = Line(config)
    line.rows(2, *[0] * (APART + 2))
    assert raised(line) == 0
    return line


def raised(line: Line) -> float:
    return float(line.alarms.budget.raised[0].max())


def test_an_event_beyond_the_budget_raises_the_threshold_once_it_is_over_and_time_lowers_it() -> None:
    line = spent(PLAIN.model_copy(update={"budget": 1 / 1000}))
    line.rows(2, 0, *[0] * APART)
    assert raised(line) == 0
    line.rows(0)
    assert raised(line) == pytest.approx(RAISE_BY)
    (moved,) = line.rows(2)
    assert moved.threshold == pytest.approx(np.exp(RAISE_BY), rel=1e-3)
    line.rows(2, step=1000)
    assert raised(line) == 0


def test_an_event_raises_the_bar_for_its_own_kind_alone() -> None:
    alarms, now = Alarms([PLAIN], kinds=3), START

    def rows(kind: int, *scores: float) -> list[Transition]:
        nonlocal now
        moved = []
        for score in scores:
            now += SECOND
            one = np.zeros(1, np.int64)
            moved += alarms.step(one, np.array([score]), np.ones(1), np.array([now]), np.array([kind]))
        return moved

    rows(1, 2, *[0] * (APART + 2), 2, *[0] * (APART + 2))
    assert alarms.budget.raised[0].tolist() == [0, pytest.approx(RAISE_BY, rel=1e-3), 0]
    assert rows(1, 1.3) == []
    assert [moved.event for moved in rows(2, 1.3)] == [Event.RAISE]


def test_quiet_times_lower_the_threshold_of_those_who_may_and_never_below_the_upper_end_of_normal() -> None:
    for lower, score, events in ((True, 1.5, [Event.RAISE]), (False, 1.5, []), (True, 0.99, [])):
        alarms = Alarms([PLAIN.model_copy(update={"budget": 1 / 1000})], 1, [lower])
        one = np.zeros(1, np.int64)
        for second in range(0, 5000, 10):
            alarms.step(one, np.zeros(1), np.full(1, 2.0), np.array([START + second * SECOND]))
        moved = alarms.step(one, np.array([score]), np.full(1, 2.0), np.array([START + 5000 * SECOND]))
        assert [m.event for m in moved] == events


def test_an_alarm_that_stays_is_asked_about_once_and_rises_anew_above_its_level() -> None:
    line = Line(PLAIN.model_copy(update={"stays": 100.0}))
    line.rows(2)
    assert line.rows(*[2] * 150) == []
    assert line.alarms.stuck.take() == [0]
    assert [moved.event for moved in line.rows(*[2] * 100)] == [Event.RETURN]
    assert line.alarms.stuck.take() == []
    assert line.state is State.RETURNED_UNACKNOWLEDGED
    assert line.rows(*[2] * 50) == []
    assert line.alarms.stuck.take() == []
    assert [moved.event for moved in line.rows(4)] == [Event.RAISE]


def test_an_answer_takes_the_level_of_an_alarm_that_stayed_away() -> None:
    line = Line(PLAIN.model_copy(update={"stays": 100.0}))
    line.rows(*[2] * 250)
    line.alarms.forgive(0)
    assert [moved.event for moved in line.rows(2)] == [Event.RAISE]


def test_an_alarm_without_a_limit_stays_for_ever() -> None:
    line = Line(PLAIN.model_copy(update={"stays": 0.0}))
    line.rows(2)
    assert line.rows(*[2] * 50, step=1e6) == []


def test_an_alarm_does_not_end_by_the_event_it_is() -> None:
    line = Line()
    line.rows(1.2)
    assert line.rows(*[1.2] * 500) == []
    assert line.state is State.ACTIVE_UNACKNOWLEDGED


def test_an_alarm_that_comes_back_soon_is_the_same_event() -> None:
    line = spent()
    for _ in range(5):
        line.rows(2, *[0] * 50)
    line.rows(*[0] * 100)
    assert raised(line) == pytest.approx(RAISE_BY, rel=1e-2)


def test_a_chattering_asset_does_not_make_itself_blind() -> None:
    line = Line()
    for _ in range(20):
        line.rows(99, *[0] * (APART + 2))
    assert raised(line) == pytest.approx(RAISE_MAX, rel=1e-2)
    assert [moved.event for moved in line.rows(9)] == [Event.RAISE]


@pytest.mark.parametrize("seed", range(3))
def test_events_in_the_long_run_keep_to_the_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    days, budget = 100, 1 / 86400
    line = Line(PLAIN.model_copy(update={"budget": budget}))
    step, raised = 600.0, 0
    for burst in rng.random(int(days * 86400 / step / (APART + 2))):
        raised += sum(moved.event is Event.RAISE for moved in line.rows(1 + 7 * burst, *[0] * (APART + 1), step=step))
    assert raised <= days + RAISE_MAX / RAISE_BY + 1
