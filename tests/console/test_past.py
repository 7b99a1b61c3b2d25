"""The recent past: bounded, in order, and its extremes are kept when points are drawn together."""

import numpy as np

from gateway.console.past import LONGEST, Parts, Ring, Series, depth


def test_the_ring_keeps_the_last_samples_in_their_order() -> None:
    ring = Ring(2, 3)
    assert ring.oldest is None
    for i in range(5):
        ring.put(i * 1000, np.array([i, -i], float))
        assert ring.oldest == max(i - 2, 0) * 1000
    time, values = ring.read(np.array([1]), 0)
    assert (time.tolist(), values[:, 0].tolist()) == ([2000, 3000, 4000], [-2, -3, -4])
    assert ring.read(np.array([0]), 3500)[0].tolist() == [4000]


def test_the_past_is_bounded_in_bytes() -> None:
    assert depth(10_000, 16 * 2**20) * 10_001 * 8 <= 16 * 2**20
    assert depth(1, 2**30) == LONGEST


def test_points_that_are_drawn_together_keep_their_extremes() -> None:
    time = np.arange(1000, dtype=np.int64)
    values = np.zeros(1000)
    values[501], values[502], values[0:10] = 9.0, -9.0, np.nan
    series = Series(time, 100)
    drawn = series.of(values)
    assert len(series.time) == 100
    assert (drawn["high"][50], drawn["low"][50], drawn["value"][50]) == (9.0, -9.0, 0.0)
    assert np.isnan([drawn[name][0] for name in ("value", "low", "high")]).all()
    none = Series(time[:0], 100)
    assert len(none.time) == len(none.of(values[:0])["value"]) == 0


def test_parts_are_drawn_as_one_in_the_order_of_their_times() -> None:
    first, second = np.arange(100, 200, dtype=np.int64), np.arange(0, 50, dtype=np.int64)
    parts = Parts([Series(first, 10), Series(second, 5)])
    drawn = parts.of([first.astype(float), second.astype(float)])
    assert parts.time.tolist() == [*range(0, 50, 10), *range(100, 200, 10)]
    assert drawn["low"].tolist() == parts.time.tolist()
    assert drawn["high"].tolist() == (parts.time + 9).tolist()
    assert len(Parts([]).time) == len(Parts([]).of([])["value"]) == 0
