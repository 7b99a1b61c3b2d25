"""The systemd watchdog, fed by progress and not by a timer: not when a stage stands still while work waits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.ops.systemd import notify, watchdog_seconds
from gateway.sdk.clock import Clock


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage's progress: `done` only ever grows; `waiting` says whether there is anything to do."""

    name: str
    done: Callable[[], int]
    waiting: Callable[[], int]


class Progress:
    """Says which stages stand still. A stage moves when it has nothing to do or has done something since last time."""

    def __init__(self, stages: list[Stage]) -> None:
        self._stages = stages
        self._last = {stage.name: -1 for stage in stages}

    def stuck(self) -> list[str]:
        """Names of the stages that had work and did none since the last call."""
        names = []
        for stage in self._stages:
            done = stage.done()
            if stage.waiting() and done == self._last[stage.name]:
                names.append(stage.name)
            self._last[stage.name] = done
        return names


class Watchdog:
    """Runs on the loop, so that a loop that stands still is not fed for either; notes how late the loop was."""

    def __init__(self, clock: Clock, progress: Progress, log: Any) -> None:
        self.lag = 0.0  # s; the worst since it was last taken
        self._clock, self._progress, self._log = clock, progress, log

    def take_lag(self) -> float:
        """The worst lag of the loop since the last call, in seconds."""
        lag, self.lag = self.lag, 0.0
        return lag

    async def run(self) -> None:
        """Feed systemd three times within its limit as long as every stage moves; without one, only measure lag."""
        limit = watchdog_seconds()
        period = min(limit / 3, 5.0) if limit else 5.0
        while True:
            due = self._clock.monotonic() + period
            await asyncio.sleep(period)
            self.lag = max(self.lag, self._clock.monotonic() - due)
            stuck = self._progress.stuck()
            if stuck:
                self._log.warning("no progress", part=",".join(stuck))
            else:
                notify("WATCHDOG=1")
