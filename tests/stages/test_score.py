"""An abstention says nothing but its reason."""

import numpy as np

from gateway.stages.score import Abstain, Scores


def test_a_silent_cohort_has_no_score_no_threshold_and_a_reason() -> None:
    scores = Scores.silent(3, 5, Abstain.MODEL_FAILED)
    assert len(scores) == 3
    assert scores.contrib.shape == scores.expected.shape == (3, 5)
    assert all(np.isnan(column).all() for column in (scores.score, scores.threshold, scores.contrib, scores.expected))
    assert scores.reason.dtype == np.uint8
    assert scores.reason.tolist() == [Abstain.MODEL_FAILED] * 3


def test_the_columns_of_a_silent_cohort_are_its_own() -> None:
    scores = Scores.silent(2, 2, Abstain.FITTING)
    scores.score[:] = 1
    scores.contrib[:] = 1
    assert np.isnan(scores.threshold).all()
    assert np.isnan(scores.expected).all()
