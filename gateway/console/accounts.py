"""Logins, users and tokens of a running console: what the file says (state/users.py), kept at hand in memory.

Whatever takes time, hashing and the disk, is done on one thread of its own, one after the other: a burst of logins
holds up nothing else, and takes 19 MiB.
"""

import asyncio
import math
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

from gateway.console import first, passwords
from gateway.console.rights import Refused, Role, Who
from gateway.console.sessions import Session, Sessions
from gateway.console.throttle import Throttle
from gateway.sdk.clock import Clock
from gateway.state.users import LastAdminError, Token, User, UserChangedError, Users, UsersError

NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
MOST: Final = 1000  # users, and tokens
_DAY: Final = 86400 * 10**9  # ns
_LOOK: Final = 1.0  # s between two looks at what the command line has changed
_T = TypeVar("_T")


class Accounts:
    """All that may come in, and who has.

    Attributes:
        users: by name.
        tokens: by id.
        wrong: logins that were wrong, or came too soon after wrong ones.
        noted: is told what was changed beside this process: the act, and to whom.
    """

    def __init__(self, state: Path, clock: Clock, sessions: Sessions) -> None:
        """Opens the file in `state`; blocks. The first user of a fresh one is made. Raises UsersError."""
        self._state, self._clock, self.sessions = state, clock, sessions
        self._throttle, self.wrong = Throttle(clock), 0
        self.noted: Callable[[str, str], Awaitable[None]] = _unheard
        self._file = Users(state)
        first.begin(self._file, state, clock.wall_ns())
        self._thread = ThreadPoolExecutor(1, "console-accounts")
        self._version = 0
        self.users, self.tokens = self._file.users(), self._file.tokens()
        self._by_secret = {token.secret: token for token in self.tokens.values()}

    # -- who asks ----------------------------------------------------------------------------------------------------

    def by_cookie(self, cookie: str) -> Who | None:
        """Who has logged in with `cookie`; None when nobody has, or has no longer."""
        found = self.sessions.of(cookie)
        if found is None or not self._holds(found[1]):
            return None
        key, session = found
        user = self.users[session.user]
        return Who(user.name, Role(user.role), session.csrf, key, user.change)

    def by_token(self, token: str) -> Who | None:
        """Whose `token` it is; None where it is nobody's, or has expired."""
        found = self._valid(passwords.digest(token))
        return Who(found.name, Role(found.role), key=found.secret) if found else None

    def _valid(self, secret: str) -> Token | None:
        found, now = self._by_secret.get(secret), self._clock.wall_ns()
        # a clock that says a time before it was made would let in what has long expired
        return found if found and found.made - _DAY <= now < found.expires else None

    def still(self, who: Who) -> bool:
        """Whether `who`, whose page is open, may go on looking: their login has not ended, their token not expired."""
        if not who.person:
            return self._valid(who.key) is not None
        session = self.sessions.look(who.key)
        if session is None or not self._holds(session):
            return False
        if Role(self.users[session.user].role) is Role.VIEWER:
            # a display on a wall: who finds it may look, as everybody there does, and nothing else (ASVS 5.0 V7.3.1)
            self.sessions.watched(who.key)
        return True

    async def login(self, name: str, password: str, address: str) -> tuple[str, Who]:
        """The cookie, and who that is. Raises Refused when it is wrong, or too soon after wrong ones."""
        self.wrong += 1
        self._not_too_soon(name, address)
        self._throttle.wrong(name, address)  # those that come at once count as well
        user = self.users.get(name)
        right = await self._do(passwords.matches, user.secret if user else passwords.NOBODY, password)
        if not right or user is None or self.users.get(name) != user:  # they may have been changed meanwhile
            raise Refused(HTTPStatus.UNAUTHORIZED, "wrong", "user or password is wrong")
        self._throttle.right(name, address)
        self.wrong -= 1
        cookie, key = self.sessions.begin(user.name, user.era)
        session = self.sessions.look(key)
        assert session is not None  # noqa: S101 - it has just begun
        return cookie, Who(user.name, Role(user.role), session.csrf, key, user.change)

    def _not_too_soon(self, name: str, address: str) -> None:
        wait = self._throttle.wait(name, address)
        if wait > 0:
            text = f"too many wrong passwords; try again in {math.ceil(wait)} s"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "slow", text, wait)

    # -- users -------------------------------------------------------------------------------------------------------

    async def change_password(self, who: Who, old: str, new: str, address: str) -> None:
        """A user changes their own password; their other logins end. Raises Refused."""
        user = self.users.get(who.name) if who.person else None
        if user is None:
            raise Refused(HTTPStatus.FORBIDDEN, "token", "a token has no password")
        self._not_too_soon(user.name, address)
        self._throttle.wrong(user.name, address)  # those that come at once count as well
        if not await self._do(passwords.matches, user.secret, old):
            raise Refused(HTTPStatus.FORBIDDEN, "wrong", "the old password is wrong")
        self._throttle.right(user.name, address)
        changed = await self._with_password(user, new, change=False)
        await self._keep(changed, user, but=who.key)
        await self._do(first.done, self._state, user.name)

    async def put_user(self, name: str, role: Role | None, password: str | None) -> User:
        """Make or change a user; their logins end. Raises Refused."""
        user = self.users.get(name)
        if not NAME.fullmatch(name):
            raise Refused(HTTPStatus.BAD_REQUEST, "name", "a user's name has 1 to 64 letters, digits and _ . @ -")
        if user is None and (role is None or password is None):
            raise Refused(
                HTTPStatus.BAD_REQUEST, "missing", f"there is no user '{name}'; a new one has role and password"
            )
        if user is None and len(self.users) >= MOST:
            raise Refused(HTTPStatus.CONFLICT, "full", f"there are {MOST} users already")
        fresh = user or User(name, str(role), "", change=True, made=self._clock.wall_ns())
        fresh = fresh.renewed(role=str(role or fresh.role))
        if password is not None:
            fresh = await self._with_password(fresh, password, change=True)
        await self._keep(fresh, user)
        if password is not None:
            await self._do(first.done, self._state, name)
        return fresh

    async def remove_user(self, name: str) -> None:
        """Remove a user; their logins end. Raises Refused."""
        if not await self._admins_kept(self._file.remove, name):
            raise Refused(HTTPStatus.NOT_FOUND, "unknown", f"there is no user '{name}'")
        self._take_up({key: user for key, user in self.users.items() if key != name}, self.tokens)

    async def _with_password(self, user: User, password: str, *, change: bool) -> User:
        why = passwords.fault(password, user.name)
        if why:
            raise Refused(HTTPStatus.BAD_REQUEST, "password", why)
        return user.renewed(secret=await self._do(passwords.hashed, password), change=change)

    async def _keep(self, user: User, before: User | None, but: str = "") -> None:
        try:
            await self._admins_kept(self._file.put, user, before)
        except UserChangedError as error:
            await self.refresh()
            raise Refused(HTTPStatus.CONFLICT, "changed", str(error)) from error
        session = self.sessions.look(but)
        if session is not None and before is not None and session.era == before.era:
            session.era = user.era
        self._take_up({**self.users, user.name: user}, self.tokens)

    async def _admins_kept(self, do: Callable[..., _T], *given: object) -> _T:
        try:
            return await self._do(do, *given)
        except LastAdminError as error:
            raise Refused(HTTPStatus.CONFLICT, "last-admin", str(error)) from error

    # -- tokens ------------------------------------------------------------------------------------------------------

    async def make_token(self, name: str, role: Role, days: int, by: str) -> tuple[str, Token]:
        """A new token, told this once, and what is kept of it. Raises Refused."""
        if len(self.tokens) >= MOST:
            raise Refused(
                HTTPStatus.CONFLICT, "full", f"there are {MOST} tokens already; remove those that have expired"
            )
        secret, kept = new_token(name, role, days, by, self._clock.wall_ns())
        await self._do(self._file.put_token, kept)
        self._take_up(self.users, {**self.tokens, kept.id: kept})
        return secret, kept

    async def remove_token(self, id_: str) -> None:
        """A token holds no longer. Raises Refused."""
        if not await self._do(self._file.remove_token, id_):
            raise Refused(HTTPStatus.NOT_FOUND, "unknown", f"there is no token {id_}")
        self._take_up(self.users, {key: token for key, token in self.tokens.items() if key != id_})

    # -- the file ----------------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Take up what the command line changes, for ever."""
        while True:
            await asyncio.sleep(_LOOK)
            with suppress(Refused):  # a disk that fails for a while: what is known holds on
                version = await self._do(self._file.changed)
                if version != self._version:
                    await self.refresh()
                    self._version = version

    async def refresh(self) -> None:
        """Read the file; what is other than here was changed beside this process, and is noted."""
        users, tokens = await self._do(lambda: (self._file.users(), self._file.tokens()))
        changed = [*differences("user", self.users, users), *differences("token", self.tokens, tokens)]
        self._take_up(users, tokens)
        for action, text in changed:
            await self.noted(action, text)

    def _take_up(self, users: dict[str, User], tokens: dict[str, Token]) -> None:
        """Logins of users that have changed end."""
        self.users, self.tokens = users, tokens
        self._by_secret = {token.secret: token for token in tokens.values()}
        self.sessions.end_unless(self._holds)

    def _holds(self, session: Session) -> bool:
        user = self.users.get(session.user)
        return user is not None and user.era == session.era

    async def _do(self, do: Callable[..., _T], *given: object) -> _T:
        """On the thread. Raises Refused where the file cannot be used."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, do, *given)
        except UsersError as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "users", str(error)) from error

    def close(self) -> None:
        """Finish what is under way, and close; blocks."""
        self._thread.shutdown()
        self._file.close()


async def _unheard(_action: str, _text: str) -> None:
    pass


def differences(
    kind: str, before: Mapping[str, User | Token], after: Mapping[str, User | Token]
) -> list[tuple[str, str]]:
    """What has been done to users or tokens, and to whom, in words for the audit; no secrets."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        one = new or old
        if old == new or one is None:
            continue
        done = "changed" if old and new else "made" if new else "removed"
        name = one.name if kind == "user" else f"{one.name} ({key})"
        found.append((f"{kind} {done}", f"{kind} {name}, {one.role}"))
    return found


def new_token(name: str, role: str, days: int, by: str, now: int) -> tuple[str, Token]:
    """A new token, and what is kept of it. `now`: Unix ns UTC."""
    secret = passwords.token()
    return secret, Token(secrets.token_hex(4), name, str(role), passwords.digest(secret), by, now, now + days * _DAY)
