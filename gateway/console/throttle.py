"""Wrong logins are slowed down, for the user and for the address that they come from: each more than the one before.

Counted apart, so that neither many addresses at one user nor one address at many users gets on (OWASP, Authentication
Cheat Sheet). Nobody is locked out for good: the longest wait is a minute, and a quarter of an hour forgets all. An
address from which a user has logged in rightly before counts for this user by itself, so that nobody is kept out from
afar by wrong logins under their name.
"""

from collections import OrderedDict
from typing import Final

from gateway.sdk.clock import Clock

FREE: Final = 3  # wrong logins without a wait: people mistype
LONGEST: Final = 60.0  # s
FORGOTTEN: Final = 900.0  # s without another one
_REMEMBERED: Final = 10_000  # users and addresses; beyond it the eldest go

Key = tuple[str, ...]


class Throttle:
    """Counts wrong logins."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: OrderedDict[Key, tuple[int, float]] = OrderedDict()  # how many, and when the last, monotonic s
        self._known: OrderedDict[Key, None] = OrderedDict()  # user and address of right logins, the latest last

    def wait(self, user: str, address: str) -> float:
        """Seconds until the next login of `user` from `address` is looked at; 0: it is now."""
        now = self._clock.monotonic()
        return max(self._left(key, now) for key in self._keys(user, address))

    def wrong(self, user: str, address: str) -> None:
        """A login was wrong, or is just being looked at: it counts until it was right."""
        now = self._clock.monotonic()
        for key in self._keys(user, address):
            count, last = self._wrong.pop(key, (0, now))
            self._wrong[key] = (1 if now - last > FORGOTTEN else count + 1, now)
        while len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)

    def right(self, user: str, address: str) -> None:
        """A login was right: what was mistyped before it is forgotten."""
        for key in self._keys(user, address):
            self._wrong.pop(key, None)
        self._known.pop((user, address), None)
        self._known[user, address] = None
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _keys(self, user: str, address: str) -> tuple[Key, ...]:
        if (user, address) in self._known:
            return (("both", user, address),)
        return ("user", user), ("address", address)

    def _left(self, key: Key, now: float) -> float:
        count, last = self._wrong.get(key, (0, now))
        if count < FREE or now - last > FORGOTTEN:
            return 0.0
        return max(min(2.0 ** (count - FREE), LONGEST) - (now - last), 0.0)


AT_ONCE: Final = 20  # acts
EACH: Final = 1.0  # s until one more is free


class Pace:
    """Acts of one person, or of one program: so many at once, then one a second. A person has all their logins."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free: OrderedDict[str, float] = OrderedDict()  # when all are free again, monotonic s

    def wait(self, by: str) -> float:
        """Seconds until the next act of `by`; 0: it is now, and counts."""
        now = self._clock.monotonic()
        free = max(self._free.pop(by, now), now) + EACH
        wait = free - now - AT_ONCE * EACH
        self._free[by] = free if wait <= 0 else free - EACH
        while len(self._free) > _REMEMBERED:
            self._free.popitem(last=False)
        return max(wait, 0.0)
