"""Who has been changed or removed meanwhile, here or from the command line, is not brought back by what was begun."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.console import accounts, passwords
from gateway.console.accounts import Accounts, new_token
from gateway.console.rights import Refused, Role, Who
from gateway.console.sessions import Sessions
from gateway.console.throttle import FREE
from gateway.sdk.testing import FakeClock
from gateway.state.users import User, Users
from tests.console.plant import soon

OTTO = User("otto", Role.OPERATOR, "hash", change=False, made=1, era="first")
HERE = "10.0.0.1"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    """Accounts with otto beside the admin; hashes that take no time."""
    monkeypatch.setattr(passwords, "hashed", lambda password: f"hash of {password}")
    monkeypatch.setattr(passwords, "matches", lambda _secret, password: password == "right")
    with contextlib.closing(Users(tmp_path)) as users:
        users.put(User("admin", Role.ADMIN, "hash", change=False, made=1, era="a"))
        users.put(OTTO)
    clock = FakeClock()
    one = Accounts(tmp_path, clock, Sessions(clock, 1000.0, 1000.0))
    yield one
    one.close()


@pytest.fixture
def beside(own: Accounts, tmp_path: Path) -> Iterator[Users]:
    """The same file in the hands of the command line."""
    assert own.users
    users = Users(tmp_path)
    yield users
    users.close()


async def test_what_the_command_line_has_changed_meanwhile_is_not_overwritten(own: Accounts, beside: Users) -> None:
    await asyncio.to_thread(beside.put, OTTO.renewed(role="viewer"), OTTO)
    with pytest.raises(Refused) as error:
        await own.put_user("otto", Role.ADMIN, None)
    assert (error.value.status, error.value.reason) == (409, "changed")
    assert own.users["otto"].role == "viewer", "the next look shows it"
    assert (await own.put_user("otto", Role.ENGINEER, None)).role == "engineer"
    await asyncio.to_thread(beside.remove, "otto")
    with pytest.raises(Refused) as error:
        await own.put_user("otto", Role.ADMIN, None)
    assert error.value.status == 409
    assert "otto" not in await asyncio.to_thread(beside.users)


@pytest.mark.parametrize("after", [None, OTTO.renewed(role="viewer")])
async def test_a_login_that_was_begun_before_a_change_does_not_come_in(
    own: Accounts, after: User | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def matches(_secret: str, _password: str) -> bool:
        own.users = {"otto": after} if after else {}
        return True

    monkeypatch.setattr(passwords, "matches", matches)
    with pytest.raises(Refused) as error:
        await own.login("otto", "right", HERE)
    assert error.value.status == 401


async def test_a_login_of_an_old_era_holds_no_longer(own: Accounts) -> None:
    cookie, who = await own.login("otto", "right", HERE)
    assert own.by_cookie(cookie) == who
    assert own.still(who)
    own.users = {**own.users, "otto": OTTO.renewed()}
    assert own.by_cookie(cookie) is None
    assert not own.still(who)
    own.users = {}
    assert own.by_cookie(cookie) is None, "who is removed is nobody"


@pytest.mark.parametrize(("role", "stays"), [(Role.VIEWER, True), (Role.OPERATOR, False), (Role.ADMIN, False)])
async def test_a_page_that_only_looks_on_keeps_the_login_of_a_viewer_and_of_nobody_else(
    own: Accounts, role: Role, stays: bool
) -> None:
    own.users = {"otto": User("otto", role, "hash", change=False, made=1, era="first")}
    cookie, who = await own.login("otto", "right", HERE)
    clock = own._clock
    assert isinstance(clock, FakeClock)
    for _ in range(9):  # an idle login ends after 1000 s in this test, and so does the longest: 9 x 110 s
        clock.advance(110.0)
        assert own.still(who)
    own.sessions._idle = 50.0
    clock.advance(5.0)
    assert own.still(who) is stays
    clock.advance(10.0)
    assert not own.still(who), "the longest that a login lasts holds for everybody"
    assert own.by_cookie(cookie) is None


async def test_who_changes_their_password_stays_and_their_other_logins_end(own: Accounts) -> None:
    cookie, who = await own.login("otto", "right", HERE)
    other, _ = await own.login("otto", "right", HERE)
    await own.change_password(who, "right", "several words of mine", HERE)
    assert own.by_cookie(cookie) is not None
    assert own.by_cookie(other) is None


async def test_guesses_at_the_old_password_that_come_at_once_count(
    own: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, who = await own.login("otto", "right", HERE)
    looked = []

    def matches(_secret: str, password: str) -> bool:
        looked.append(password)
        return False

    monkeypatch.setattr(passwords, "matches", matches)
    guesses = (own.change_password(who, f"guess {i}", "several words of mine", HERE) for i in range(20))
    found = await asyncio.gather(*guesses, return_exceptions=True)
    assert all(isinstance(one, Refused) for one in found)
    assert len(looked) == FREE


async def test_a_right_old_password_is_no_wrong_one(own: Accounts) -> None:
    _, who = await own.login("otto", "right", HERE)
    for i in range(FREE + 3):
        await own.change_password(who, "right", f"several words of mine {i}", HERE)


async def test_what_was_changed_from_outside_is_noted_and_what_was_changed_here_is_not(
    own: Accounts, beside: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "_LOOK", 0.01)
    noted: list[tuple[str, str]] = []

    async def note(action: str, text: str) -> None:
        noted.append((action, text))

    own.noted = note
    following = asyncio.create_task(own.follow())
    try:
        await own.put_user("otto", Role.VIEWER, None)
        _, mine = await own.make_token("mine", Role.VIEWER, 1, "admin")
        await own.remove_token(mine.id)
        secret, kept = new_token("scada", "operator", 1, "root", 1)
        await asyncio.to_thread(beside.put_token, kept)
        await asyncio.to_thread(beside.put, own.users["otto"].renewed(role="admin"), own.users["otto"])
        await asyncio.to_thread(beside.put, User("eve", "admin", "hash", change=True, made=2, era="e"))
        await soon(lambda: len(noted) == 3, "it is seen")
        await own.remove_user("eve")
        await asyncio.to_thread(beside.remove_token, kept.id)
        await soon(lambda: len(noted) == 4, "it is seen")
    finally:
        following.cancel()
    token = f"token scada ({kept.id}), operator"
    assert sorted(noted) == [
        ("token made", token), ("token removed", token), ("user changed", "user otto, admin"),
        ("user made", "user eve, admin"),
    ]  # fmt: skip
    assert secret not in str(noted)


@pytest.mark.parametrize(
    ("wall", "good"), [(0, True), (-60, True), (89 * 86400, True), (91 * 86400, False), (-2 * 86400, False)]
)
async def test_a_token_is_good_from_when_it_was_made_until_it_expires(own: Accounts, wall: int, good: bool) -> None:
    secret, _ = await own.make_token("scada", Role.VIEWER, 90, "admin")
    assert isinstance(own._clock, FakeClock)
    own._clock.advance(1.0, wall)
    assert bool(own.by_token(secret)) is good


async def test_a_clock_in_1970_lets_no_token_in_that_has_expired(own: Accounts) -> None:
    secret, _ = await own.make_token("scada", Role.VIEWER, 1, "admin")
    assert isinstance(own._clock, FakeClock)
    own._clock.advance(1.0, 2 * 86400.0)
    assert own.by_token(secret) is None
    own._clock.advance(1.0, 5.0 - own._clock.wall_ns() / 1e9)
    assert own.by_token(secret) is None


def test_a_token_is_never_taken_for_a_user() -> None:
    assert Who("admin", Role.ADMIN).by == "token:admin"
    assert Who("admin", Role.ADMIN, csrf="x").by == "admin"
    assert not accounts.NAME.fullmatch("token:admin")
