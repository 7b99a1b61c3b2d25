"""Drift, operators' answers, and what survives a restart in the middle of a calibration."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.config.assets import AssetConfig
from gateway.models.answers import AnswerError, carry_out, collect, leave
from gateway.models.cohorts import Judged, assemble
from gateway.models.learning import Learning
from gateway.models.tending import Tending
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.sdk.tags import TagTable
from gateway.sdk.testing import SilentLog
from gateway.stages.score import Abstain
from gateway.state.store import StateStore

ONE = np.zeros(1, np.int64)
ROWS = 100


def made(period: float = 60.0, **options: object) -> Judged:
    tags = {f"t{i}": TagConfig() for i in range(4)}
    table = TagTable.build([DeviceConfig(device="pump", adapter="none", every=period, tags=tags)])
    config = AssetConfig.model_validate({"tags": [f"pump.t{i}" for i in range(4)], "calibrate": ROWS, **options})
    return assemble({"pump": config}, table)


def learning(judged: Judged) -> Learning:
    return Learning(judged, lambda _asset, _rows: None, SilentLog())


def feed(judged: Judged, count: int, seed: int = 0, away: NDArray[np.float64] | float = 0.0) -> float:
    """`count` rows; the last score."""
    rng, score = np.random.default_rng(seed), np.nan
    for row in rng.normal(10, 1, (count, 1, 4)):
        score = float(judged.detectors[0].score(ONE, row + away).score[0])
        judged.detectors[0].poll()
    return score


def test_slow_change_is_followed_and_told_of_as_drift_of_its_tag() -> None:
    judged = made()
    tending = Tending(learning(judged))
    feed(judged, ROWS)
    rng, worst = np.random.default_rng(1), 0.0
    for row in range(30_000):
        x = rng.normal(10, 1, (1, 4)) + np.array([0, 0, 5 * row / 30_000, 0])
        worst = max(worst, float(judged.detectors[0].score(ONE, x).score[0]))
    (news,) = tending.look()
    assert (news.kind, news.fields["tag"]) == ("input drift", "pump.t2")
    assert worst < float(judged.detectors[0].score(ONE, np.full((1, 4), 10.0)).threshold[0])
    assert tending.look() == []


def test_without_a_baseline_slow_change_is_an_anomaly() -> None:
    judged = made(baseline=0.0)
    feed(judged, ROWS)
    assert feed(judged, 5000, 1, np.array([0, 0, 5.0, 0])) > 2
    assert not judged.detectors[0].drift.any()


def test_an_abrupt_change_is_not_learnt_away_within_hours() -> None:
    judged = made(period=1.0)
    feed(judged, ROWS)
    before = feed(judged, 200, 1, np.array([0, 0, 30.0, 0]))
    assert feed(judged, 7200, 2, np.array([0, 0, 30.0, 0])) > 0.9 * before


def test_what_is_accepted_is_normal_from_there_on() -> None:
    judged = made()
    feed(judged, ROWS)
    assert feed(judged, 300, 1, 8.0) > 2
    assert "normal from here on" in carry_out(judged, "pump", "accept")
    assert feed(judged, 300, 2, 8.0) < 1.5
    assert feed(judged, 300, 3, 0.0) > 2


def test_recalibration_learns_anew() -> None:
    judged = made()
    feed(judged, ROWS)
    carry_out(judged, "pump", "recalibrate")
    assert judged.detectors[0].status(0) is Abstain.CALIBRATING
    feed(judged, ROWS, 1, 8.0)
    assert feed(judged, 300, 2, 8.0) < 1.5


def test_a_real_fault_changes_no_normal() -> None:
    judged = made()
    feed(judged, ROWS)
    judged.watch.alarms.budget.raised[0] = 1.0
    carry_out(judged, "pump", "fault")
    assert not judged.watch.alarms.budget.raised.any()
    assert feed(judged, 300, 1, 8.0) > 2


@pytest.mark.parametrize(
    ("asset", "answer", "why"),
    [("valve", "accept", "no asset"), ("pump", "maybe", "no answer"), ("pump", "accept", "still calibrating")],
)
def test_an_answer_that_cannot_be_carried_out_says_why(asset: str, answer: str, why: str) -> None:
    with pytest.raises(AnswerError, match=why):
        carry_out(made(), asset, answer)


def test_answers_lie_in_the_state_until_they_are_collected(tmp_path: Path) -> None:
    leave(tmp_path, "pump", "accept")
    leave(tmp_path, "valve", "fault")
    assert collect(tmp_path) == [("pump", "accept"), ("valve", "fault")]
    assert collect(tmp_path) == []
    assert collect(tmp_path / "nowhere") == []


def test_an_answer_becomes_an_event_and_a_recalibration_voids_what_is_kept() -> None:
    judged = made()
    feed(judged, ROWS)
    news = Tending(learning(judged)).answer([("pump", "recalibrate"), ("valve", "accept")])
    assert [(one.kind, one.forget) for one in news] == [("answered", True), ("answer refused", False)]


def test_a_restart_in_the_middle_of_a_calibration_goes_on_where_the_last_commit_was(tmp_path: Path) -> None:
    store, first = StateStore(tmp_path / "state.db"), made()
    learnt = learning(first)
    learnt.restore(store)
    for part in range(3):
        feed(first, 20, part)
        store.keep_gathered(learnt.gathering())
    feed(first, 15, 99)  # never committed: the daemon is killed
    store.close()
    store, second = StateStore(tmp_path / "state.db"), made()
    again = learning(second)
    again.restore(store)
    assert second.detectors[0].progress(0) == (60, ROWS)
    feed(second, 40, 3)
    for asset, fingerprint, content in again.poll() or again_kept(second, again):
        store.keep_calibration(asset, fingerprint, 0, content)
    assert store.gathered("pump", again.fingerprint(0)) == b""
    whole = made()
    for part, rows in enumerate((20, 20, 20, 40)):
        feed(whole, rows, part)
    assert second.detectors[0].calibration(0) == whole.detectors[0].calibration(0)
    store.close()


def again_kept(judged: Judged, learnt: Learning) -> list[tuple[str, str, bytes]]:
    content = judged.detectors[0].calibration(0)
    assert content is not None
    return [("pump", learnt.fingerprint(0), content)]


def test_what_is_remembered_survives_a_restart_sensors_and_baseline_too(tmp_path: Path) -> None:
    store, first = StateStore(tmp_path / "state.db"), made()
    learnt = learning(first)
    sensors = first.watch.cohorts[0].sensors
    assert sensors is not None
    rng = np.random.default_rng(0)
    for row in rng.normal(10, 1, (ROWS, 1, 4)):
        sensors.step(ONE, row)
        first.detectors[0].score(ONE, row)
    for asset, fingerprint, content in learnt.poll():
        store.keep_calibration(asset, fingerprint, 0, content)
    feed(first, 2000, 1, 0.8)
    store.keep_memories(learnt.memories())
    second = made()
    learning(second).restore(store)
    assert second.detectors[0].drift == pytest.approx(first.detectors[0].drift, abs=1e-5)
    assert second.watch.cohorts[0].sensors is not None
    assert np.array_equal(second.watch.cohorts[0].sensors.usual.limits, sensors.usual.limits)
    assert feed(second, 50, 2, 0.8) == pytest.approx(feed(first, 50, 2, 0.8), rel=1e-3)
    store.close()


def test_a_calibration_that_was_given_up_does_not_come_back(tmp_path: Path) -> None:
    store, first = StateStore(tmp_path / "state.db"), made()
    learnt = learning(first)
    feed(first, ROWS)
    content = first.detectors[0].calibration(0)
    assert content is not None
    store.keep_calibration("pump", learnt.fingerprint(0), 0, content)
    store.forget_calibration("pump")
    second = made()
    learning(second).restore(store)
    assert second.detectors[0].status(0) is Abstain.CALIBRATING
    store.close()
