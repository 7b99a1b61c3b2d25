"""The alarm follows its table, its delays, its dead-band and its budget, and never the date."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.assets import AlarmConfig
from gateway.stages.alarm import (
    ACTIVE,
    APART,
    LONGEST,
    SECOND,
    TABLE,
    Alarms,
    Event,
    State,
)
from tests.stages.line import PLAIN, START, Line

BY_SCORE = (Event.RAISE, Event.RETURN)
COMMANDS = [event for event in Event if event not in BY_SCORE]


def put(state: State) -> Line:
    """A line in `state`, by the events that lead there."""
    line = Line()
    line.rows(0.0)
    if state in (*ACTIVE, State.RETURNED_UNACKNOWLEDGED):
        line.rows(2.0)
    if state is State.ACTIVE_ACKNOWLEDGED:
        line.command(Event.ACKNOWLEDGE)
    if state is State.RETURNED_UNACKNOWLEDGED:
        line.rows(0.0)
    for target, event in (
        (State.SHELVED, Event.SHELVE),
        (State.SUPPRESSED, Event.SUPPRESS),
        (State.OUT_OF_SERVICE, Event.REMOVE),
    ):
        if state is target:
            line.command(event)
    assert line.state is state
    return line


def test_every_state_is_reached_and_left() -> None:
    assert {state for state, _ in TABLE} == set(TABLE.values()) == set(State)


def test_every_state_leads_back_to_normal() -> None:
    reached = {State.NORMAL}
    for _ in State:
        reached |= {state for (state, _), target in TABLE.items() if target in reached}
    assert reached == set(State)


def test_every_event_occurs_and_always_changes_the_state() -> None:
    assert {event for _, event in TABLE} == set(Event)
    assert all(state is not target for (state, _), target in TABLE.items())


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", COMMANDS)
def test_a_command_does_what_the_table_says_and_nothing_else(state: State, event: Event) -> None:
    line = put(state)
    moved = line.command(event)
    target = TABLE.get((state, event))
    assert line.state is (state if target is None else target)
    if target is None:
        assert moved is None
    else:
        assert moved is not None
        assert (moved.previous, moved.state, moved.event, moved.time) == (state, target, event, line.now)


@pytest.mark.parametrize("event", BY_SCORE)
def test_nobody_can_raise_or_return_an_alarm_by_command(event: Event) -> None:
    assert put(State.NORMAL).command(event) is None
    assert put(State.ACTIVE_ACKNOWLEDGED).command(event) is None


@pytest.mark.parametrize("state", [State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE])
def test_a_score_cannot_move_an_alarm_that_is_set_aside(state: State) -> None:
    line = put(state)
    assert line.rows(9.0, 9.0, 0.0, 0.0) == []
    assert line.state is state


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(st.floats(0, 3), st.just(float("nan")), st.sampled_from(COMMANDS)), max_size=60))
def test_whatever_happens_every_change_is_in_the_table_and_follows_on_the_last(happenings: list[float | Event]) -> None:
    line = Line(AlarmConfig(on_delay=1.0, off_delay=2.0))
    state = line.state
    for happening in happenings:
        moved = [line.command(happening)] if isinstance(happening, Event) else line.rows(happening)
        for transition in filter(None, moved):
            assert transition.previous is state
            state = transition.state
            assert TABLE[transition.previous, transition.event] is state
        assert line.state is state


def test_the_on_delay_must_pass_without_a_break() -> None:
    line = Line(AlarmConfig(on_delay=3.0))
    assert line.rows(2, 2, 2, 0, 2, 2, 2) == []
    (moved,) = line.rows(2.5)
    assert (moved.event, moved.score, moved.threshold) == (Event.RAISE, 2.5, 1.0)
    assert (moved.time, moved.since) == (line.now, line.now - 3 * SECOND)


def test_the_off_delay_must_pass_below_the_dead_band() -> None:
    line = Line(AlarmConfig(on_delay=0.0, off_delay=3.0, deadband=0.1))
    line.rows(2)
    assert line.rows(0.95, 0.95, 0.95, 0.95, 0.95) == []
    assert line.rows(0.5, 0.5, 0.5, 0.95, 0.5, 0.5, 0.5) == []
    (moved,) = line.rows(0.4)
    assert (moved.event, moved.since) == (Event.RETURN, line.now - 3 * SECOND)
    assert line.state is State.RETURNED_UNACKNOWLEDGED


def test_delays_are_seconds_at_any_period() -> None:
    line = Line(AlarmConfig(on_delay=3.0))
    assert line.rows(2, step=300) == []
    assert [moved.event for moved in line.rows(2, step=300)] == [Event.RAISE]
    line = Line(AlarmConfig(on_delay=3.0))
    assert line.rows(*[2] * 30, step=0.1) == []
    assert [moved.event for moved in line.rows(2, step=0.1)] == [Event.RAISE]


def test_an_abstention_holds_the_state_and_the_delay() -> None:
    line = Line(AlarmConfig(on_delay=2.0, off_delay=0.0))
    assert line.rows(2, 2, *[np.nan] * 100) == []
    assert [moved.event for moved in line.rows(2)] == [Event.RAISE]
    assert line.rows(*[np.nan] * 100) == []
    assert line.state is State.ACTIVE_UNACKNOWLEDGED


def test_time_that_runs_backwards_neither_raises_nor_blocks() -> None:
    line = Line(AlarmConfig(on_delay=2.0))
    line.rows(2)
    assert line.rows(2, step=-3600) == []
    assert line.rows(2) == []
    assert [moved.event for moved in line.rows(2)] == [Event.RAISE]


def test_a_date_in_the_far_future_does_not_block_what_comes_after_it() -> None:
    line = Line(AlarmConfig(on_delay=2.0))
    line.rows(0, step=3e9)
    line.rows(0, step=-3e9)
    assert line.rows(2, 2) == []
    assert [moved.event for moved in line.rows(2)] == [Event.RAISE]


def test_the_interval_between_two_alarms_is_kept() -> None:
    line = Line(PLAIN.model_copy(update={"realarm": 100.0}))
    assert [moved.event for moved in line.rows(2, 0)] == [Event.RAISE, Event.RETURN]
    assert line.rows(*[9] * 98) == []
    assert [moved.event for moved in line.rows(9)] == [Event.RAISE]


def test_shelving_ends_at_its_time_and_a_score_still_above_raises_at_once() -> None:
    line = put(State.ACTIVE_UNACKNOWLEDGED)
    line.command(Event.SHELVE, until=line.now + 5 * SECOND)
    assert line.rows(2, 2, 2, 2) == []
    assert [moved.event for moved in line.rows(2)] == [Event.UNSHELVE, Event.RAISE]


def test_shelving_ends_though_the_asset_has_no_rows() -> None:
    line = put(State.NORMAL)
    line.command(Event.SHELVE, until=line.now + 2 * SECOND)
    assert line.alarms.expire(line.now + SECOND) == []
    assert [moved.event for moved in line.alarms.expire(line.now + 2 * SECOND)] == [Event.UNSHELVE]
    assert line.alarms.until(0) is None


@pytest.mark.parametrize("until", [None, 10**9])
def test_no_alarm_is_shelved_for_longer_than_a_day(until: int | None) -> None:
    line = put(State.NORMAL)
    line.command(Event.SHELVE, until=until and line.now + until * SECOND)
    assert line.alarms.until(0) == line.now + LONGEST
    assert line.alarms.expire(line.now + LONGEST - 1) == []
    assert [moved.event for moved in line.alarms.expire(line.now + LONGEST)] == [Event.UNSHELVE]


def test_shelving_that_was_set_before_the_clock_went_back_is_over() -> None:
    line = put(State.NORMAL)
    line.command(Event.SHELVE)
    assert [moved.event for moved in line.alarms.expire(line.now - 10 * SECOND)] == [Event.UNSHELVE]


def test_a_record_of_shelving_without_an_end_is_over_at_the_first_look() -> None:
    line = put(State.NORMAL)
    line.command(Event.SHELVE)
    line.alarms.restore(0, line.alarms.snapshot(0) | {"until": -1})
    assert [moved.event for moved in line.alarms.expire(line.now)] == [Event.UNSHELVE]


def test_a_latched_alarm_stays_active_until_somebody_knows_of_it() -> None:
    line = Line(PLAIN.model_copy(update={"latch": True}))
    line.rows(2)
    assert line.rows(*[0] * 50) == []
    line.command(Event.ACKNOWLEDGE)
    [moved] = line.rows(0)
    assert (moved.previous, moved.event, moved.state) == (State.ACTIVE_ACKNOWLEDGED, Event.RETURN, State.NORMAL)


def test_many_assets_in_one_step_move_as_each_does_alone() -> None:
    rng = np.random.default_rng(5)
    n, config = 6, AlarmConfig(on_delay=1.0, off_delay=2.0)
    together, alone = Alarms([config] * n), [Alarms([config]) for _ in range(n)]
    for second in range(300):
        assets = rng.permutation(n)[: rng.integers(1, n + 1)].astype(np.int64)
        score = rng.choice([0.0, 2.0, np.nan], size=len(assets), p=[0.5, 0.4, 0.1])
        time = np.full(len(assets), START + second * SECOND)
        moved = {(t.asset, t.event) for t in together.step(assets, score, np.ones(len(assets)), time)}
        want = set()
        for asset, value in zip(assets.tolist(), score, strict=True):
            steps = alone[asset].step(np.zeros(1, np.int64), np.array([value]), np.ones(1), time[:1])
            want |= {(asset, t.event) for t in steps}
        assert moved == want
    assert together.active.tolist() == [bool(a.active[0]) for a in alone]


def test_a_restart_goes_on_as_if_nothing_had_been() -> None:
    line = Line()
    line.rows(2, 0, *[0] * (APART + 5), 2)
    line.command(Event.SHELVE, until=line.now + 10 * SECOND)
    again = Line()
    again.now = line.now
    again.alarms.restore(0, json.loads(json.dumps(line.alarms.snapshot(0))))
    assert again.alarms.snapshot(0) == line.alarms.snapshot(0)
    assert [m.event for m in again.rows(*[2] * 12)] == [m.event for m in line.rows(*[2] * 12)]


def test_the_time_that_the_gateway_was_down_counts_for_no_delay() -> None:
    line = Line(AlarmConfig(on_delay=2.0, off_delay=5.0))
    line.rows(2, 2, 2)
    again = Line(AlarmConfig(on_delay=2.0, off_delay=5.0))
    again.alarms.restore(0, line.alarms.snapshot(0))
    again.now = line.now + 86400 * SECOND
    assert again.rows(0, 0, 0, 0, 0) == []
    assert [moved.event for moved in again.rows(0)] == [Event.RETURN]


@pytest.mark.parametrize(
    "change",
    [{"state": "asleep"}, {"budget": {"raised": {"0": 99}, "lowered": 0, "left": 0}}, {"stuck": {}}, {"until": None}],
)
def test_a_record_that_is_none_is_refused_and_changes_nothing(change: dict[str, object]) -> None:
    alarms = put(State.ACTIVE_UNACKNOWLEDGED).alarms
    before = alarms.snapshot(0)
    with pytest.raises((KeyError, TypeError, ValueError)):
        alarms.restore(0, before | change)
    assert alarms.snapshot(0) == before


def drawn() -> str:
    """The table as Markdown."""
    lines = [["state", *(event.name.lower() for event in Event)], ["---"] * (len(Event) + 1)]
    for state in State:
        targets = [TABLE.get((state, event)) for event in Event]
        lines.append([state.name, *("" if target is None else target.name for target in targets)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("_", "-").lower()


def test_the_table_in_the_documentation_is_the_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "detector.md").read_text(encoding="utf-8")
    assert drawn() in text
