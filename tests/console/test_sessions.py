"""Logins end, and a cookie is not kept."""

from gateway.console.sessions import MOST, OF_ONE, Sessions
from gateway.sdk.testing import FakeClock


def test_a_login_ends_when_idle_and_when_old_and_looking_does_not_keep_it() -> None:
    clock = FakeClock()
    sessions = Sessions(clock, longest=100.0, idle=10.0)
    cookie, key = sessions.begin("otto", "era")
    for _ in range(9):
        clock.advance(9.0)
        assert sessions.of(cookie)
    clock.advance(9.0)
    assert sessions.look(key)
    clock.advance(9.0)
    assert sessions.of(cookie) is None, "looked at, and not used"
    cookie, _ = sessions.begin("otto", "era")
    for _ in range(11):
        clock.advance(9.0)
        sessions.of(cookie)
    clock.advance(9.0)
    assert sessions.of(cookie) is None, "used all the time, and too old"


def test_a_cookie_is_not_kept_and_logins_are_bounded() -> None:
    sessions = Sessions(FakeClock(), 100.0, 100.0)
    cookie, key = sessions.begin("otto", "era")
    assert cookie not in repr(sessions._by_key)
    assert sessions.of(key) is None, "what is kept opens nothing"
    own = [sessions.begin("otto", "era")[0] for _ in range(OF_ONE)]
    assert sessions.of(cookie) is None
    assert all(sessions.of(one) for one in own)
    for i in range(MOST):
        sessions.begin(f"user-{i}", "era")
    assert len(sessions._by_key) == MOST
    sessions.end_unless(lambda session: session.user != "user-7")
    assert len(sessions._by_key) == MOST - 1
