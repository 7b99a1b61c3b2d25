"""The threshold is passed as often as the budget allows, and a short calibration makes it careful."""

import numpy as np
import pytest

from gateway.models.threshold import DOUBT, FIRST, pareto, peaks, return_level, threshold


def test_rows_close_together_are_one_peak() -> None:
    scores = np.zeros(100)
    scores[[10, 12, 39, 80]] = [2, 3, 2.5, 4]
    np.testing.assert_array_equal(peaks(scores, 1), [3, 4])
    np.testing.assert_array_equal(peaks(scores, 1, gap=5), [3, 2.5, 4])
    assert not len(peaks(scores, 9))


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_moments_find_the_shape_and_scale_of_a_pareto_tail(shape: float) -> None:
    u = np.random.default_rng(0).random(20000)
    excess = -np.log(u) if shape == 0 else (u**-shape - 1) / shape
    np.testing.assert_allclose(pareto(2 * excess), (shape, 2), atol=0.08)


def test_a_week_of_normal_rows_passes_it_about_once() -> None:
    rng = np.random.default_rng(1)
    week = 20000
    level = return_level(rng.exponential(size=week).astype(np.float32), 1 / week)
    events = [len(peaks(rng.exponential(size=week), level)) for _ in range(20)]
    assert 0.2 < np.mean(events) < 4


def test_a_tighter_budget_is_a_higher_threshold() -> None:
    scores = np.random.default_rng(2).exponential(size=5000)
    levels = [return_level(scores, rate) for rate in (1e-3, 1e-4, 1e-5, 1e-6)]
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]


def test_few_peaks_fall_back_on_the_highest_score() -> None:
    scores = np.linspace(0, 1, 100)
    assert return_level(scores, 1e-6) == pytest.approx(1.2)


def test_a_short_calibration_asks_for_more() -> None:
    scores = np.tile(np.linspace(0, 2, 100), 100)
    short, long = threshold(scores[:400], 1e-6, 60), threshold(scores, 1e-6, 60)
    assert short / return_level(scores[:400], FIRST * 1e-6) == pytest.approx(1 + DOUBT * np.sqrt(60 / 400))
    assert long / return_level(scores, FIRST * 1e-6) == pytest.approx(1 + DOUBT * np.sqrt(60 / 10000))


def test_it_is_never_below_the_upper_end_of_normal() -> None:
    assert threshold(np.zeros(400), 1e-6, 60) > 1
