"""Wrong logins wait, each longer than the one before."""

from gateway.console.throttle import AT_ONCE, FORGOTTEN, FREE, Pace, Throttle
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


def test_nobody_is_kept_out_from_afar_where_they_have_logged_in_before() -> None:
    clock = FakeClock()
    throttle = Throttle(clock)
    throttle.right("otto", "10.0.0.1")
    for _ in range(20):
        throttle.wrong("otto", "10.6.6.6")
        throttle.wrong("otto", "10.7.7.7")
    assert throttle.wait("otto", "10.0.0.1") == 0
    assert throttle.wait("otto", "10.0.0.2") > 0, "from elsewhere otto waits as before"
    for _ in range(FREE + 1):
        throttle.wrong("otto", "10.0.0.1")
    assert throttle.wait("otto", "10.0.0.1") == 2.0, "there as well wrong ones are slowed down"
    throttle.right("otto", "10.0.0.1")
    assert throttle.wait("otto", "10.8.8.8") > 0, "a right one there does not free those from afar"
    for i in range(20_000):
        throttle.right("otto", f"address-{i}")
    assert len(throttle._known) == 10_000


def test_acts_have_a_pace_of_their_own_for_each() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    assert [pace.wait("otto") for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert [pace.wait("otto") for _ in range(3)] == [1.0] * 3, "what is refused does not count"
    assert pace.wait("anna") == 0
    clock.advance(1.0)
    assert [pace.wait("otto"), pace.wait("otto")] == [0.0, 1.0]
    clock.advance(1000.0)
    assert [pace.wait("otto") for _ in range(AT_ONCE + 1)] == [0.0] * AT_ONCE + [1.0]
    for i in range(20_000):
        pace.wait(f"user-{i}")
    assert len(pace._free) == 10_000
