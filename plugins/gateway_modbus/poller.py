"""Polls the scan groups of one connection, each at its period, one after the other: callbacks from due to batch.

No task and no future per poll. A unit that stays silent is set aside and the others keep their rate; when every unit on
the connection stays silent, the connection is taken for lost.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from gateway.sdk import Batch, Connection, Device, DisconnectedError, Group, Host, Schedule, Sink
from gateway_modbus.alarm import Alarm
from gateway_modbus.config import ModbusDevice
from gateway_modbus.faults import TIMEOUT, status
from gateway_modbus.frames import Request
from gateway_modbus.link import Done
from gateway_modbus.outlet import Forward, Outlet, Receiver
from gateway_modbus.scan import Part, Scan
from gateway_modbus.standing import Standing
from gateway_modbus.tag import ModbusTag

EXTRA: Final = 16  # requests that one scan may add to find a refused tag: enough for any single one of 125
PHASES: Final = 20  # of a period: connections of one phase are asked, and decoded, together


@dataclass(slots=True)
class Unit:
    """One unit of the connection, and how it stands."""

    device: Device
    config: ModbusDevice
    standing: Standing


def _units(connection: Connection) -> dict[int, Unit]:
    configs = {device.id: cast("ModbusDevice", device.config) for device in connection.devices}
    return {
        device.id: Unit(device, configs[device.id], Standing(configs[device.id].timeout))
        for device in connection.devices
    }


class Line(Protocol):
    """What is polled over: a link, or visits."""

    closed: asyncio.Future[str]

    def begin(self, requests: Sequence[Request], done: Done) -> None:
        """As `Link.begin`."""


class Poller(Receiver):
    """One life of a connection. What it learns of units and blocks dies with it: the device may have been changed."""

    __slots__ = (
        "_asked", "_clock", "_counters", "_due", "_extra", "_forward", "_group", "_host", "_line", "_name", "_outlet",
        "_over", "_overdue", "_schedule", "_turns", "_unit", "_units", "_waker", "silent",
    )  # fmt: skip

    def __init__(self, connection: Connection, host: Host, counters: Counter[str], sink: Sink) -> None:
        self._host, self._clock, self._counters, self.sink = host, host.clock, counters, sink
        self._name = connection.name
        self._units = _units(connection)
        self._turns = {group.id: self._turn(group) for group in connection.groups}
        phase = int(connection.phase * PHASES) / PHASES
        self._schedule = Schedule(connection.groups, phase, self._clock.monotonic())
        self._due, self._group = self._schedule.pop()  # the one that is served next, or now
        self._unit, self.scan = self._turns[self._group.id]
        self._asked: list[Part] = []
        self._extra = 0  # requests that the scan under way may still add
        self._overdue = counters["polls_overdue_total"]
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._forward = Forward(self.fail)
        self._outlet, self._waker = Outlet.of_loop(), Alarm.of_loop().waker(self._woken)
        self._line: Line
        self.silent = False  # whether it ended because no unit answers

    def _turn(self, group: Group) -> tuple[Unit, Scan]:
        unit = self._units[group.device]
        return unit, Scan(group, unit.config, self._counters)

    async def run(self, line: "Line") -> None:
        """Poll over `line` until it is lost, or no unit on it answers. Raises DisconnectedError."""
        self._line = line
        line.closed.add_done_callback(self._lost)
        try:
            self._woken()
            await self._over
        finally:
            line.closed.remove_done_callback(self._lost)
            self._end()
            self._over.cancel()

    def go_on(self) -> None:
        """The scan is delivered: serve what is due next."""
        with self._forward:
            now = self._clock.monotonic()
            self._next(now)
            self._serve(now)

    def fail(self, error: BaseException) -> None:
        """End the run with `error`."""
        self._end()
        if not self._over.done():
            self._over.set_exception(error)

    def _end(self) -> None:
        self._waker.retire()
        self.sink = _nowhere

    def _lost(self, closed: "asyncio.Future[str]") -> None:
        self.fail(DisconnectedError(closed.result()))

    # --- from due to batch ----------------------------------------------------------------------------------------

    def _woken(self) -> None:
        with self._forward:
            self._serve(self._clock.monotonic())

    def _serve(self, now: float) -> None:
        """Serve what is due, until something is on its way."""
        while not self._over.done():
            if self._due > now:
                self._waker.at(self._due)
                return
            unit, scan = self._unit, self.scan = self._turns[self._group.id]
            if unit.standing.misses and unit.standing.rests(now):
                self.sink(Batch.failed(self._group, status(unit.standing.outcome), self._clock.wall_ns()))
            elif asked := scan.due(now):
                self._extra = EXTRA
                self._ask(asked)
                return
            else:  # all its tags rest
                self.sink(scan.batch(self._clock.wall_ns()))
            self._next(now)

    def _ask(self, asked: list[Part]) -> None:
        self._asked = asked
        self._line.begin(self.scan.requests(asked), self._answered)

    def _answered(self, outcomes: list[int] | None) -> None:
        if outcomes is None or self._over.done():
            return
        scan = self.scan
        if scan.clear and outcomes == scan.all_good and not self._unit.standing.misses:
            scan.received = self._clock.wall_ns()
            self._outlet.add(self)
            return
        with self._forward:
            self._settle(outcomes, self._clock.monotonic())

    def _settle(self, outcomes: list[int], now: float) -> None:
        scan, unit = self.scan, self._unit
        halves = scan.settle(self._asked, outcomes, now)[: self._extra]
        self._extra -= len(halves)
        if halves:
            self._ask(halves)
            return
        if scan.answered:
            self._heard(unit, scan)
        else:
            self._missed(unit, outcomes[-1], now)
        scan.received = self._clock.wall_ns()
        self._outlet.add(self)

    def _next(self, now: float) -> None:
        self._schedule.push(self._group, self._due, now)
        if self._schedule.overdue:
            self._counters["polls_overdue_total"] = self._overdue + self._schedule.overdue
        self._due, self._group = self._schedule.pop()

    # --- what is learnt of a unit ---------------------------------------------------------------------------------

    def _heard(self, unit: Unit, scan: Scan) -> None:
        if unit.standing.answered():
            self._host.log.info("unit answers again", device=unit.device.name, unit=unit.config.endpoint.unit)
        for tag in scan.refused:
            wire = cast("ModbusTag", tag.config).at.wire
            self._host.log.warning("device refuses an address", device=unit.device.name, tag=tag.name, address=wire)

    def _missed(self, unit: Unit, outcome: int, now: float) -> None:
        if unit.standing.missed(now, outcome):
            self._counters["units_set_aside_total"] += 1
            self._host.log.warning("unit is silent", device=unit.device.name, unit=unit.config.endpoint.unit)
        standings = [other.standing for other in self._units.values()]
        if all(standing.aside and standing.outcome == TIMEOUT for standing in standings):
            self.silent = True
            raise DisconnectedError(f"no unit at {self._name} answers")


def _nowhere(_: Batch) -> None:
    """Where batches go when the run is over."""
