"""NaN, infinities, values out of range and time that runs backwards are flagged, never good."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import DeviceConfig, TagConfig, TagTable, quality
from gateway.stages.condition import Conditioner, Readings, stale

TAGS = TagTable.build(
    [
        DeviceConfig(
            device="d",
            adapter="x",
            tags={
                "plain": TagConfig(),
                "scaled": TagConfig(scale=0.01, offset=2.0),
                "ranged": TagConfig(range=(0.0, 10.0)),
                "banded": TagConfig(deadband=0.5),
            },
        )
    ]
)
CONDITION = Conditioner(TAGS)
NEVER = np.zeros(4, np.int64)


def readings(*value: float, time: int = 100, status: int = 0) -> Readings:
    n = len(value)
    return Readings(np.arange(n), np.array(value, float), np.full(n, time, np.int64), np.full(n, status, np.uint32))


def test_scale_and_offset() -> None:
    assert CONDITION(readings(1, 300, 5, 7), NEVER).value.tolist() == [1, 5, 5, 7]


def test_nan_and_infinity_are_bad() -> None:
    new = CONDITION(readings(np.nan, np.inf, -np.inf, 1), NEVER)
    assert new.status.tolist() == [quality.BAD_OUT_OF_RANGE] * 3 + [0]
    assert np.isnan(new.value[:3]).all()


def test_text_is_not_judged_as_a_number() -> None:
    exempt = np.array([True, False, False, False])
    assert CONDITION(readings(np.nan, 1, 1, 1), NEVER, exempt).status[0] == quality.GOOD


def test_beyond_the_range_is_clamped_and_uncertain() -> None:
    new = CONDITION(readings(1, 1, 11, 1), NEVER)
    assert new.value[2] == 10
    assert new.status[2] == quality.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED


def test_time_that_runs_backwards_is_bad_and_equal_time_is_not() -> None:
    new = CONDITION(readings(1, 1, 1, 1, time=100), np.array([101, 100, 99, 0]))
    assert new.status.tolist() == [quality.BAD_INVALID_TIMESTAMP, 0, 0, 0]


def test_a_bad_status_is_kept_and_its_value_is_no_number() -> None:
    new = CONDITION(readings(1, 1, 1, 1, status=quality.BAD_TIMEOUT), NEVER)
    assert (new.status == quality.BAD_TIMEOUT).all()
    assert np.isnan(new.value).all()


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=4, max_size=4))
def test_good_is_always_a_number(values: list[float]) -> None:
    new = CONDITION(readings(*values), NEVER)
    assert np.isfinite(new.value[new.status == 0]).all()


def test_the_dead_band_holds_small_changes_back() -> None:
    before = np.array([1.0, 1.0, 1.0, 1.0])
    mask = CONDITION.worth_reporting(readings(1.0, 1.1, 1.0, 1.4), before, NEVER.astype(np.uint32), "changes")
    assert mask.tolist() == [False, True, False, False]
    mask = CONDITION.worth_reporting(readings(1.0, 1.1, 1.0, 1.6), before, NEVER.astype(np.uint32), "changes")
    assert mask[3]


def test_a_change_of_quality_is_always_reported() -> None:
    same = readings(np.nan, np.nan, np.nan, np.nan, status=quality.BAD_TIMEOUT)
    assert CONDITION.worth_reporting(same, np.full(4, np.nan), NEVER.astype(np.uint32), "changes").all()
    held = np.full(4, quality.BAD_TIMEOUT, np.uint32)
    assert not CONDITION.worth_reporting(same, np.full(4, np.nan), held, "changes").any()


def test_modes() -> None:
    nothing_new = readings(1, 1, 1, 1)
    for mode, expected in (("all", True), ("off", False)):
        told = CONDITION.worth_reporting(nothing_new, np.ones(4), NEVER.astype(np.uint32), mode)  # type: ignore[arg-type]
        assert (told == expected).all()


def test_only_good_values_go_stale() -> None:
    status = np.array([0, quality.BAD_TIMEOUT, 0, quality.UNCERTAIN_LAST_USABLE_VALUE], np.uint32)
    rows = stale(status, np.array([0, 0, 95, 0]), np.full(4, 10), now=100)
    assert rows.tolist() == [0]
