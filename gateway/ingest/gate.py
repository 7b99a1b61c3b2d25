"""The gate before the pipeline: batches that arrive within one tick are worked on together.

A batch after a pause is worked on at once, so that latency is that of the work itself; under load one turn serves all
that came within a tick, so that its cost is shared. What waits is bounded in bytes; beyond it the oldest is dropped and
counted.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from gateway.sdk.batch import Batch
from gateway.sdk.clock import Clock

_PER_READING = 24  # bytes: value, time, status, and a share of the rest
_PER_BATCH = 400


class Gate:
    """Gathers batches and hands them over in turns, all on the loop's thread."""

    def __init__(
        self, process: Callable[[Sequence[Batch], int], None], clock: Clock, log: Any, *, tick: float, limit: int
    ) -> None:
        self.counters: Counter[str] = Counter(readings_dropped_total=0, turns_failed_total=0, readings_failed_total=0)
        self.turns = 0  # progress, for the watchdog
        self._process, self._clock, self._log = process, clock, log
        self._tick, self._limit = tick, limit
        self._waiting: deque[Batch] = deque()
        self._size = 0
        self._last = float("-inf")
        self._armed = False

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
        if not self._armed:
            self._armed = True
            loop = asyncio.get_running_loop()
            due = self._last + self._tick
            if due <= loop.time():
                loop.call_soon(self.turn)
            else:
                loop.call_at(due, self.turn)

    def turn(self) -> None:
        """Hand over all that waits."""
        self._armed = False
        self._last = self._clock.monotonic()
        batches, self._waiting, self._size = list(self._waiting), deque(), 0
        if not batches:
            return
        try:
            self._process(batches, int(self._last * 1e9))
        except Exception:  # noqa: BLE001 - second of the three named doors: a failed turn never ends the gateway
            self.counters["turns_failed_total"] += 1
            self.counters["readings_failed_total"] += sum(len(batch) for batch in batches)
            self._log.exception("a turn of the pipeline failed", batches=len(batches))
        self.turns += 1


def _size(batch: Batch) -> int:
    return _PER_BATCH + _PER_READING * len(batch)
