"""Wrong logins wait, each longer than the one before."""

from gateway.console.throttle import FORGOTTEN, FREE, Throttle
from gateway.console.throttle import LONGEST as LONGEST_WAIT
from gateway.sdk.testing import FakeClock


def test_each_wrong_login_waits_longer_than_the_one_before_up_to_a_minute_and_time_heals() -> None:
    clock = FakeClock()
    throttle, waits = Throttle(clock), []
    for _ in range(FREE + 9):
        waits.append(throttle.wait("admin", "10.0.0.1"))
        clock.advance(waits[-1])
        assert throttle.wait("admin", "10.0.0.1") == 0
        throttle.wrong("admin", "10.0.0.1")
    assert waits[:FREE] == [0] * FREE
    assert waits[FREE:] == [min(2.0**i, LONGEST_WAIT) for i in range(9)]
    clock.advance(FORGOTTEN + 1)
    assert throttle.wait("admin", "10.0.0.1") == 0
    throttle.wrong("admin", "10.0.0.1")
    assert throttle.wait("admin", "10.0.0.1") == 0


def test_neither_many_addresses_nor_many_users_get_around_it() -> None:
    throttle = Throttle(FakeClock())
    for i in range(5):
        throttle.wrong("admin", f"10.0.0.{i}")
        throttle.wrong(f"user-{i}", "10.0.1.1")
    assert throttle.wait("admin", "10.9.9.9") > 0
    assert throttle.wait("somebody", "10.0.1.1") > 0
    assert throttle.wait("somebody", "10.9.9.9") == 0
    throttle.right("admin", "10.9.9.9")
    assert throttle.wait("admin", "10.9.9.9") == 0


def test_what_is_remembered_of_wrong_logins_is_bounded() -> None:
    throttle = Throttle(FakeClock())
    for i in range(20_000):
        throttle.wrong(f"user-{i}", f"address-{i}")
    assert len(throttle._wrong) == 10_000
