"""A flood of alarms is told of once when it begins, with the alarm that was first, and once when it is over."""

import pytest

from gateway.deliver.event import GatewayEvent
from gateway.operators.flood import FloodWatch
from tests.operators.rig import ALARM, Rig


class Flooded:
    """Alarms by hand, and what is told of them."""

    def __init__(self, limit: int) -> None:
        self.rig = Rig()
        self.told: list[GatewayEvent] = []
        self.watch = FloodWatch(self.rig.records, limit, self.told.append)

    def alarms(self, count: int, asset: int = 1, after: float = 0.0) -> list[str]:
        self.rig.clock.advance(after)
        for _ in range(count):
            self.rig.records.figures.raised(asset, self.rig.clock.monotonic())
            self.watch.look(self.rig.clock.wall_ns())
        self.watch.look(self.rig.clock.wall_ns())
        told = [one.kind for one in self.told]
        self.told.clear()
        return told


def test_as_many_as_are_allowed_are_no_flood() -> None:
    assert Flooded(10).alarms(10) == []


def test_a_flood_is_told_of_once_and_ends_at_less_than_half() -> None:
    flooded = Flooded(10)
    assert flooded.alarms(20) == ["alarm flood"]
    assert flooded.alarms(6, after=500.0) == []
    assert flooded.alarms(0, after=200.0) == [], "six are more than half of ten"
    assert flooded.alarms(0, after=600.0) == ["alarm flood over"]
    assert flooded.alarms(11, after=10.0) == ["alarm flood"]


def test_the_first_alarm_is_named() -> None:
    flooded = Flooded(2)
    now = flooded.rig.clock.monotonic()
    for asset in (1, 0, 0, 0, 0, 0):
        flooded.rig.records.figures.raised(asset, now)
    flooded.watch.look(flooded.rig.clock.wall_ns())
    [event] = flooded.told
    assert event.fields["first"] == ALARM
    assert event.fields["medium"] == event.fields["count"] == 6


@pytest.mark.parametrize("count", [1, 1000])
def test_without_a_limit_nothing_is_a_flood(count: int) -> None:
    assert Flooded(0).alarms(count) == []
