"""An asset is due when all its scan groups were read; what is lost is not waited for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import quality
from gateway.stages.features import Readiness, gather


def test_an_asset_of_one_group_is_due_with_it() -> None:
    ready = Readiness([[0], [1], [0]], 3)
    assert ready.read([0]).tolist() == [0, 2]
    assert ready.read([2]).tolist() == []
    assert ready.read([0, 1]).tolist() == [0, 2, 1]


def test_an_asset_of_two_groups_waits_for_both_each_time() -> None:
    ready = Readiness([[0, 1]], 2)
    assert ready.read([0]).tolist() == []
    assert ready.read([0]).tolist() == []
    assert ready.read([1]).tolist() == [0]
    assert ready.read([1]).tolist() == []
    assert ready.read([0]).tolist() == [0]


def test_a_scan_of_the_next_row_that_comes_with_the_last_of_this_is_not_lost() -> None:
    ready = Readiness([[0, 1]], 2)
    assert ready.read([0]).tolist() == []
    assert ready.read([1, 0]).tolist() == [0]  # the loop was held up: 1 is of this row, 0 of the next
    assert ready.read([1]).tolist() == [0]
    assert ready.read([0]).tolist() == []
    assert ready.read([1]).tolist() == [0]


def test_a_lost_group_is_not_waited_for_until_it_is_read_again() -> None:
    ready = Readiness([[0, 1]], 2)
    ready.lost([1])
    assert ready.read([0]).tolist() == [0]
    assert ready.read([0]).tolist() == [0]
    assert ready.read([1]).tolist() == []
    assert ready.read([0]).tolist() == [0]
    assert ready.read([0]).tolist() == []


def test_an_asset_without_groups_is_never_due_by_scan() -> None:
    ready = Readiness([[], [0]], 1)
    assert ready.read([0]).tolist() == [1]


@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 3), min_size=1)), max_size=60))
def test_readiness_agrees_with_a_plain_model(steps: list[tuple[bool, set[int]]]) -> None:
    wants = [{0}, {1, 2}, {0, 1, 2, 3}, {3}]
    ready = Readiness([sorted(w) for w in wants], 4)
    fresh: list[set[int]] = [set() for _ in wants]
    absent: set[int] = set()
    for is_read, groups in steps:
        if is_read:
            got = sorted(ready.read(sorted(groups)).tolist())
            again = [groups & fresh[asset] - absent for asset in range(len(wants))]
            absent -= groups
            expected = []
            for asset, want in enumerate(wants):
                fresh[asset] |= groups & want
                if groups & want and fresh[asset] >= want:
                    expected.append(asset)
                    fresh[asset] = (want & absent) | (again[asset] if len(want) > 1 else set())
            assert got == expected
        else:
            ready.lost(sorted(groups))
            absent |= groups
            for asset, want in enumerate(wants):
                fresh[asset] |= groups & want


@given(
    st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 3), min_size=1)), max_size=40),
    st.integers(0, 40),
    st.permutations(range(4)),
)
def test_under_other_numbers_it_goes_on_where_it_was(
    steps: list[tuple[bool, set[int]]], cut: int, numbers: list[int]
) -> None:
    wants = [[0], [1, 2], [0, 1, 2, 3], [3]]
    stays, one = Readiness(wants, 4), Readiness(wants, 4)
    now = {group: group for group in range(4)}
    for place, (is_read, groups) in enumerate(steps):
        if place == cut:
            now = dict(enumerate(numbers))
            moved = Readiness([[now[group] for group in groups] for groups in wants], 4)
            moved.take_over(one, now)
            one = moved
        if is_read:
            due = one.read([now[group] for group in sorted(groups)])
            assert sorted(due.tolist()) == sorted(stays.read(sorted(groups)).tolist())
        else:
            one.lost(now[group] for group in groups)
            stays.lost(groups)


def test_gather_takes_good_values_only() -> None:
    status = np.array([0, quality.BAD_TIMEOUT, quality.UNCERTAIN_LAST_USABLE_VALUE, 0], np.uint32)
    seen = gather(
        np.array([[0, 1], [2, 3], [1, 2]]), np.array([1.0, 2.0, 3.0, 4.0]), status, np.array([10, 20, 30, 40])
    )
    np.testing.assert_array_equal(seen.x, [[1, np.nan], [np.nan, 4], [np.nan, np.nan]])
    assert seen.good.tolist() == [1, 1, 0]
    assert seen.time.tolist() == [10, 40, 0]
