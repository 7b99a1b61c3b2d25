"""Whatever happens to an alarm, in whatever order, restarts included: it never ends up where nothing leads out of."""

import json

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.config.assets import AlarmConfig
from gateway.stages.alarm import LONGEST, SECOND, TABLE, Alarms, Event, State, Transition
from gateway.stages.command import ACTIONS

START = 1_700_000_000 * SECOND
ONE = np.zeros(1, np.int64)
BY_OPERATOR = tuple(ACTIONS.values())


class AlarmLife(RuleBasedStateMachine):
    """One alarm among its scores, operators, clocks and restarts."""

    @initialize(latch=st.booleans(), delays=st.sampled_from([0.0, 2.0]), realarm=st.sampled_from([0.0, 30.0]))
    def begin(self, latch: bool, delays: float, realarm: float) -> None:
        self.config = AlarmConfig(on_delay=delays, off_delay=delays, realarm=realarm, latch=latch)
        self.alarms, self.now = Alarms([self.config]), START
        self.state = State.NORMAL

    def follow(self, moved: list[Transition]) -> None:
        for transition in moved:
            assert transition.previous is self.state
            assert TABLE[transition.previous, transition.event] is transition.state
            self.state = transition.state

    def row(self, score: float) -> list[Transition]:
        return self.alarms.step(ONE, np.array([score]), np.ones(1), np.array([self.now]))

    @rule(score=st.sampled_from([0.0, 0.95, 5.0, float("nan")]), rows=st.integers(1, 5))
    def scores(self, score: float, rows: int) -> None:
        for _ in range(rows):
            self.now += SECOND
            self.follow(self.row(score))

    @rule(event=st.sampled_from([event for event in Event if event not in (Event.RAISE, Event.RETURN)]))
    def is_commanded(self, event: Event) -> None:
        moved = self.alarms.command(0, event, self.now, self.now + 10 * SECOND)
        assert (moved is not None) == ((self.state, event) in TABLE)
        self.follow([moved] if moved else [])

    @rule(seconds=st.integers(1, 20))
    def looks_at_the_clock(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.follow(self.alarms.expire(self.now))

    @rule()
    def restarts(self) -> None:
        again = Alarms([self.config])
        again.restore(0, json.loads(json.dumps(self.alarms.snapshot(0))))
        assert again.snapshot(0) == self.alarms.snapshot(0)
        assert again.until(0) == self.alarms.until(0)
        self.alarms = again

    @precondition(lambda self: self.state is State.SHELVED)
    @rule()
    def shelving_ends_by_itself(self) -> None:
        until = self.alarms.until(0)
        assert until is not None
        assert until <= self.now + LONGEST
        self.now = until
        self.follow(self.alarms.expire(self.now))
        assert self.state is State.NORMAL

    @invariant()
    def the_state_is_the_one_that_was_told(self) -> None:
        assert State(self.alarms.state[0]) is self.state

    @invariant()
    def operators_and_time_lead_back_to_normal(self) -> None:
        """From a copy, so that the life itself goes on."""
        copy = Alarms([self.config])
        copy.restore(0, self.alarms.snapshot(0))
        if self.state is State.SUPPRESSED:  # the plant's, not the operator's
            copy.command(0, Event.UNSUPPRESS, self.now)
        for event in (Event.RESTORE, Event.UNSHELVE, Event.ACKNOWLEDGE):
            copy.command(0, event, self.now)
        for second in range(1, 8):
            copy.step(ONE, np.zeros(1), np.ones(1), np.array([self.now + second * SECOND]))
        assert State(copy.state[0]) is State.NORMAL


AlarmLife.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
TestAlarmLife = AlarmLife.TestCase


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"on_delay": 20.0, "off_delay": 0.0, "realarm": 0.0}, 0),
        ({"on_delay": 0.0, "off_delay": 60.0, "realarm": 0.0}, 1),
        ({"on_delay": 0.0, "off_delay": 0.0, "realarm": 3600.0}, 24),
        ({"on_delay": 0.0, "off_delay": 0.0, "realarm": 0.0, "latch": True}, 1),
    ],
)
def test_a_tag_that_chatters_for_a_day_gives_no_more_alarms_than_is_configured(
    options: dict[str, float | bool], most: int
) -> None:
    alarms, raised = Alarms([AlarmConfig.model_validate({"budget": 1e6, **options})]), 0
    for row in range(86400 // 10):
        now, score = np.array([START + row * 10 * SECOND]), np.array([2.0 if row % 2 else 0.0])
        raised += sum(moved.event is Event.RAISE for moved in alarms.step(ONE, score, np.ones(1), now))
    assert raised <= most
    assert raised > 0 or most == 0


def test_without_delays_it_would_be_an_alarm_each_time() -> None:
    alarms, raised = Alarms([AlarmConfig(on_delay=0.0, off_delay=0.0, budget=1e6)]), 0
    for row in range(100):
        now, score = np.array([START + row * 10 * SECOND]), np.array([2.0 if row % 2 else 0.0])
        raised += sum(moved.event is Event.RAISE for moved in alarms.step(ONE, score, np.ones(1), now))
    assert raised == 50
