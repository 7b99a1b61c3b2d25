"""Messages that the broker takes and will not have: each is tried again, later and later, and given up after five."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from gateway.deliver.event import Class
from gateway.deliver.ledger import Record

_TRIES: Final = 5
_REMEMBERED: Final = 10_000  # messages whose refusals are counted


class Refusals:
    """What was refused on one connection, and what is to come of it.

    Args:
        wait: seconds before the next try, of how many tries were made.
        again: sends a message once more.
        give_up: drops a message.
    """

    def __init__(
        self, wait: Callable[[int], float], again: Callable[[Record], None], give_up: Callable[[Record], None]
    ) -> None:
        self._wait, self._again, self._give_up = wait, again, give_up
        self._waiting: Counter[Class] = Counter()
        self._tries: Counter[tuple[Class, int]] = Counter()
        self._timers: set[asyncio.TimerHandle] = set()

    def waiting(self, cls: Class) -> int:
        """Messages of a class that wait for their next try."""
        return self._waiting[cls]

    def note(self, record: Record) -> None:
        """The broker will not have `record`."""
        if len(self._tries) > _REMEMBERED:
            self._tries.clear()
        key = (record.cls, record.sequence)
        self._tries[key] += 1
        if self._tries[key] >= _TRIES:
            self._give_up(record)
        else:
            self.later(record, self._tries[key])

    def later(self, record: Record, tries: int) -> None:
        """Try `record` again in a while."""
        self._waiting[record.cls] += 1

        def due() -> None:
            self._timers.discard(timer)
            self._waiting[record.cls] -= 1
            self._again(record)

        timer = asyncio.get_running_loop().call_later(self._wait(tries), due)
        self._timers.add(timer)

    def settled(self, record: Record) -> None:
        """It is through, or dropped: its tries are forgotten."""
        self._tries.pop((record.cls, record.sequence), None)

    def clear(self) -> None:
        """The connection is gone: what waits is sent anew on the next. How often it was refused is remembered."""
        self._waiting.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
