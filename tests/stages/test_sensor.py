from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.stages.sensor import Fault, Finding, Sensors

LEARN, WIDTH, TAG = 200, 5, 2
ONE = np.zeros(1, np.int64)
Change = Callable[[NDArray[np.float64], int], None]


class Line:
    """One asset of five tags that follow one load, each with its own noise."""

    def __init__(self, seed: int = 0, learn: int = LEARN) -> None:
        self.sensors = Sensors(WIDTH, [learn])
        self.rng = np.random.default_rng(seed)
        self.load = 0.0
        self.masks: list[NDArray[np.bool_]] = []
        self.rows(LEARN + 20)
        assert not np.any(self.masks)

    def rows(self, count: int, change: Change | None = None) -> list[Finding]:
        found = []
        self.masks = []
        for number in range(count):
            self.load += 0.1 * float(self.rng.normal()) - 0.02 * self.load
            x = 50 + 5 * self.load + self.rng.normal(size=WIDTH)
            beyond = np.zeros((1, WIDTH), np.bool_)
            if change:
                change(x, number)
                beyond[0] = x > 1e6
                x = np.where(x > 1e6, np.nan, x)
            mask, findings = self.sensors.step(ONE, x[None], beyond if beyond.any() else None)
            self.masks.append(np.zeros(WIDTH, np.bool_) if mask is None else mask[0])
            found += findings
        return found

    @property
    def left_out(self) -> set[int]:
        return set(np.flatnonzero(np.any(self.masks, axis=0)).tolist())


def dead(x: NDArray[np.float64], _row: int) -> None:
    x[TAG] = 0.0


def spike(x: NDArray[np.float64], row: int) -> None:
    x[TAG] += 100.0 if row == 3 else 0.0


def out_of_range(x: NDArray[np.float64], _row: int) -> None:
    x[TAG] = 1e9


def absurd(x: NDArray[np.float64], _row: int) -> None:
    x[TAG] += 1e5


def noise(seed: int) -> Change:
    rng = np.random.default_rng(seed)

    def change(x: NDArray[np.float64], _row: int) -> None:
        x[TAG] += 15 * rng.normal()

    return change


def frozen() -> Change:
    kept: list[float] = []

    def change(x: NDArray[np.float64], _row: int) -> None:
        kept.append(float(x[TAG]))
        x[TAG] = kept[0]

    return change


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda _: dead, Fault.DEAD),
        (lambda _: spike, Fault.SPIKE),
        (lambda _: out_of_range, Fault.OUT_OF_RANGE),
        (lambda _: absurd, Fault.OUT_OF_RANGE),
        (noise, Fault.NOISE),
        (lambda _: frozen(), Fault.FROZEN),
    ],
)
def test_a_sensor_fault_is_named_and_only_that_tag_is_left_out(
    seed: int, make: Callable[[int], Change], fault: Fault
) -> None:
    line = Line(seed)
    found = line.rows(40, make(seed))
    assert Finding(0, TAG, fault) in found
    assert {finding.tag for finding in found} == {TAG}
    assert line.left_out == {TAG}


def test_a_jump_is_left_out_from_its_very_first_row() -> None:
    line = Line()
    line.rows(2, dead)
    assert line.masks[0][TAG]


def test_a_tag_that_is_healthy_again_is_told_of_and_counts_again() -> None:
    line = Line()
    line.rows(20, dead)
    found = line.rows(30)
    assert found == [Finding(0, TAG, Fault.GOOD)]
    assert not line.masks[-1].any()


def test_a_machine_that_moves_several_tags_at_once_has_no_sensor_fault() -> None:
    line = Line()

    def trip(x: NDArray[np.float64], _row: int) -> None:
        x[:4] = 0.0

    assert line.rows(40, trip) == []
    assert line.left_out == set()


def test_a_ramp_of_one_tag_is_no_sensor_fault() -> None:
    line = Line()

    def ramp(x: NDArray[np.float64], row: int) -> None:
        x[TAG] += 3.0 * row

    assert line.rows(40, ramp) == []


