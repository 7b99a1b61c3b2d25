"""The loop must not be held: a thread sees when it is, says by whom, and takes the loop back where that can be done.

The loop beats; the thread looks at the beat. Held for `bound`, the code that holds it is named, with its stack. Held
for twice that by a plugin, an error is raised in the plugin's code, from a signal handler on the loop's own thread:
what Python can interrupt (a sleep, a socket, an endless loop) ends there, and the plugin's runner takes it for the bug
that it is. Code of the gateway is never interrupted. What cannot be interrupted, such as C code that keeps the GIL, is
left to the watchdog of systemd, and to `lastwords`.

SIGURG, because nothing else wants it and it does nothing where nobody handles it: Go preempts with it for that reason.
"""

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from gateway.ops.culprit import CONNECTION, Plugins, files, stack
from gateway.sdk.errors import FieldgateError

_SIGNAL: Final = signal.SIGURG
_LOOKS: Final = 4  # beats, and looks at them, within the bound
_ASKED: Final = 0.05  # s that the loop's thread is given to say for whom it works


class BlockedError(FieldgateError):
    """Raised in the midst of a plugin's code that has held the loop for too long."""


@dataclass(slots=True)
class Hold:
    """The loop is held, or was.

    Attributes:
        connection: on whose behalf; "" where that is not known.
        adapter: the plugin whose code it is; "" for code of the gateway.
        stack: `file:line function`, innermost first.
        seconds: so far, or in all.
    """

    connection: str = ""
    adapter: str = ""
    stack: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def where(self) -> str:
        """The innermost line."""
        return self.stack[0] if self.stack else "?"


class StallWatch:
    """Watches the loop that `run` runs on.

    Args:
        plugins: whose code is whose.
        began: called from the watching thread as soon as the loop has been held for the bound.
        ended: called from there, too, when it goes on.
        bound: seconds.
    """

    def __init__(
        self, plugins: Plugins, began: Callable[[Hold], None], ended: Callable[[Hold], None], bound: float = 1.0
    ) -> None:
        self.holds = 0
        self._plugins, self._began, self._ended, self._bound = plugins, began, ended, bound
        self._beat = 0.0  # monotonic
        self._since = 0.0  # no look reaches further back: the process may have stood still as a whole
        self._who = ""
        self._end = False  # whether the next signal is to end what holds the loop
        self._hold: Hold | None = None
        self._stop = threading.Event()
        self._thread_id = 0

    async def run(self) -> None:
        """Beat, for ever, with the thread beside it."""
        self._beat, self._thread_id = time.monotonic(), threading.get_ident()
        before = _handle(self._asked)
        thread = threading.Thread(target=self._watch, name="stall", daemon=True)
        self._stop.clear()
        thread.start()
        try:
            while True:
                self._beat = time.monotonic()
                await asyncio.sleep(self._bound / _LOOKS)
        finally:
            self._stop.set()
            if before is not None:
                _handle(before)

    # -- on the watching thread --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        period = self._bound / _LOOKS
        clock = time.pthread_getcpuclockid(self._thread_id)
        last, worked = time.monotonic(), time.clock_gettime(clock)
        while not self._stop.wait(period):
            now, work = time.monotonic(), time.clock_gettime(clock)
            late = now - last - period
            if self._hold is None and late > self._bound / 2 and work - worked < late / 2:
                self._since = now  # we were held up as well, and nobody worked: the machine's doing, nobody's here
            last, worked = now, work
            self._look(now)

    def _look(self, now: float) -> None:
        held = now - max(self._beat, self._since)
        if held < self._bound:
            hold, self._hold = self._hold, None
            if hold is not None:
                self._ended(hold)
            return
        if self._hold is None:
            self._name(held)
            return
        self._hold.seconds = held
        if self._hold.adapter and held >= 2 * self._bound:
            self._ask(end=True)

    def _name(self, held: float) -> None:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the documented way to another's stack
        adapter = self._plugins.of(files(frame))
        lines = stack(frame)
        del frame  # a frame kept keeps all that it holds
        self._ask(end=False)
        who = (self._who or self._plugins.alone(adapter)) if adapter else ""
        self.holds += 1
        self._hold = Hold(who, adapter, lines, held)
        self._began(self._hold)

    def _ask(self, *, end: bool) -> None:
        """Have the loop's thread say for whom it works, and end that if it is to."""
        self._who, self._end = "", end
        signal.pthread_kill(self._thread_id, _SIGNAL)
        self._stop.wait(_ASKED)

    # -- on the loop's thread, in the midst of whatever it does ------------------------------------------------------

    def _asked(self, _number: int, frame: FrameType | None) -> None:
        self._who = CONNECTION.get()
        end, self._end = self._end, False
        held = time.monotonic() - max(self._beat, self._since)
        if end and held >= 2 * self._bound and self._plugins.of(files(frame)):
            raise BlockedError(f"held the loop for {held:.1f} s; everything else stood still")


def _handle(handler: "signal._HANDLER") -> "signal._HANDLER":
    """Set what handles the signal; what did before. Only the main thread may: elsewhere nobody is asked."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(_SIGNAL, handler)
