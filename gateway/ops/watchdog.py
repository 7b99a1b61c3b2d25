"""The systemd watchdog, fed by progress and not by a timer: not when a stage stands still while work waits."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.ops.systemd import notify, watchdog_seconds
from gateway.sdk.clock import Clock

LOOKED_BACK: Final = 60.0  # s of lags that are remembered
UNWATCHED: Final = 30.0  # s without progress until we are taken for dead where no systemd watches: as in the unit


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
        self._lags: deque[float] = deque([0.0])  # s; of the latest beats
        self._clock, self._progress, self._log = clock, progress, log
        self._limit = watchdog_seconds()
        self._well: float | None = None  # monotonic s at which all moved; None before the first look

    def silent(self) -> float:
        """Seconds for which the loop has not turned, or a stage has stood still; from any thread. 0 at the start."""
        return 0.0 if self._well is None else self._clock.monotonic() - self._well

    def alive(self) -> bool:
        """Whether that is within the watchdog's limit: /healthz says what systemd would act on."""
        return self.silent() < (self._limit or UNWATCHED)

    @property
    def lag(self) -> float:
        """The worst lag of the loop in the last minute, in seconds; whoever looks, and how often, changes nothing."""
        return max(tuple(self._lags))

    async def run(self) -> None:
        """Feed systemd three times within its limit as long as every stage moves; without one, only measure lag."""
        period = min(self._limit / 3, 5.0) if self._limit else 5.0
        self._well = self._clock.monotonic()
        self._lags = deque(self._lags, maxlen=math.ceil(LOOKED_BACK / period))
        while True:
            due = self._clock.monotonic() + period
            await asyncio.sleep(period)
            self._lags.append(self._clock.monotonic() - due)
            stuck = self._progress.stuck()
            if stuck:
                self._log.warning("no progress", part=",".join(stuck))
            else:
                self._well = self._clock.monotonic()
                notify("WATCHDOG=1")
