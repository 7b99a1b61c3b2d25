"""The states of an alarm and what moves it from one to another, as a table (ISA-18.2 §5.3, IEC 62682)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray


class State(IntEnum):
    """The states of an alarm."""

    NORMAL = 0
    ACTIVE_UNACKNOWLEDGED = 1
    ACTIVE_ACKNOWLEDGED = 2
    RETURNED_UNACKNOWLEDGED = 3
    SHELVED = 4
    SUPPRESSED = 5
    OUT_OF_SERVICE = 6

    @property
    def word(self) -> str:
        """`ACTIVE_UNACKNOWLEDGED` as ISA-18.2 and our messages write it: `active-unacknowledged`."""
        return self.name.lower().replace("_", "-")


class Event(IntEnum):
    """What moves an alarm: the score (raise, return), an operator, or the design of the plant."""

    RAISE = 0
    RETURN = 1
    ACKNOWLEDGE = 2
    SHELVE = 3
    UNSHELVE = 4
    SUPPRESS = 5
    UNSUPPRESS = 6
    REMOVE = 7
    RESTORE = 8


S, E = State, Event
TABLE: Final[dict[tuple[State, Event], State]] = {
    (S.NORMAL, E.RAISE): S.ACTIVE_UNACKNOWLEDGED,
    (S.ACTIVE_UNACKNOWLEDGED, E.RETURN): S.RETURNED_UNACKNOWLEDGED,
    (S.ACTIVE_UNACKNOWLEDGED, E.ACKNOWLEDGE): S.ACTIVE_ACKNOWLEDGED,
    (S.ACTIVE_ACKNOWLEDGED, E.RETURN): S.NORMAL,
    (S.RETURNED_UNACKNOWLEDGED, E.RAISE): S.ACTIVE_UNACKNOWLEDGED,
    (S.RETURNED_UNACKNOWLEDGED, E.ACKNOWLEDGE): S.NORMAL,
    # From each of these three, back to normal: a score that is still above raises anew at its next row.
    (S.SHELVED, E.UNSHELVE): S.NORMAL,
    (S.SUPPRESSED, E.UNSUPPRESS): S.NORMAL,
    (S.OUT_OF_SERVICE, E.RESTORE): S.NORMAL,
    (S.SHELVED, E.REMOVE): S.OUT_OF_SERVICE,
    (S.SUPPRESSED, E.REMOVE): S.OUT_OF_SERVICE,
    **{
        (state, event): target
        for state in (S.NORMAL, S.ACTIVE_UNACKNOWLEDGED, S.ACTIVE_ACKNOWLEDGED, S.RETURNED_UNACKNOWLEDGED)
        for event, target in ((E.SHELVE, S.SHELVED), (E.SUPPRESS, S.SUPPRESSED), (E.REMOVE, S.OUT_OF_SERVICE))
    },
}
ACTIVE: Final = (S.ACTIVE_UNACKNOWLEDGED, S.ACTIVE_ACKNOWLEDGED)
UNACKNOWLEDGED: Final = (S.ACTIVE_UNACKNOWLEDGED, S.RETURNED_UNACKNOWLEDGED)
STANDING: Final = (*ACTIVE, S.RETURNED_UNACKNOWLEDGED)
SET_ASIDE: Final = (S.SHELVED, S.SUPPRESSED, S.OUT_OF_SERVICE)


def legal(event: Event) -> NDArray[np.bool_]:
    """Mask over the states from which `event` is legal."""
    return np.array([(state, event) in TABLE for state in State])


MAY_RAISE: Final = legal(E.RAISE)
MAY_RETURN: Final = legal(E.RETURN)


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state.

    Attributes:
        asset: number of the asset.
        time: when it changed, Unix ns UTC, of the batch or of the command.
        previous: the state before.
        state: the state now.
        event: what moved it.
        score: the score of that row; the last known one for a command.
        threshold: the threshold that held, raised by what the asset has alarmed lately.
        since: when the score went above (raise) or below (return), Unix ns UTC; otherwise `time`.
    """

    asset: int
    time: int
    previous: State
    state: State
    event: Event
    score: float
    threshold: float
    since: int
