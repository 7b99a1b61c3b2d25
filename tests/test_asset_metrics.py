"""Metrics of each asset: score against threshold, phase, alarm; bounded by the number of assets."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.stages.states import State
from tests.test_why import Scene


def metrics(scene: Scene, metered: int) -> dict[tuple[str, ...], float]:
    """By name and labels, without the asset's."""
    scene.status._parts = replace(scene.status._parts, metered=metered)
    found = {}
    for sample in scene.status._assets():
        assert sample.labels["asset"] == "line"
        found[sample.name, *(text for label, text in sample.labels.items() if label != "asset")] = sample.value
    return found


def test_an_asset_that_learns_has_a_phase_and_no_score(tmp_path: Path) -> None:
    assert metrics(Scene(tmp_path), 1) == {("asset_phase", "calibrating"): 1, ("asset_alarm_standing",): 0}


def test_a_score_is_told_in_thresholds_and_an_alarm_stands(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.status.score[0], scene.status.threshold[0] = 6.0, 4.0
    assert metrics(scene, 1)["asset_score_ratio",] == pytest.approx(1.5)
    scene.judged.watch.alarms.state[0] = State.ACTIVE_UNACKNOWLEDGED
    assert metrics(scene, 1)["asset_alarm_standing",] == 1


@pytest.mark.parametrize("metered", [0, 1])
def test_with_more_assets_than_bounded_none_has_any(tmp_path: Path, metered: int) -> None:
    assert bool(metrics(Scene(tmp_path), metered)) is bool(metered)
