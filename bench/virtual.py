"""An event loop whose time passes as fast as the work is done: when nothing is to be done now, it is later at once.

Threads stay real. While a job of an executor is under way, or `busy` says that one of our own threads has work, time
stands still.
"""

import asyncio
import selectors
import threading
import time
from collections.abc import Callable
from typing import Any, Final

_MOMENT: Final = 0.0005  # s that are waited for a thread, at a time
_STRIDE: Final = 0.5  # s that pass at once at most: a thread may come to want the loop
START_NS: Final = 1_780_000_000_000_000_000  # Unix ns at which the virtual wall clock begins


class _Selector(selectors.DefaultSelector):
    """Waits for no longer than it must; asks the system only when time is about to pass."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return []
        found, called = super().select(0), self.loop.called
        if found or called.is_set():
            called.clear()
        elif timeout is None or self.loop.jobs or self.loop.busy():
            called.wait(_MOMENT)
        else:
            self.loop.now += min(max(timeout, self.loop.grain), _STRIDE)
        return list(found)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time.

    Args:
        grain: seconds that pass at once at least, as where a loop has much to do: what is due within them is done
            together.

    Attributes:
        now: the loop's time.
        jobs: jobs of executors that are under way.
        called: set when a thread has called.
        busy: whether a thread has work for which time must wait.
    """

    def __init__(self, grain: float = 0.0) -> None:
        selector = _Selector()
        selector.loop, self.grain = self, grain
        self.now, self.jobs, self.called = time.monotonic(), 0, threading.Event()
        self.busy: Callable[[], bool] = lambda: False
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def _write_to_self(self) -> None:
        self.called.set()  # a byte through a socket pair, as others do, would be three system calls

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        self.jobs += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: "asyncio.Future[Any]") -> None:
        self.jobs -= 1


class Behind:
    """Lets time pass while a thread works, but no more than `within` seconds of it: then time waits for the thread."""

    def __init__(self, loop: VirtualLoop, waiting: Callable[[], int], within: float = 1.0) -> None:
        self._loop, self._waiting, self._within = loop, waiting, within
        self._since = loop.now

    def __call__(self) -> bool:
        """Whether time must wait."""
        if not self._waiting():
            self._since = self._loop.now
            return False
        return self._loop.now - self._since > self._within


class VirtualClock:
    """The clock of a virtual loop. `step` sets the wall clock, as a person or NTP would."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop, self._zero, self._off = loop, loop.now, 0

    def wall_ns(self) -> int:
        """Unix ns."""
        return START_NS + self._off + int((self._loop.now - self._zero) * 1e9)

    def monotonic(self) -> float:
        """The loop's time."""
        return self._loop.now

    def step(self, seconds: float) -> None:
        """Set the wall clock by so many seconds."""
        self._off += int(seconds * 1e9)

    async def sleep_until(self, due: float) -> None:
        """Sleep in virtual time."""
        await asyncio.sleep(max(0.0, due - self._loop.now))
