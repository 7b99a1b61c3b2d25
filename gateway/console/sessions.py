"""Who is logged in: in memory only, so that a restart ends every login. A cookie is kept as its sha256."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.console.passwords import digest
from gateway.sdk.clock import Clock

MOST: Final = 1000  # logins; beyond it the eldest ends
OF_ONE: Final = 20  # logins of one user


@dataclass(slots=True)
class Session:
    """One login: whose, under which era of the user (state/users.py), its secret for changes, and when; monotonic s."""

    user: str
    era: str
    csrf: str
    began: float
    seen: float


class Sessions:
    """All logins. `longest` and `idle`: seconds after which one ends, whatever happens, and without a request."""

    def __init__(self, clock: Clock, longest: float, idle: float) -> None:
        self._clock, self._longest, self._idle = clock, longest, idle
        self._by_key: dict[str, Session] = {}  # the eldest first

    def begin(self, user: str, era: str) -> tuple[str, str]:
        """A new login: the cookie, and the key under which it is known here."""
        cookie, now = secrets.token_urlsafe(32), self._clock.monotonic()
        key = digest(cookie)
        own = [one for one, session in self._by_key.items() if session.user == user]
        for old in own[: max(len(own) - OF_ONE + 1, 0)] + list(self._by_key)[: max(len(self._by_key) - MOST + 1, 0)]:
            self._by_key.pop(old, None)
        self._by_key[key] = Session(user, era, secrets.token_urlsafe(32), now, now)
        return cookie, key

    def of(self, cookie: str) -> tuple[str, Session] | None:
        """Key and login of `cookie`, which has just been used; None where there is none any more."""
        key = digest(cookie)
        session = self.look(key)
        if session is None:
            return None
        session.seen = self._clock.monotonic()
        return key, session

    def look(self, key: str) -> Session | None:
        """The login of `key`, without using it."""
        session = self._by_key.get(key)
        if session is None:
            return None
        now = self._clock.monotonic()
        if now - session.began > self._longest or now - session.seen > self._idle:
            del self._by_key[key]
            return None
        return session

    def watched(self, key: str) -> None:
        """A page of this login is open and looks on: that is use, too."""
        session = self.look(key)
        if session is not None:
            session.seen = self._clock.monotonic()

    def end(self, key: str) -> None:
        """A login ends."""
        self._by_key.pop(key, None)

    def end_unless(self, holds: Callable[[Session], bool]) -> None:
        """All logins end for which `holds` is not true."""
        for key in [key for key, session in self._by_key.items() if not holds(session)]:
            del self._by_key[key]
