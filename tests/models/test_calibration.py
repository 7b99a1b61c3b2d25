"""A calibration learns what is normal in closed form, whatever holes and constants the rows have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.models.calibration import Calibration, CalibrationError, ewma, fit, ledoit_wolf


def normal_rows(n: int = 500, d: int = 4, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 100


STORED = fit(normal_rows(100)).serialise()


def slow_ewma(z: NDArray[np.float64], alpha: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
    out, e = np.empty_like(z), start.copy()
    for i, row in enumerate(z):
        e = np.where(np.isnan(row), e, e + alpha * (np.nan_to_num(row) - e))
        out[i] = e
    return out


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 700), st.floats(0.01, 0.9), st.floats(0, 0.6), st.integers(0, 2**32 - 1))
def test_the_blocked_average_is_the_recursion(n: int, alpha: float, holes: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    z[rng.random(z.shape) < holes] = np.nan
    start = rng.normal(size=3)
    np.testing.assert_allclose(ewma(z, alpha, start), slow_ewma(z, alpha, start), atol=1e-10)


def test_shrinkage_is_that_of_ledoit_and_wolf() -> None:
    x = normal_rows(40, 6)
    x -= x.mean(axis=0)
    n, d = x.shape
    sample = x.T @ x / n
    level = np.trace(sample) / d
    noise = sum(((np.outer(row, row) - sample) ** 2).sum() for row in x) / n**2
    shrink = min(noise, ((sample - level * np.eye(d)) ** 2).sum()) / ((sample - level * np.eye(d)) ** 2).sum()
    np.testing.assert_allclose(ledoit_wolf(x), (1 - shrink) * sample + shrink * level * np.eye(d))


def test_unit_is_the_99_percent_quantile_of_rows_not_seen() -> None:
    fitted = fit(normal_rows(2000), spans=(15,))
    assert np.mean(fitted.scores > 1) == pytest.approx(0.01, abs=0.001)
    assert fitted.scores.shape == (2000,)


def test_correlation_is_learnt() -> None:
    rng = np.random.default_rng(3)
    load = rng.normal(size=1000)
    fitted = fit(np.column_stack([load, load + 0.1 * rng.normal(size=1000)]))
    together, apart = (np.array([1.0, sign]) for sign in (1, -1))
    assert apart @ fitted.P[0] @ apart > 20 * (together @ fitted.P[0] @ together)


def test_a_constant_tag_counts_as_noise_of_five_percent() -> None:
    x = normal_rows()
    x[:, 2] = 40.0
    fitted = fit(x)
    assert fitted.s[2] == pytest.approx(2.0)
    assert np.isfinite(fitted.P).all()
    assert fitted.P[0, 2, 2] == pytest.approx(
        3, rel=0.5
    )  # white noise smoothed over 3 rows has a third of its variance


def test_an_asset_whose_tags_are_all_constant_is_calibrated() -> None:
    fitted = fit(np.full((400, 3), 7.0))
    assert np.isfinite(fitted.P).all()
    assert (fitted.scores == 0).all()
    assert (fitted.c > 0).all()


def test_holes_do_not_move_the_mean() -> None:
    x = normal_rows(2000)
    holed = x.copy()
    holed[::3, 1] = np.nan
    a, b = fit(x), fit(holed)
    np.testing.assert_allclose(a.m, b.m, atol=0.2)
    np.testing.assert_allclose(a.c, b.c, rtol=0.3)


def test_a_tag_that_was_hardly_ever_good_is_left_out() -> None:
    x = normal_rows()
    x[20:, 1] = np.nan
    fitted = fit(x)
    assert np.isinf(fitted.s[1])
    assert np.isfinite(fitted.P).all()
    off_diagonal = np.delete(fitted.P[:, 1, :], 1, axis=1)
    np.testing.assert_allclose(off_diagonal, 0, atol=1e-6)


def test_bytes_come_back_as_the_same_calibration() -> None:
    fitted = fit(normal_rows())
    data = fitted.serialise()
    again = Calibration.deserialise(data)
    for name, column in vars(fitted).items():
        np.testing.assert_array_equal(getattr(again, name), column, err_msg=name)
    assert again.serialise() == data == fit(normal_rows()).serialise()


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_damaged_bytes_are_refused(cut: int) -> None:
    data = fit(normal_rows(100)).serialise()
    with pytest.raises(CalibrationError):
        Calibration.deserialise(data[:cut])


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_a_flipped_bit_is_refused(data: st.DataObject) -> None:
    stored = bytearray(STORED)
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CalibrationError):
        Calibration.deserialise(bytes(stored))


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = fit(normal_rows(100)).serialise()
    monkeypatch.setattr("gateway.models.calibration.VERSION", 2)
    with pytest.raises(CalibrationError, match="version 1"):
        Calibration.deserialise(data)
