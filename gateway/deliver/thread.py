"""The thread that a store lives on: a step whenever it is stirred, one more at the end, results back on the loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class StoreThread:
    """Not started, what is posted is done at once, and whoever owns it takes the steps.

    Args:
        name: of the thread.
        step: what is done each time, in the thread.
        last: what is done after the last step.
        nap: seconds that it may sleep unstirred, asked anew each time.
        died: called on the loop when it has ended without being told to.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], None],
        last: Callable[[], None],
        nap: Callable[[], float],
        died: Callable[[], None],
    ) -> None:
        self._step, self._last, self._nap, self._died = step, last, nap, died
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._wake = threading.Event()
        self._stirred = self._started = False
        self._soon: Callable[..., Any] = _now
        self._ended: asyncio.Event | None = None
        self.closing = self.broken = False
        self.post: Callable[..., Any] = _now

    def start(self) -> None:
        """Begin; results come back to the running loop."""
        loop = asyncio.get_running_loop()
        self.post, self._soon, self._ended = loop.call_soon_threadsafe, loop.call_soon, asyncio.Event()
        self._started = True
        self._thread.start()

    def stir(self) -> None:
        """There is something to do. Told at the end of the turn: a thread woken in its midst would contend for it."""
        if not self._stirred:
            self._stirred = True
            self._soon(self._stir)

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def close(self, within: float) -> bool:
        """Take the last step and end. False when that took longer than `within` seconds."""
        self.closing = True
        self._wake.set()
        if not self._started or self._ended is None:
            self._step()
            self._last()
            return True
        try:
            await asyncio.wait_for(self._ended.wait(), within)
        except TimeoutError:
            return False
        return True

    def _stir(self) -> None:
        self._stirred = False
        self._wake.set()

    def _work(self) -> None:
        try:
            while not self.closing:
                self._wake.wait(self._nap())
                self._wake.clear()
                self._step()
            self._step()
            self._last()
        finally:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self.post(self._end)

    def _end(self) -> None:
        self.broken = not self.closing
        if self.broken:
            self._died()
        if self._ended is not None:
            self._ended.set()


def _now(function: Callable[..., None], *args: Any) -> None:
    function(*args)