def test_a_step_of_one_tag_is_let_go_after_a_few_rows() -> None:
    line = Line()

    def step(x: NDArray[np.float64], _row: int) -> None:
        x[TAG] += 60.0

    assert line.rows(40, step) == []
    assert [bool(mask[TAG]) for mask in line.masks[:5]] == [True, True, True, True, False]
    assert not line.masks[-1].any()


def test_noise_about_another_level_is_the_machine() -> None:
    line, rng = Line(), np.random.default_rng(1)

    def rough(x: NDArray[np.float64], row: int) -> None:
        x[TAG] += min(row, 10) * (4 + 1.5 * abs(rng.normal()))

    line.rows(60, rough)
    assert not line.masks[-1].any()


def test_all_tags_at_rest_are_a_machine_at_rest() -> None:
    line = Line()
    kept: list[NDArray[np.float64]] = []

    def stop(x: NDArray[np.float64], _row: int) -> None:
        kept.append(x.copy())
        x[:] = kept[0]

    assert line.rows(100, stop) == []


def test_a_tag_that_never_moved_is_not_judged() -> None:
    sensors, rng = Sensors(3, [100]), np.random.default_rng(0)
    for _ in range(300):
        x = rng.normal(size=3)
        x[1] = 7.0
        assert sensors.step(ONE, x[None]) == (None, [])
    assert sensors.step(ONE, np.array([[0.0, 99.0, 0.0]]))[1] == []


def test_sensors_that_are_switched_off_find_nothing() -> None:
    line = Line(learn=0)
    assert line.rows(40, dead) == []
    assert line.rows(40, out_of_range) == []


def test_a_bad_reading_is_no_finding() -> None:
    line = Line()

    def lost(x: NDArray[np.float64], row: int) -> None:
        if row % 3 == 0:
            x[TAG] = np.nan

    assert line.rows(60, lost) == []


def test_rows_that_are_far_apart_are_judged_by_rest_and_range_alone() -> None:
    line = Line()
    line.sensors = Sensors(WIDTH, [LEARN], [False])
    line.rows(LEARN + 20)
    assert line.rows(40, spike) == []
    assert line.rows(40, noise(0)) == []
    assert Finding(0, TAG, Fault.OUT_OF_RANGE) in line.rows(2, out_of_range)
    line.rows(20)
    assert Finding(0, TAG, Fault.FROZEN) in line.rows(60, frozen())


def test_what_is_usual_survives_a_restart() -> None:
    line = Line()
    again = Sensors(WIDTH, [LEARN])
    again.usual.restore(0, line.sensors.usual.snapshot(0))
    line.sensors = again
    line.rows(5)
    assert Finding(0, TAG, Fault.DEAD) in line.rows(20, dead)


def test_a_restart_of_learning_forgets_the_fault() -> None:
    line = Line()
    line.rows(20, dead)
    line.sensors.restart(0)
    assert line.rows(LEARN, dead) == []
    assert line.rows(20, dead) == []


def test_members_are_judged_each_by_itself() -> None:
    together, alone = Sensors(WIDTH, [50] * 3), [Sensors(WIDTH, [50]) for _ in range(3)]
    rng = np.random.default_rng(3)
    for row in range(200):
        members = rng.permutation(3)[: rng.integers(1, 4)].astype(np.int64)
        x = rng.normal(size=(len(members), WIDTH))
        x[0, TAG] += 1000 if row % 37 == 0 else 0
        mask, found = together.step(members, x)
        mine = np.zeros_like(x, np.bool_) if mask is None else mask
        for i, member in enumerate(members.tolist()):
            one, findings = alone[member].step(ONE, x[i : i + 1])
            assert np.array_equal(mine[i], np.zeros(WIDTH, np.bool_) if one is None else one[0])
            assert [(f.tag, f.fault) for f in found if f.member == member] == [(f.tag, f.fault) for f in findings]
