"""When the clock is not to be trusted, and for how long: what messages say of it."""

import pytest

from gateway.ops.walltime import MADE, SETTLES, VOUCHED, Doubt, WallWatch
from gateway.sdk.testing import FakeClock

NOW = (MADE + 1_000_000) * 1_000_000_000
YEAR = 365 * 86400.0


class Rig:
    """A watch that looks once a second."""

    def __init__(self, wall: int = NOW, *, told: bool | None = None, strict: bool = False) -> None:
        self.clock, self.told = FakeClock(wall), told
        self.watch = WallWatch(self.clock)
        self.watch.expect(strict=strict)

    def seconds(self, count: float, step: float = 0.0) -> Doubt:
        """Let seconds pass, of which the first sets the clock by `step`."""
        for number in range(round(count)):
            self.clock.advance(1.0, 1.0 + (step if number == 0 else 0.0))
            self.watch.look(self.told)
        return self.watch.doubt


def test_a_clock_that_runs_is_trusted_unless_it_must_follow_a_time_server() -> None:
    assert Rig().seconds(5) is Doubt.NONE
    assert Rig(told=False).seconds(5) is Doubt.NONE
    assert Rig(told=True, strict=True).seconds(5) is Doubt.NONE
    assert Rig(told=False, strict=True).seconds(5) is Doubt.UNSYNCHRONISED
    assert Rig(told=None, strict=True).seconds(5) is Doubt.UNSYNCHRONISED


def test_what_must_be_known_is_not_trusted_before_it_is() -> None:
    rig = Rig(told=True, strict=True)
    assert rig.watch.said() == "unsynchronised"
    assert rig.seconds(1) is Doubt.NONE
    rig.told = False
    assert rig.seconds(1) is Doubt.UNSYNCHRONISED
    rig.watch.expect(strict=False)
    assert rig.watch.said() == ""


def test_a_start_in_1970_is_doubted_from_the_first_message_on() -> None:
    rig = Rig(5)
    assert (rig.watch.doubt, rig.watch.said()) == (Doubt.UNSET, "unset")
    assert rig.seconds(5) is Doubt.UNSET
    assert rig.seconds(1, step=NOW / 1e9) is Doubt.STEPPED


@pytest.mark.parametrize("step", [YEAR, 5.0, -5.0])
@pytest.mark.parametrize(("told", "settles"), [(None, SETTLES), (False, SETTLES), (True, VOUCHED)])
def test_a_clock_that_was_set_is_doubted_until_it_has_settled(step: float, told: bool | None, settles: float) -> None:
    rig = Rig(told=told)
    rig.seconds(5)
    assert rig.seconds(1, step=step) is Doubt.STEPPED
    assert rig.seconds(settles - 1) is Doubt.STEPPED
    assert rig.seconds(1) is Doubt.NONE


def test_a_clock_that_is_set_again_and_again_does_not_settle() -> None:
    rig = Rig()
    for _ in range(5):
        rig.seconds(SETTLES / 2, step=3.0)
    assert rig.watch.doubt is Doubt.STEPPED


def test_a_small_correction_is_no_doubt() -> None:
    rig = Rig()
    assert rig.seconds(1, step=0.4) is Doubt.NONE
