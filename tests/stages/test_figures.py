"""The figures of ISA-18.2 count what an operator got, over a rolling hour, by severity."""

import numpy as np

from gateway.config.assets import Severity
from gateway.stages.figures import AlarmFigures
from gateway.stages.states import State

LOW, HIGH = 0, 1


def made() -> AlarmFigures:
    return AlarmFigures([Severity.LOW, Severity.HIGH])


def test_alarms_are_counted_by_severity_and_leave_with_their_hour() -> None:
    figures = made()
    figures.raised(LOW, 1000.0)
    figures.raised(HIGH, 1100.0)
    figures.raised(HIGH, 2000.0)
    assert figures.hour(2000.0) == {"low": 1, "medium": 0, "high": 2, "critical": 0}
    assert figures.ten_minutes(2000.0)["high"] == 1
    assert sum(figures.ten_minutes(2000.0 + 700).values()) == 0
    assert sum(figures.hour(4620.0).values()) == 2
    assert sum(figures.hour(1e9).values()) == 0


def test_looking_changes_nothing() -> None:
    figures = made()
    figures.raised(LOW, 60.0)
    assert sum(figures.hour(1e6).values()) == 0
    assert sum(figures.hour(60.0).values()) == 1


def test_the_peak_stays() -> None:
    figures = made()
    for second in range(12):
        figures.raised(LOW, 600.0 + second)
    figures.raised(LOW, 10_000.0)
    assert figures.peak == 12


def test_three_alarms_within_a_minute_are_chattering_and_two_are_not() -> None:
    figures = made()
    for second in (0.0, 30.0):
        figures.raised(LOW, second)
        figures.raised(HIGH, second)
    assert not figures.chattering(30.0).any()
    figures.raised(LOW, 59.0)
    figures.raised(HIGH, 91.0)
    assert figures.chattering(91.0).tolist() == [True, False]
    assert not figures.chattering(59.0 + 3601).any()


def test_states_are_counted_by_what_they_mean() -> None:
    figures = AlarmFigures([Severity.HIGH] * len(State))
    document = figures.document(np.array(list(State), np.uint8), 0.0)
    counts = {name: sum(value.values()) for name, value in document.items() if isinstance(value, dict)}
    assert (counts["active"], counts["unacknowledged"], counts["standing"]) == (2, 2, 3)
    assert (counts["shelved"], counts["out_of_service"], counts["chattering"]) == (1, 1, 0)
