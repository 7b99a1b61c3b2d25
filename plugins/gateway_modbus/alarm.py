"""One timer for all connections of an event loop: whatever waits for an instant waits here.

A poll costs no timer of the loop, a request that is answered in time leaves nothing behind to cancel, and what is due
in one instant is woken in one turn.
"""

import asyncio
import heapq
import math
import time
from collections.abc import Callable
from itertools import count
from typing import Final
from weakref import WeakKeyDictionary

_ALARMS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, "Alarm"]] = WeakKeyDictionary()
NEVER: Final = math.inf
_RESOLUTION: Final = 1e-3  # s; uvloop's timers count whole milliseconds from the start of the loop's turn


class Waker:
    """Calls back at one instant, the last one asked for.

    Attributes:
        when: the instant; may be set later than `armed` without further ado, or to NEVER.
        armed: its earliest place in the queue. It looks again when that comes.
    """

    __slots__ = ("_alarm", "_call", "armed", "when")

    def __init__(self, alarm: "Alarm", call: Callable[[], None]) -> None:
        self._alarm, self._call = alarm, call
        self.when = self.armed = NEVER

    def at(self, instant: float) -> None:
        """Call back at `instant` (monotonic seconds), and no more at the one asked for before."""
        self.when = instant
        if instant < self.armed:
            self.armed = instant
            self._alarm.add(instant, self)

    def retire(self) -> None:
        """Never call back again: its place in the queue keeps nobody alive."""
        self.when, self._call = NEVER, _nobody

    def ring(self, instant: float, now: float) -> None:
        """The queue has come to `instant`."""
        if instant != self.armed:
            return  # an earlier place was taken after this one
        self.armed = NEVER
        if self.when <= now:
            self.when = NEVER
            self._call()
        elif self.when < NEVER:
            self.at(self.when)


def _nobody() -> None:
    """Whom a retired waker calls."""


class Alarm:
    """The queue of all wakers of one event loop, and the one timer that serves it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: list[tuple[float, int, Waker]] = []
        self._count = count()  # wakers are not compared
        self._timer: asyncio.TimerHandle | None = None
        self._set = NEVER  # what the timer is set to

    @classmethod
    def of_loop(cls) -> "Alarm":
        """The one of the running loop."""
        loop = asyncio.get_running_loop()
        alarm = _ALARMS.get(loop)
        if alarm is None:
            alarm = _ALARMS[loop] = cls(loop)
        return alarm

    def waker(self, call: Callable[[], None]) -> Waker:
        """A waker that calls `call`."""
        return Waker(self, call)

    def add(self, instant: float, waker: Waker) -> None:
        """Ring `waker` at `instant`."""
        heapq.heappush(self._queue, (instant, next(self._count), waker))
        if instant < self._set:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._set = self._queue[0][0]
        wait = self._set - time.monotonic()
        # the loop's own clock may stand still during a turn, so the wait is counted from it
        self._timer = self._loop.call_later(max(0.0, wait + _RESOLUTION / 2), self._ring)

    def _ring(self) -> None:
        self._timer, self._set = None, -NEVER  # what is added meanwhile sets no timer: that comes at the end
        queue, now = self._queue, time.monotonic()
        try:
            while queue and queue[0][0] <= now:
                instant, _, waker = heapq.heappop(queue)
                waker.ring(instant, now)
        finally:
            self._set = NEVER
            if queue:
                self._set_timer()
