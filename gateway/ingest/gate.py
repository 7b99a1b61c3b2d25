"""The gate before the pipeline: under load, batches are worked on together.

After a turn that took d the gate rests for 40 d, a tick at most. So a batch that comes alone is worked on at once, its
latency is that of the work itself, and the cost of turns stays at a fortieth of a core until they are a tick apart;
then each serves all that came meanwhile. What an alarm without delay watches waits for 4 d only: `prompt` devices.
What waits is bounded in bytes; beyond it the oldest is dropped and counted.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Container, Sequence
from typing import Any

from gateway.sdk.batch import Batch
from gateway.sdk.clock import Clock

_PER_READING = 24  # bytes: value, time, status, and a share of the rest
_PER_BATCH = 400
_REST = 40.0  # times the length of a turn
_PROMPT_REST = 4.0  # the same, where an alarm waits: a fifth of a core at most


class Gate:
    """Gathers batches and hands them over in turns, all on the loop's thread."""

    def __init__(
        self,
        process: Callable[[Sequence[Batch], int], None],
        clock: Clock,
        log: Any,
        *,
        tick: float,
        limit: int,
        prompt: Container[int] = (),
    ) -> None:
        self.counters: Counter[str] = Counter(readings_dropped_total=0, turns_failed_total=0, readings_failed_total=0)
        self.turns = 0  # progress, for the watchdog
        self._process, self._clock, self._log = process, clock, log
        self._tick, self._limit, self._prompt = tick, limit, prompt
        self._waiting: deque[Batch] = deque()
        self._size = 0
        self._next = self._next_prompt = -math.inf  # when the next turn may be
        self._armed = math.inf  # when it will be
        self._timer: asyncio.Handle | None = None
        self._held = False

    def tune(self, tick: float, limit: int, prompt: Container[int]) -> None:
        """From now on other bounds, and other devices that must not wait."""
        self._tick, self._limit, self._prompt = tick, limit, prompt

    def hold(self) -> None:
        """Gather only, until `release`."""
        self._held = True

    def flush(self) -> None:
        """Hand over what has been gathered meanwhile, and go on gathering."""
        held, self._held = self._held, False
        self.turn()
        self._held = held

    def release(self) -> None:
        """Go on, at once."""
        self._held = False
        self._arm(-math.inf)

    @property
    def waiting(self) -> int:
        """Batches that wait for their turn."""
        return len(self._waiting)

    def __call__(self, batch: Batch) -> None:
        """The sink of all adapters."""
        self._waiting.append(batch)
        self._size += _size(batch)
        while self._size > self._limit and len(self._waiting) > 1:
            dropped = self._waiting.popleft()
            self._size -= _size(dropped)
            self.counters["readings_dropped_total"] += len(dropped)
        due = self._next_prompt if batch.device in self._prompt else self._next
        if due < self._armed:
            self._arm(due)

    def _arm(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._armed = due
        self._timer = loop.call_soon(self.turn) if due <= loop.time() else loop.call_at(due, self.turn)

    def turn(self) -> None:
        """Hand over all that waits."""
        self._armed, self._timer = math.inf, None
        if self._held:
            return
        batches, self._waiting, self._size = list(self._waiting), deque(), 0
        if not batches:
            return
        began = self._clock.monotonic()
        try:
            self._process(batches, int(began * 1e9))
        except Exception:  # noqa: BLE001 - second of the three named doors: a failed turn never ends the gateway
            self.counters["turns_failed_total"] += 1
            self.counters["readings_failed_total"] += sum(len(batch) for batch in batches)
            self._log.exception("a turn of the pipeline failed", batches=len(batches))
        ended = self._clock.monotonic()
        self._next = began + min(self._tick, _REST * (ended - began))
        self._next_prompt = began + min(self._tick, _PROMPT_REST * (ended - began))
        self.turns += 1


def _size(batch: Batch) -> int:
    return _PER_BATCH + _PER_READING * len(batch)
