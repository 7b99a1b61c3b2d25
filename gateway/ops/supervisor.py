"""Every task has an owner and a name. A task that ends by a fault is counted, logged, and started again.

A part that fails over and over is not hidden: after `most` faults within `window` seconds the supervisor gives up, the
daemon ends, and systemd starts it afresh.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from gateway.ops.health import Health, State
from gateway.sdk.clock import Clock
from gateway.sdk.errors import FieldgateError

_SETTLED = 10.0  # s of running after which a part that failed counts as well again


class GivenUpError(FieldgateError):
    """A part of the gateway failed too often to go on."""


class Supervisor:
    """Runs named parts in one TaskGroup."""

    def __init__(self, clock: Clock, log: Any, health: Health, *, most: int = 5, window: float = 60.0) -> None:
        self.counters: Counter[str] = Counter()
        self._clock, self._log, self._health = clock, log, health
        self._most, self._window = most, window
        self._parts: dict[str, Callable[[], Awaitable[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Have `part()` run under `name`, from now on or from `run` on, until it is removed or the daemon ends."""
        self._parts[name] = part
        if self._group is not None:
            self._start(name)

    async def remove(self, names: Iterable[str], within: float) -> None:
        """Cancel these parts, wait up to `within` seconds until they are gone, and forget them."""
        gone = [name for name in names if self._parts.pop(name, None) is not None]
        await _cancelled([self._tasks.pop(name) for name in gone if name in self._tasks], within)
        for name in gone:
            self._health.forget(name)

    async def run(self) -> None:
        """Run all parts until cancelled, or until one fails too often (GivenUpError)."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for name in self._parts:
                    self._start(name)
        except BaseExceptionGroup as ended:
            given_up = ended.subgroup(GivenUpError)
            if given_up is None:
                raise
            raise given_up.exceptions[0] from ended
        finally:
            self._group = None

    def _start(self, name: str) -> None:
        assert self._group is not None  # noqa: S101 - the callers have looked
        self._tasks[name] = self._group.create_task(self._keep(name, self._parts[name]), name=name)

    async def end(self, prefix: str, within: float) -> None:
        """Cancel the parts whose names begin with `prefix`, and wait up to `within` seconds until they are gone."""
        await _cancelled([task for name, task in self._tasks.items() if name.startswith(prefix)], within)

    async def _keep(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        faults: deque[float] = deque(maxlen=self._most)
        while True:
            well = asyncio.get_running_loop().call_later(_SETTLED, self._well, name) if faults else None
            try:
                await part()
            except Exception as error:  # third of the three named doors: a fault in one part never ends the others
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    return  # it was being ended, and stumbled
                self._log.exception("part failed", part=name)
                self.counters[name] += 1
                self._health.report(name, State.FAILED, repr(error), "see the log; the part is started again")
                now = self._clock.monotonic()
                faults.append(now)
                if len(faults) == self._most and now - faults[0] < self._window:
                    raise GivenUpError(f"{name} failed {self._most} times within {self._window:.0f} s") from error
                await asyncio.sleep(min(1.0, 0.1 * len(faults)))
            else:
                return
            finally:
                if well is not None:
                    well.cancel()

    def _well(self, name: str) -> None:
        """A part that was started again has run for a while."""
        self._health.report(name, State.OK)


async def _cancelled(tasks: "list[asyncio.Task[None]]", within: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=within)
