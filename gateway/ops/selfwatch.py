"""Looks after the process once a second: what it takes, whose memory grows, and whether its clock is to be believed."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.ops.culprit import Plugins
from gateway.ops.health import Health, State
from gateway.ops.leak import culprit
from gateway.ops.metrics import Sample
from gateway.ops.resources import Crossing, Resources, allowed, measured
from gateway.ops.supervisor import GivenUpError
from gateway.ops.walltime import Step, WallWatch, synchronized
from gateway.sdk.clock import Clock

EVERY: Final = 1.0  # s between two looks
_GROWS: Final = 2**20  # bytes a look, from which memory counts as growing
_AGAIN: Final = 60.0  # s between two looks for whose memory it is
_LAST: Final = 0.9  # of what the control group allows: before the kernel ends us without a word, we end in order
_STEP_LASTS: Final = 600.0  # s for which a step of the clock stays in the health
_PATIENCE: Final = 300.0  # s that NTP is given after the start
_UTC: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Ties:
    """What the watch reports to. `tell(name, kind, text)` is an event for the plant; `accuse(adapter, why)` a leak."""

    clock: Clock
    log: Any
    health: Health
    plugins: Plugins
    tell: Callable[[str, str, str], None]
    accuse: Callable[[str, str], None]


class SelfWatch:
    """The process of one gateway."""

    def __init__(self, bounds: Mapping[str, int], ties: Ties, wall: WallWatch | None = None) -> None:
        """`wall`: the watch over the wall clock, whose doubts messages bear; one of its own unless given."""
        self.resources, self.wall = Resources(bounds), wall or WallWatch(ties.clock)
        self._ties = ties
        self._allowed = allowed()
        self._begun = ties.clock.monotonic()
        self._traced = self._stepped = float("-inf")
        self._unset_told = False

    async def run(self) -> None:
        """Look, for ever. Raises GivenUpError when the kernel would end the process next."""
        while True:
            figures, synchronised = await asyncio.to_thread(_looked, len(asyncio.all_tasks()))
            self.look(figures, synchronised)
            if self._leaks():
                await self._find()
            await asyncio.sleep(EVERY)

    def look(self, figures: dict[str, int], synchronised: bool | None) -> None:  # noqa: FBT001 - known, or not
        """Judge what the process takes, and the clock."""
        for crossing in self.resources.look(figures):
            self._crossed(crossing)
        if step := self.wall.look(synchronised):
            self._step(step)
        self._clock()
        memory = self.resources.figures["process_resident_bytes"]
        if self._allowed and memory > _LAST * self._allowed:
            raise GivenUpError(f"{memory // 2**20} MiB of the {self._allowed // 2**20} MiB allowed are taken")

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        for name, value in self.resources.figures.items():
            yield Sample(name, value)
        yield Sample("process_cpu_seconds_total", time.process_time())
        yield Sample("clock_steps_total", self.wall.steps)
        yield Sample("clock_doubted", float(bool(self.wall.doubt)))
        if self.wall.trusted is not None:
            yield Sample("clock_synchronized", float(self.wall.trusted))

    # -- memory and the like -----------------------------------------------------------------------------------------

    def _crossed(self, crossing: Crossing) -> None:
        self._ties.log.warning("resources", what=str(crossing))
        self._ties.tell("resources", "resources", str(crossing))
        beyond = "; ".join(str(one) for one in self.resources.beyond.values())
        remedy = "see the log for whose it is; raise `limits` where the plant has grown" if beyond else ""
        self._ties.health.report("resources", State.DEGRADED if beyond else State.OK, beyond, remedy)

    def _leaks(self) -> bool:
        beyond = "process_resident_bytes" in self.resources.beyond and self.resources.growth > _GROWS
        return beyond and self._ties.clock.monotonic() - self._traced > _AGAIN

    async def _find(self) -> None:
        self._traced = self._ties.clock.monotonic()
        adapter, rate = await culprit(self._ties.plugins)
        self._ties.log.error("memory grows", plugin=adapter, mib_per_second=round(rate / 2**20, 1))
        if adapter:
            self._ties.accuse(adapter, f"leaks {rate / 2**20:.0f} MiB a second")

    # -- the clock ---------------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        self._stepped = self._ties.clock.monotonic()
        text = f"the clock was set by {step.seconds:+.0f} s: {_utc(step.before)} became {_utc(step.now)}"
        self._ties.log.warning("clock set", seconds=round(step.seconds, 3), before=_utc(step.before))
        self._ties.tell("clock", "clock set", text)

    def _clock(self) -> None:
        now, told = self._ties.clock.monotonic(), self.wall.why
        if self.wall.trusted is False and not self._unset_told and now - self._begun > _PATIENCE:
            self._unset_told = True
            self._ties.log.warning("clock not synchronised", why=told)
            self._ties.tell("clock", "clock not synchronised", told)
        recent = "it was set while the gateway ran" if now - self._stepped < _STEP_LASTS else ""
        state = State.DEGRADED if recent or self.wall.doubt else State.OK
        remedy = "see to NTP (timedatectl); times of readings that carry none of their own are of this clock"
        why = recent if recent and self.wall.plausible else told
        self._ties.health.report("clock", state, why, remedy if why else "")


def _looked(tasks: int) -> tuple[dict[str, int], bool | None]:
    return measured(tasks), synchronized()


def _utc(wall: int) -> str:
    return time.strftime(_UTC, time.gmtime(wall / 1e9))
