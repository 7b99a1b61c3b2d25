"""Whether a machine runs: conditions known, unknown, settling; equal ones looked at once."""

from typing import Final

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import quality
from gateway.sdk.expression import Expression
from gateway.stages.operating import SECOND, Look, Operating, Runs, When

FAST: Final = Expression("m.speed > 10")


class Machines:
    """Three assets: one always judged, two while row 0 is above 10, the last of them after 3 s."""

    def __init__(self) -> None:
        self.operating = Operating([None, When(FAST, (0,), 0), When(FAST, (0,), 3 * SECOND)])
        self.time = 1_700_000_000 * SECOND

    def look(self, speed: float, status: int = quality.GOOD, step: float = 1.0) -> Look:
        self.time += round(step * SECOND)
        every = np.arange(3)
        return self.operating.look(every, np.array([speed]), np.array([status], np.uint32), self.time)


def test_what_has_no_condition_is_always_judged() -> None:
    look = Machines().look(0.0)
    assert look.judged.tolist() == [0]
    assert look.resting.tolist() == [1, 2]
    assert look.stopped == [1, 2]


def test_what_must_settle_is_judged_later() -> None:
    machines = Machines()
    machines.look(0.0)
    assert machines.look(20.0).started == [1]
    assert [machines.look(20.0).started for _ in range(4)] == [[], [], [2], []]
    assert machines.look(20.0).judged.tolist() == [0, 1, 2]
    assert machines.look(5.0).stopped == [1, 2]


def test_what_is_not_known_is_not_judged_and_stops_nothing() -> None:
    machines = Machines()
    for _ in range(5):
        machines.look(20.0)
    for speed, status in ((20.0, quality.BAD_TIMEOUT), (float("nan"), quality.GOOD)):
        look = machines.look(speed, status)
        assert look.judged.tolist() == [0]
        assert look.stopped == []
        assert machines.operating.runs.tolist() == [Runs.YES, Runs.UNKNOWN, Runs.UNKNOWN]
    assert machines.look(20.0).started == [1]  # settled anew


def test_a_clock_that_goes_back_settles_nothing() -> None:
    machines = Machines()
    machines.look(20.0)
    machines.look(20.0, step=-3600.0)
    assert machines.operating.runs[2] == Runs.SETTLING
    machines.look(20.0, step=3.0)
    assert machines.operating.runs[2] == Runs.YES


@given(st.lists(st.tuples(st.sampled_from([0.0, 20.0, float("nan")]), st.floats(0, 2)), max_size=40))
def test_it_runs_when_the_condition_has_held_for_long_enough_without_a_break(rows: list[tuple[float, float]]) -> None:
    machines, held = Machines(), None
    for speed, step in rows:
        held = (0 if held is None else held + round(step * SECOND)) if speed > 10 else None
        look = machines.look(speed, step=step)
        assert (1 in look.judged) == (speed > 10)
        assert (2 in look.judged) == (held is not None and held >= 3 * SECOND)
