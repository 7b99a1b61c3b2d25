"""Deadlines are on a grid, are skipped rather than burst, and the queue is fair."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import DeviceConfig, Group, TagConfig, TagTable
from gateway.sdk.schedule import Schedule, next_due


def groups(*periods: float) -> tuple[Group, ...]:
    tags = {f"t{i}": TagConfig(every=period) for i, period in enumerate(periods)}
    return TagTable.build([DeviceConfig(device="d", adapter="x", tags=tags)]).groups


@given(st.floats(0, 1e7), st.sampled_from([0.05, 0.1, 1.0, 60.0]), st.floats(0, 0.99))
def test_the_next_deadline_is_after_now_and_within_one_period(now: float, period: float, phase: float) -> None:
    due = next_due(now, period, phase)
    assert now < due + 1e-6
    assert due - now <= period * 1.001


def test_the_first_read_is_at_once_and_the_second_on_the_grid() -> None:
    schedule = Schedule(groups(1.0), phase=0.25, now=10.6)
    due, group = schedule.pop()
    assert due == 10.6
    schedule.push(group, due, now=10.61)
    assert schedule.pop()[0] == 11.25


def test_no_second_read_right_behind_the_first() -> None:
    schedule = Schedule(groups(1.0), phase=0.25, now=10.2)
    due, group = schedule.pop()
    schedule.push(group, due, now=10.21)
    assert schedule.pop()[0] == 11.25
    assert schedule.overdue == 0


def test_a_late_group_skips_and_counts() -> None:
    schedule = Schedule(groups(1.0), phase=0.0, now=10.0)
    due, group = schedule.pop()
    schedule.push(group, due, now=13.5)
    assert schedule.pop()[0] == 14.0
    assert schedule.overdue == 3


def test_a_slow_group_does_not_starve_a_fast_one() -> None:
    """The slow one takes 300 ms a time; the 100 ms group is served after each of its turns."""
    schedule = Schedule(groups(0.1, 1.0), phase=0.0, now=0.0)
    now, served = 0.0, []
    for _ in range(20):
        due, group = schedule.pop()
        now = max(now, due) + (0.3 if group.every == 1.0 else 0.01)
        served.append(group.every)
        schedule.push(group, due, now)
    assert served.count(0.1) > 15
