"""What a model answers for a cohort of assets: one row an asset, and why it kept silent where it did."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Abstain(IntEnum):
    """Why an asset has no score."""

    NONE = 0  # it has one
    CALIBRATING = 1  # rows of its normal running are still being gathered
    FITTING = 2  # they are gathered, the calibration is being computed
    TOO_FEW_GOOD = 3  # too few of its tags are good
    MODEL_FAILED = 4  # the model gave no answer
    PENDING = 5  # the model has a process of its own and answers later
    FILLING = 6  # the window of rows that the model looks at is not full yet
    NOT_OPERATING = 7  # its machine is not in the state in which it is judged


@dataclass(slots=True)
class Scores:
    """Columns of B scores.

    Attributes:
        score: f8[B], 0 or greater, 1 is the upper end of normal; NaN where the asset abstains.
        threshold: f8[B], the score above which an alarm is due; NaN where there is none yet.
        contrib: f8[B, D], share of each tag in the score; a row sums to 1.
        expected: f8[B, D], what each tag should read given the others, in its own unit; NaN where that is unknown.
        reason: u1[B] of Abstain.
        ticket: where rows are PENDING, what their answer will be known by; otherwise 0.
        version: of the model that scored; empty where that is always the same.
        model: name of the model that scored, where it is not the cohort's own.
    """

    score: NDArray[np.float64]
    threshold: NDArray[np.float64]
    contrib: NDArray[np.float64]
    expected: NDArray[np.float64]
    reason: NDArray[np.uint8]
    ticket: int = 0
    version: str = ""
    model: str = ""

    def __len__(self) -> int:
        return len(self.score)

    @property
    def lead(self) -> NDArray[np.int64]:
        """i8[B], the tag with the largest share; 0 where shares are not known."""
        lead: NDArray[np.int64] = np.argmax(self.contrib, axis=1)
        return lead

    @classmethod
    def silent(cls, rows: int, width: int, reason: Abstain) -> "Scores":
        """`rows` abstentions for one reason, for assets of `width` tags."""
        score, threshold = np.full((2, rows), np.nan)
        contrib, expected = np.full((2, rows, width), np.nan)
        return cls(score, threshold, contrib, expected, np.full(rows, reason, np.uint8))


class Scorer(Protocol):
    """What scores a cohort: the built-in detector, or a user's model behind the same door."""

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        """Score one row of each member.

        Args:
            members: i8[B], numbers of the assets inside this scorer, each at most once.
            x: f8[B, D], their tags in the order of the configuration; NaN where a tag is bad or stale.
        """
