"""The pure part of subscribing: who shares a subscription, counts, numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk.testing import connection
from gateway_opcua.codec import Published
from gateway_opcua.subscriptions import Subscription, in_turn, keep_alive_count, lifetime_count, plan
from tests.plugins.gateway_opcua.rigs import device


def message(sequence: int, *, keep_alive: bool = False) -> Published:
    return Published(1, sequence, more=False, changes=[], keep_alive=keep_alive)


def test_a_type_with_many_tags_gets_its_own_subscription_and_the_rest_share_one() -> None:
    line = connection(device(1, [f"i={i}" for i in range(1, 501)]))
    kinds = np.array([11] * 250 + [12] * 3 + [10] * 240 + [6] * 7, np.uint8)
    planned = plan(line.groups, kinds)
    assert sorted(len(s.rows) for s in planned) == [10, 240, 250]
    assert np.concatenate([s.rows for s in planned]).astype(int).tolist() != []
    assert sorted(np.concatenate([s.rows for s in planned]).tolist()) == list(range(500))
    assert [len(s.rows) for s in plan(line.groups, kinds, by_type=False)] == [500]


def test_each_period_has_its_own() -> None:
    line = connection(device(1, ["i=1", "i=2"]), device(1, ["i=3"], "slow", every="5s"))
    assert [(s.every, s.rows.tolist()) for s in plan(line.groups, np.zeros(3, np.uint8))] == [(0.1, [0, 1]), (5.0, [2])]


@pytest.mark.parametrize(
    ("every", "stale_after", "count"), [(1.0, 3.0, 1), (1.0, 60.0, 30), (0.1, 0.3, 1), (0.1, 10.0, 50), (5.0, 1.0, 1)]
)
def test_keep_alives_come_twice_before_tags_go_stale(every: float, stale_after: float, count: int) -> None:
    assert keep_alive_count(every, stale_after) == count


def test_a_subscription_outlives_half_a_minute_and_three_keep_alives() -> None:
    assert lifetime_count(1.0, 1) * 1.0 >= 30
    assert lifetime_count(100.0, 4) >= 12  # Part 4 §5.14.2: at least three times the keep-alive


def test_numbers_in_turn_follow_and_a_missing_one_is_noticed_once() -> None:
    subscription = Subscription(1.0, np.arange(1, dtype=np.uint32), ())
    told = [subscription.follows(message(n)) for n in (1, 2, 4, 5)]
    assert told == [True, True, False, True]


def test_a_keep_alive_tells_of_a_message_that_was_lost() -> None:
    subscription = Subscription(1.0, np.arange(1, dtype=np.uint32), ())
    assert subscription.follows(message(1, keep_alive=True))
    assert subscription.follows(message(1))
    assert subscription.follows(message(2, keep_alive=True))
    assert subscription.follows(message(1, keep_alive=True))  # some servers repeat the last number
    assert subscription.expected == 2
    assert not subscription.follows(message(4, keep_alive=True))
    assert subscription.follows(message(4))


def test_the_number_after_the_last_is_1() -> None:
    subscription = Subscription(1.0, np.arange(1, dtype=np.uint32), (), expected=2**32 - 1)
    assert [subscription.follows(message(n)) for n in (2**32 - 1, 1)] == [True, True]


def test_waits_double_up_to_ten_minutes() -> None:
    subscription = Subscription(1.0, np.arange(2, dtype=np.uint32), ())
    subscription.begin(1, 1.0, 1.0, now=0.0)
    waits = []
    for _ in range(7):
        subscription.postpone(np.array([1]), 100.0, 30.0)
        waits.append(float(subscription.due[1]) - 100.0)
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    assert subscription.due[0] == 0.0


@given(st.lists(st.integers(0, 5), max_size=30))
def test_runs_have_no_row_twice_and_keep_the_order(values: list[int]) -> None:
    rows = np.array(values, np.uint32)
    runs = in_turn(rows)
    assert sorted(int(i) for run in runs for i in run) == list(range(len(rows)))
    for run in runs:
        assert len(np.unique(rows[run])) == len(run)
    for row in set(values):
        places = [int(i) for run in runs for i in run if rows[i] == row]
        assert places == sorted(places)
