"""The detector gathers, fits and scores; what is bad does not count; what is stored comes back."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.models.calibration import CalibrationError, fit
from gateway.models.detector import Detector, Member
from gateway.stages.score import Abstain, Scorer, Scores

RATE = 1 / 604800
ONE = np.zeros(1, np.int64)
MIX = np.random.default_rng(7).normal(size=(8, 8))


def normal(n: int, d: int = 4, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, d)) @ MIX[:d, :d] + 50


def feed(detector: Detector, rows: NDArray[np.float64], member: int = 0) -> list[Scores]:
    out = []
    for row in rows:
        out.append(detector.score(np.array([member]), row[None]))
        detector.poll()
    return out


def calibrated(d: int = 4, calibrate: int = 200, min_good: float = 0.5) -> Detector:
    detector = Detector(d, [Member(RATE, calibrate, min_good)])
    feed(detector, normal(calibrate, d))
    return detector


def last_score(scores: list[Scores]) -> float:
    return float(scores[-1].score[0])


def test_it_is_a_scorer() -> None:
    scorer: Scorer = Detector(2, [Member(RATE)])
    assert len(scorer.score(np.empty(0, np.int64), np.empty((0, 2)))) == 0


def test_it_gathers_then_scores_and_tells_once() -> None:
    detector = Detector(4, [Member(RATE, 100)])
    rows = normal(101)
    for i, row in enumerate(rows[:100]):
        assert detector.progress(0) == (i, 100)
        scores = detector.score(ONE, row[None])
        assert scores.reason[0] == Abstain.CALIBRATING
        assert np.isnan(scores.score[0])
    assert detector.status(0) is Abstain.FITTING
    assert detector.poll() == [0]
    assert detector.poll() == []
    assert detector.status(0) is Abstain.NONE
    scores = detector.score(ONE, rows[100:])
    assert scores.reason[0] == Abstain.NONE
    assert 0 < scores.score[0] < scores.threshold[0]
    assert scores.contrib.sum() == pytest.approx(1, abs=1e-4)


def test_a_tag_that_leaves_its_range_is_found_and_named_with_what_was_expected() -> None:
    detector = calibrated()
    rows = normal(100, seed=1)
    rows[:, 2] += 30
    scores = feed(detector, rows)[-1]
    assert scores.score[0] > 2 * scores.threshold[0]
    assert scores.contrib[0].argmax() == 2
    assert scores.expected[0, 2] == pytest.approx(50, abs=8)


def test_normal_rows_stay_below_the_threshold() -> None:
    detector = calibrated(calibrate=600)
    above = [s.score[0] > s.threshold[0] for s in feed(detector, normal(3000, seed=2))]
    assert not any(above)


def test_streaming_continues_from_the_calibration_without_a_seam() -> None:
    detector = calibrated()
    reference = fit(normal(200))
    z = (normal(1, seed=3)[0] - reference.m) / reference.s
    e = reference.last + (z - reference.last) * (2 / (reference.spans + 1))[:, None]
    d = e - reference.mu
    want = np.sqrt(np.mean([d[k] @ reference.P[k] @ d[k] / 4 / reference.c[k] ** 2 for k in range(3)]))
    assert detector.score(ONE, normal(1, seed=3)).score[0] == pytest.approx(want, rel=1e-4)


def test_members_score_the_same_together_and_alone() -> None:
    both = Detector(4, [Member(RATE, 100)] * 2)
    first, second = (Detector(4, [Member(RATE, 100)]) for _ in range(2))
    a, b = normal(150, seed=4), normal(150, seed=5) * 3
    for row_a, row_b in zip(a, b, strict=True):
        together = both.score(np.array([1, 0]), np.array([row_b, row_a]))
        alone = first.score(ONE, row_a[None]), second.score(ONE, row_b[None])
        for detector in (both, first, second):
            detector.poll()
        np.testing.assert_allclose(together.score, [alone[1].score[0], alone[0].score[0]], rtol=1e-5)
        np.testing.assert_array_equal(together.reason, [alone[1].reason[0], alone[0].reason[0]])


def test_a_cohort_of_mixed_phases_scores_whom_it_can() -> None:
    detector = Detector(4, [Member(RATE, 100), Member(RATE, 120)])
    for row in normal(109):
        detector.score(np.array([0, 1]), np.array([row, row]))
        detector.poll()
    scores = detector.score(np.array([0, 1]), normal(2))
    assert scores.reason.tolist() == [Abstain.NONE, Abstain.CALIBRATING]
    assert np.isfinite(scores.score).tolist() == [True, False]
    assert np.isfinite(scores.threshold).tolist() == [True, False]


def test_too_few_good_tags_abstain_and_change_nothing() -> None:
    detector = calibrated(min_good=0.75)
    row = normal(1, seed=6)
    holed = row.copy()
    holed[0, :2] = np.nan
    before = detector.memory(0)
    scores = detector.score(ONE, holed)
    assert scores.reason[0] == Abstain.TOO_FEW_GOOD
    assert np.isnan(scores.score[0])
    assert detector.memory(0) == before


def test_rows_with_too_few_good_tags_are_not_learnt_from() -> None:
    detector = Detector(4, [Member(RATE, 100)])
    feed(detector, np.full((10, 4), np.nan))
    assert detector.progress(0) == (0, 100)


def test_an_infinite_value_counts_as_bad() -> None:
    detector, holed = calibrated(), calibrated()
    rows = normal(20, seed=8)
    rows[:, 1] = np.inf
    want = feed(holed, np.where(np.isinf(rows), np.nan, rows))
    assert last_score(feed(detector, rows)) == last_score(want)


def test_a_bad_tag_fades_out_of_the_score_and_is_foretold_by_the_others() -> None:
    detector = calibrated()
    rows = normal(30, seed=9)
    rows[:, 2] += 30
    loud = feed(detector, rows)[-1]
    rows = normal(400, seed=10)
    rows[:, 2] = np.nan
    scores = feed(detector, rows)
    assert scores[0].score[0] > 0.5 * loud.score[0]  # one lost reading does not hide what is wrong
    assert scores[-1].score[0] < scores[-1].threshold[0]
    assert abs(scores[-1].contrib[0, 2]) < 0.05
    assert scores[-1].expected[0, 2] == pytest.approx(50, abs=8)


def test_a_lost_tag_goes_with_the_others_when_the_load_changes() -> None:
    rng = np.random.default_rng(16)
    load = np.repeat(rng.uniform(-2, 2, 40), 50)[:, None]  # a load that changes each 50 rows, and four tags that follow
    rows = 50 + load * [1.0, 2.0, -1.0, 0.5] + rng.normal(0, 0.1, (2000, 4))
    whole, lost = Detector(4, [Member(RATE, 1500)]), Detector(4, [Member(RATE, 1500)])
    feed(whole, rows[:1500])
    feed(lost, rows[:1500])
    rows = rows[1500:]
    all_good = max(float(one.score[0]) for one in feed(whole, rows))
    rows[7:, 1] = np.nan
    assert max(float(one.score[0]) for one in feed(lost, rows)) < 1.2 * all_good


@pytest.mark.parametrize("bad", [2, 4, 7])
def test_many_bad_tags_fade_without_running_away(bad: int) -> None:
    detector = calibrated(d=8, min_good=0.1)
    rows = normal(50, d=8, seed=11) + 40
    feed(detector, rows)
    rows = normal(2000, d=8, seed=12)
    rows[:, :bad] = np.nan
    scores = feed(detector, rows)
    assert np.isfinite([s.score[0] for s in scores]).all()
    assert last_score(scores) < scores[-1].threshold[0] or bad == 7
    assert last_score(scores) < 0.2 * scores[0].score[0]


def test_a_fit_in_another_thread_is_taken_over_by_poll() -> None:
    threads: list[threading.Thread] = []

    def submit(job: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=job))
        threads[-1].start()

    detector = Detector(4, [Member(RATE, 100)], submit)
    for row in normal(100):
        detector.score(ONE, row[None])
    assert detector.score(ONE, normal(1)).reason[0] == Abstain.FITTING
    threads[0].join()
    assert detector.poll() == [0]
    assert detector.score(ONE, normal(1)).reason[0] == Abstain.NONE


def test_a_fit_that_a_recalibration_overtook_is_dropped() -> None:
    jobs: list[Callable[[], None]] = []
    detector = Detector(4, [Member(RATE, 100)], jobs.append)
    for row in normal(100):
        detector.score(ONE, row[None])
    detector.recalibrate(0)
    jobs[0]()
    assert detector.poll() == []
    assert detector.status(0) is Abstain.CALIBRATING
    assert detector.progress(0) == (0, 100)


def test_a_fit_that_fails_is_counted_and_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def singular(_rows: NDArray[np.float64]) -> None:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr("gateway.models.detector.fit", singular)
    detector = calibrated(calibrate=100)
    assert detector.counters["fits_failed_total"] == 1
    assert detector.status(0) is Abstain.CALIBRATING


def test_recalibration_accepts_a_new_normal() -> None:
    detector = calibrated()
    shifted = normal(400, seed=13) + 30
    assert last_score(feed(detector, shifted[:100])) > 2
    detector.recalibrate(0)
    assert detector.calibration(0) is None
    scores = feed(detector, shifted)
    assert last_score(scores) < scores[-1].threshold[0]


def test_a_stored_calibration_and_memory_go_on_where_they_stopped() -> None:
    detector = calibrated()
    feed(detector, normal(50, seed=14) + 2)
    again = Detector(4, [Member(RATE, 200)])
    stored = detector.calibration(0)
    assert stored is not None
    again.restore(0, stored)
    again.remember(0, detector.memory(0))
    row = normal(1, seed=15)
    assert again.score(ONE, row).score[0] == detector.score(ONE, row).score[0]
    assert again.calibration(0) == stored


def test_a_stored_calibration_of_another_width_is_refused() -> None:
    stored = calibrated(d=3).calibration(0)
    assert stored is not None
    with pytest.raises(CalibrationError, match="3 tags"):
        Detector(4, [Member(RATE)]).restore(0, stored)


@pytest.mark.parametrize("data", [b"", b"\0" * 47, np.full(12, np.nan, np.float32).tobytes()])
def test_a_memory_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(CalibrationError):
        calibrated().remember(0, data)


def test_the_rows_are_let_go_once_nobody_gathers() -> None:
    detector = Detector(4, [Member(RATE, 100)] * 2)
    feed(detector, normal(100), 0)
    assert detector._rows._buffer is not None
    feed(detector, normal(100), 1)
    rows = detector._rows
    assert rows._buffer is None
    detector.recalibrate(1)
    feed(detector, normal(100), 1)
    assert detector.status(1) is Abstain.NONE


def test_a_meter_reading_of_a_hundred_million_keeps_its_small_changes() -> None:
    rows = normal(300)
    rows[:, 0] = 1e8 + 0.1 * rows[:, 0]
    detector = Detector(4, [Member(RATE, 200)])
    feed(detector, rows[:200])
    quiet = last_score(feed(detector, rows[200:]))
    rows[200:, 0] += 3
    assert quiet < 1.5
    assert last_score(feed(detector, rows[200:])) > 3
