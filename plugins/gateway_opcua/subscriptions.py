"""Which tags share a subscription, and what its messages mean for its tags. Pure.

A message of one type is decoded as one array. So a type of which there are many gets a subscription of its own; the
rest of a period shares one, because small servers have few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.sdk import Group
from gateway_opcua.codec import Published

_WORTH_ITS_OWN: Final = 200  # tags of one type
_LAST_SEQUENCE: Final = 0xFFFFFFFF  # then 1 again (Part 4 §7.27)
_MOST_MISSING: Final = 100  # messages; more are not asked for again one by one
_MAX_WAIT: Final = 600.0  # s between two attempts for a tag that the server refuses
_LIFETIME: Final = 30.0  # s that the server keeps a subscription whose client is silent


@dataclass(slots=True)
class Subscription:
    """The tags that the server watches at one period.

    Attributes:
        every: period, s.
        rows: u4[n], the tags; a row is the ClientHandle of its monitored item.
        groups: the scan groups that the rows belong to.
        id: given by the server.
        items: u4[n], ids of the monitored items; 0 where there is none.
        due: f8[n], when a tag without an item is tried again, monotonic; inf while it has one.
        wait: f8[n], the wait behind `due`; it only grows.
        abandoned: ids of items whose node is gone, to be deleted.
        expected: number of the next message.
        heard: when the last message came, monotonic.
        patience: longest healthy silence, s.
    """

    every: float
    rows: NDArray[np.uint32]
    groups: tuple[Group, ...]
    id: int = 0
    items: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    due: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    wait: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    abandoned: list[int] = field(default_factory=list)
    expected: int = 1
    heard: float = 0.0
    patience: float = 0.0

    def begin(self, number: int, keep_alive: float, timeout: float, now: float) -> None:
        """The server made it, and promises a message at least every `keep_alive` seconds."""
        n = len(self.rows)
        self.id, self.heard, self.expected = number, now, 1
        self.patience = 2 * keep_alive + timeout
        self.items, self.due, self.wait = np.zeros(n, np.uint32), np.full(n, now), np.zeros(n)

    @property
    def watched(self) -> NDArray[np.uint32]:
        """The rows that have a monitored item."""
        return self.rows if self.items.all() else self.rows[self.items > 0]

    def postpone(self, places: NDArray[np.intp], now: float, retry: float) -> None:
        """Try these tags again later, each time after twice as long."""
        self.items[places] = 0
        self.wait[places] = np.clip(2 * self.wait[places], retry, _MAX_WAIT)
        self.due[places] = now + self.wait[places]

    def before(self, message: Published) -> range:
        """Numbers of the messages that are missing before this one; empty too when they are very many."""
        missing = range(self.expected, message.sequence)
        return missing if len(missing) <= _MOST_MISSING else range(0)

    def follows(self, message: Published) -> bool:
        """Take the message's number; False when messages before it are missing."""
        expected, number = self.expected, message.sequence
        if message.keep_alive:  # it bears the number of the next message; some servers give that of the last one
            self.expected = max(number, expected) if number + 1 == expected else number
            return number in (expected, expected - 1)
        self.expected = 1 if number == _LAST_SEQUENCE else number + 1
        return number == expected


def plan(groups: Sequence[Group], kinds: NDArray[np.uint8], *, by_type: bool = True) -> list[Subscription]:
    """The subscriptions for `groups`; `kinds` has the type of each row as last read, 0 where unknown."""
    planned = []
    for every in dict.fromkeys(group.every for group in groups):
        members = tuple(group for group in groups if group.every == every)
        rows = np.concatenate([np.arange(g.rows.start, g.rows.stop, dtype=np.uint32) for g in members])
        planned += [Subscription(every, part, members) for part in _parts(rows, kinds[rows], by_type=by_type)]
    return planned


def _parts(rows: NDArray[np.uint32], kinds: NDArray[np.uint8], *, by_type: bool) -> list[NDArray[np.uint32]]:
    if not by_type:
        return [rows]
    names, counts = np.unique(kinds, return_counts=True)
    many = names[(counts >= _WORTH_ITS_OWN) & (names != 0)]
    rest = rows[~np.isin(kinds, many)]
    return [rows[kinds == kind] for kind in many] + ([rest] if len(rest) else [])


def keep_alive_count(every: float, stale_after: float) -> int:
    """Publishing periods without a change after which the server says so: twice before the tags go stale."""
    return max(1, int(stale_after / (2 * every) + 1e-9))


def lifetime_count(every: float, keep_alive: int) -> int:
    """Publishing periods without a request after which the server drops the subscription; 3 keep-alives at least."""
    return max(3 * keep_alive, int(_LIFETIME / every) + 1)


def in_turn(rows: NDArray[np.uint32]) -> list[NDArray[np.intp]]:
    """The places in `rows`, as runs in which no row stands twice: queued values of one tag go one after the other."""
    _, inverse, counts = np.unique(rows, return_inverse=True, return_counts=True)
    if counts.max(initial=1) == 1:
        return [np.arange(len(rows))]
    order = np.argsort(inverse, kind="stable")
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    turn = np.empty(len(rows), np.intp)
    turn[order] = np.arange(len(rows)) - starts
    return [np.flatnonzero(turn == i) for i in range(int(counts.max()))]
