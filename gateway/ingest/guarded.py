"""A runner whose connection can do the others no harm for long: its batches are counted, and it can be set aside.

What the adapter does by faults alone is the runner's affair. Here is what harms everybody: more batches than the
configuration can explain, an end of the whole process, and whatever `ops.quarantine` has heard of.
"""

import asyncio
from collections import Counter
from typing import Final

from gateway.ingest.runner import Runner, Surroundings, part_of
from gateway.ops.culprit import CONNECTION
from gateway.ops.health import State
from gateway.ops.quarantine import Quarantine, Verdict
from gateway.sdk.adapter import Adapter, PolledAdapter
from gateway.sdk.batch import Batch, Kind, Sink
from gateway.sdk.clock import Clock
from gateway.sdk.errors import FieldgateError
from gateway.sdk.quality import BAD_OUT_OF_SERVICE
from gateway.sdk.tags import Connection

_TIMES: Final = 10.0  # batches that may come for each that the configuration asks for
_MORE: Final = 1000.0  # batches a second beyond it, for what is subscribed to
_SHAMELESS: Final = 10  # times what may come, after which the adapter gets an error for an answer
_SILENT: Final = 1.5  # s for which a read may be under way, or its period where that is longer
_END_WITHIN: Final = 8.0  # s for a connection that is set aside to close
REMEDY: Final = "mend or replace the plugin, then: fieldgate quarantine release '{}'"


class FloodError(FieldgateError):
    """An adapter brings batches without end."""


class Valve:
    """Between a connection and the gate: lets through what the configuration can explain.

    Args:
        connection: whose batches come.
        sink: the gate.
        clock: tells the seconds.
        quarantine: hears of each second in which too many came.
    """

    def __init__(self, connection: Connection, sink: Sink, clock: Clock, quarantine: Quarantine) -> None:
        asked = sum(1.0 / group.every for group in connection.groups if group.every > 0)
        self.most = round(_TIMES * asked + _MORE)  # in a second
        self.counters: Counter[str] = Counter()
        self._name, self._sink, self._clock, self._quarantine = connection.name, sink, clock, quarantine
        self._began, self._count = -1.0, 0

    def __call__(self, batch: Batch) -> None:
        """Let a batch through, or drop and count it. Raises FloodError when there is no end to them."""
        now = self._clock.monotonic()
        if now - self._began >= 1.0:
            self._began, self._count = now, 0
        self._count += 1
        if self._count <= self.most or batch.kind is not Kind.DATA:
            self._sink(batch)
            return
        self.counters["readings_flooded_total"] += len(batch)
        if self._count == self.most + 1:
            self._quarantine.strike(self._name, "floods", f"brought more than {self.most} batches in a second")
        if self._count > _SHAMELESS * self.most:
            self._quarantine.strike(self._name, "floods", f"brought more than {self._count} batches in a second")
            self._count = self.most + 1  # shameless again after as many more
            raise FloodError(f"more than {_SHAMELESS * self.most} batches in a second")


class Guarded(Runner):
    """Keeps one connection alive, unless it is set aside."""

    def __init__(self, adapter: Adapter, sink: Sink, around: Surroundings, quarantine: Quarantine) -> None:
        self.valve = Valve(adapter.connection, sink, around.clock, quarantine)
        super().__init__(adapter, self.valve, around)
        self.counters["readings_flooded_total"] = 0
        self.valve.counters = self.counters
        self._quarantine = quarantine
        self._changed = asyncio.Event()
        self._told: float | None = None  # of the read that was under way then

    def look_again(self) -> None:
        """The quarantine has changed: on the loop's thread."""
        self._changed.set()

    def patience(self) -> None:
        """Tell of a read that does not return, once; now and then, on the loop's thread."""
        asked = self.adapter.asked if isinstance(self.adapter, PolledAdapter) else None
        if asked is not None and self._told is None and self._around.clock.monotonic() - asked > self._longest():
            self._told = asked
            self._around.log.warning("read does not return", connection=self.connection.name)
            why = f"the plugin's read has not returned for {self._longest():g} s"
            self._tell_health(State.DEGRADED, why, "look at the device, then at the plugin")
        elif self._told not in (None, asked):
            self._told = None
            self._tell_health(State.OK)

    def _longest(self) -> float:
        """Seconds that a read may take."""
        return max([_SILENT, *(group.every for group in self.connection.groups)])

    def _tell_health(self, state: State, why: str = "", remedy: str = "") -> None:
        """Of the devices that are not lost for another reason."""
        for device in self.connection.devices:
            if device.id not in self.lost:
                self._around.health.report(part_of(device.name), state, why, remedy)

    async def run(self) -> None:
        """As the runner does; while the connection is set aside, nothing is done on it."""
        CONNECTION.set(self.connection.name)
        while True:
            self._changed.clear()
            if verdict := self._quarantine.of(self.connection.name):
                self._set_aside(verdict)
                await self._changed.wait()
            else:
                await self._live()

    async def _live(self) -> None:
        """Run until the quarantine has changed. What does not let itself be ended then is left to itself."""
        live, changed = asyncio.create_task(self._to_the_end()), asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait([live, changed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            live.cancel()
            _, left = await asyncio.wait([live], timeout=_END_WITHIN)
        if left:
            self._quarantine.strike(self.connection.name, "stays", "did not end when it was told to")
        elif not live.cancelled():
            live.result()

    async def _to_the_end(self) -> None:
        try:
            await super().run()
        except SystemExit as error:
            self._quarantine.strike(self.connection.name, "exits", f"tried to end the process: SystemExit({error})")

    def _set_aside(self, verdict: Verdict) -> None:
        why = f"set aside, for the plugin {verdict.why}"
        self._lose(BAD_OUT_OF_SERVICE, why)
        for device in self.connection.devices:
            self._around.health.report(part_of(device.name), State.FAILED, why, REMEDY.format(self.connection.name))
