"""The shipped graph is the one that graph.py builds, and it computes what its formulas say."""

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from gateway.models import graph
from gateway.models.session import DEFAULT, open_session

Arrays = dict[str, NDArray[Any]]


def reference(x: NDArray[Any], e: NDArray[Any], a: NDArray[Any], bank: Arrays, alpha: NDArray[Any]) -> Arrays:
    """The formulas of docs/detector.md, in numpy and f8."""
    m, s, mu, p, v = (bank[name][a].astype(float) for name in ("m", "s", "mu", "P", "v"))
    z = np.clip((x - m) / s, -50, 50)
    smooth = e + (np.where(np.isnan(z), e, z) - e) * alpha
    d = smooth - mu
    r = np.einsum("bkij,bkuj->bkui", p, d)
    parts = (d * r).mean(axis=1)
    score = np.sqrt(parts.sum(axis=-1, keepdims=True))
    residual = r * v
    expected = m + s * (smooth - residual)[:, :1]
    return {
        "score": score,
        "contrib": parts / score**2,
        "expected": expected,
        "e_out": smooth,
        "residual": residual,
    }


def bank(rng: np.random.Generator, n: int, k: int, d: int) -> Arrays:
    root = rng.normal(size=(n, k, d, d)) / np.sqrt(d)
    p = ((root @ root.transpose(0, 1, 3, 2) + 0.3 * np.eye(d)) / d).astype(np.float32)
    return {
        "m": rng.normal(size=(n, 1, 1, d)) * 1e4,
        "s": np.exp(rng.normal(size=(n, 1, 1, d))),
        "mu": (0.01 * rng.normal(size=(n, k, 1, d))).astype(np.float32),
        "P": p,
        "v": (1 / np.einsum("nkii->nki", p))[:, :, None].astype(np.float32),
    }


def test_the_shipped_file_is_fresh() -> None:
    assert graph.build().SerializeToString(deterministic=True) == DEFAULT.read_bytes()


def test_the_graph_passes_the_full_check_of_onnx() -> None:
    onnx.checker.check_model(onnx.load(DEFAULT), full_check=True)


@pytest.mark.parametrize(("d", "k", "b"), [(1, 1, 1), (2, 3, 1), (8, 3, 7), (33, 2, 16), (130, 3, 4)])
def test_one_file_agrees_with_the_formulas_at_every_width(d: int, k: int, b: int) -> None:
    rng = np.random.default_rng(d)
    n = b + 2
    parameters, a = bank(rng, n, k, d), rng.permutation(n)[:b].astype(np.int64)
    alpha = (2 / (np.arange(1, k + 1) * 7.0 + 1))[:, None, None].astype(np.float32)
    x = parameters["m"][a] + parameters["s"][a] * rng.normal(size=(b, 1, 1, d)) * 3
    x[0, ..., 0] = parameters["m"][a[0], ..., 0] + 1e9  # clipped
    x[..., 1 : rng.integers(2, d + 2)] = np.nan
    e = rng.normal(size=(b, k, 1, d)).astype(np.float32)
    names = list(graph.OUTPUTS)
    feed: Arrays = {"x": x, "e": e, "a": a, "alpha": alpha, **parameters}
    got = dict(zip(names, open_session().run(names, feed), strict=True))
    for name, want in reference(x, e, a, parameters, alpha).items():
        np.testing.assert_allclose(got[name], want, rtol=1e-5, atol=1e-5 * (1 + np.abs(want).max()), err_msg=name)


def test_shares_of_a_row_sum_to_one() -> None:
    rng = np.random.default_rng(1)
    parameters = bank(rng, 3, 3, 8)
    a, alpha = np.arange(3, dtype=np.int64), np.full((3, 1, 1), 0.5, np.float32)
    x, e = parameters["m"] + rng.normal(size=(3, 1, 1, 8)), np.zeros((3, 3, 1, 8), np.float32)
    (contrib,) = open_session().run(["contrib"], {"x": x, "e": e, "a": a, "alpha": alpha, **parameters})
    np.testing.assert_allclose(contrib.sum(axis=-1), 1, atol=1e-5)
