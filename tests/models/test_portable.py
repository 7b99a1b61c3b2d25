"""A calibration as a bundle says what the detector says; `fit --bundle` writes it, `model pack` signs it."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from gateway.models import graph, portable
from gateway.models.bundle import check, pack
from gateway.models.calibration import fit
from gateway.models.detector import Detector, Member
from gateway.models.onnxlook import check_shape, look
from gateway.models.session import open_session
from tests.models.made import KEY, TRUSTED

ROWS, TAGS = 1200, [("flow", "m³/h"), ("pressure", "bar"), ("power", ""), ("heat", "°C")]


def rows(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rng = np.random.default_rng(0)
    load = np.repeat(rng.uniform(-2, 2, count // 50), 50)[:, None]
    return 50 + load * [1.0, 2.0, -1.0, 0.5] + rng.normal(0, 0.1, (count, 4))


def test_the_shipped_window_is_fresh() -> None:
    assert graph.build_window().SerializeToString(deterministic=True) == portable.GRAPH.read_bytes()


def test_a_window_says_what_the_detector_says(tmp_path: Path) -> None:
    x = rows(2000)
    calibration = fit(x[:ROWS])
    path = tmp_path / "model.onnx"
    path.write_bytes(portable.model(calibration))
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session, detector = open_session(path), Detector(4, [Member(1e-6, ROWS)])
    for i, row in enumerate(x):
        found = detector.score(np.zeros(1, np.int64), row[None])
        detector.poll()
        if i < ROWS + portable.ROWS:
            continue
        z = (x[i + 1 - portable.ROWS : i + 1] - calibration.m) / calibration.s
        score, shares = session.run(["scores", "shared"], {"x": z[None].astype(np.float32)})
        assert score[0] == pytest.approx(found.score[0], rel=0.02)
        np.testing.assert_allclose(shares[0], found.contrib[0], atol=0.1 * max(1.0, np.abs(found.contrib).max()))


def test_it_is_a_bundle_that_passes_every_check() -> None:
    x = rows(ROWS)
    calibration = fit(x)
    x[-3, 1] = np.nan
    manifest = portable.manifest("pump-7", TAGS, x, calibration, 2.5, 1.0)
    found = look(portable.model(calibration))
    check_shape(found, manifest)
    assert set(found.inputs) == {"x"}
    made = check(pack(portable.model(calibration), manifest, KEY), TRUSTED)
    assert (made.manifest.window.rows, made.manifest.threshold) == (180, 2.5)
    assert [(one.role, one.unit) for one in made.manifest.inputs] == TAGS
