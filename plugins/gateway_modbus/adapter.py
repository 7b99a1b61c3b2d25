"""Modbus TCP: all units behind one host and port, polled over one connection in a fair queue.

A unit that stays silent gives bad batches and is set aside; the others keep their rate. A connection on which every
unit stays silent is lost.
"""

import asyncio
from dataclasses import dataclass
from typing import ClassVar, Final, cast

from gateway.sdk import Adapter, Batch, Connection, Device, DeviceConfig, DisconnectedError, Group, Host, Schedule, Sink
from gateway_modbus.config import ModbusDevice
from gateway_modbus.faults import TIMEOUT, status
from gateway_modbus.link import Link
from gateway_modbus.scan import Scan
from gateway_modbus.standing import Standing
from gateway_modbus.tag import ModbusTag

EXTRA: Final = 16  # requests that one scan may add to find a refused tag: enough for any single one of 125
COUNTERS: Final = (
    "requests_total",
    "timeouts_total",
    "exceptions_total",
    "answers_late_total",
    "answers_alien_total",
    "answers_short_total",
    "garbage_total",
    "blocks_split_total",
    "tags_refused_total",
    "units_set_aside_total",
    "polls_overdue_total",
)


@dataclass(slots=True)
class _Unit:
    device: Device
    config: ModbusDevice
    standing: Standing


class ModbusAdapter(Adapter):
    """Reads the units of one Modbus TCP connection."""

    Config: ClassVar[type[DeviceConfig]] = ModbusDevice

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self.counters.update(dict.fromkeys(COUNTERS, 0))
        self._configs = {device.id: cast("ModbusDevice", device.config) for device in connection.devices}
        self._endpoint = next(iter(self._configs.values())).endpoint
        self._units: dict[int, _Unit] = {}
        self._scans: dict[int, Scan] = {}
        self._link: Link | None = None
        self._transaction = 0  # goes on over connections: some gateways send late answers into the next one

    async def connect(self) -> None:
        """Open the connection within the longest timeout of its units. Raises DisconnectedError."""
        await self.close()
        host, port = self._endpoint.host, self._endpoint.port
        patience = max(config.timeout for config in self._configs.values())
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience):
                _, link = await loop.create_connection(lambda: Link(self.counters, self._transaction), host, port)
        except TimeoutError as error:
            raise DisconnectedError(f"{host}:{port} does not answer within {patience:g} s") from error
        except OSError as error:
            raise DisconnectedError(f"{host}:{port}: {error.strerror or error}") from error
        self._link = link
        self._learn_anew()

    async def run(self, sink: Sink) -> None:
        """Poll until the connection is lost, or no unit on it answers any more. Raises DisconnectedError."""
        link = self._link
        if link is None:
            raise DisconnectedError("not connected")
        polling = asyncio.create_task(self._poll(link, sink), name=f"modbus {self.connection.name}")
        try:
            # a loss is seen at once, not at the next poll
            await asyncio.wait((polling, link.closed), return_when=asyncio.FIRST_COMPLETED)
            if polling.done():
                polling.result()
            raise DisconnectedError(link.closed.result())
        finally:
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        link, self._link = self._link, None
        if link is not None:
            self._transaction = link.transaction
            await link.close()

    def _learn_anew(self) -> None:
        """What was learnt of units and blocks does not outlive a connection: the device may have been changed."""
        self._units = {
            device.id: _Unit(device, self._configs[device.id], Standing(self._configs[device.id].timeout))
            for device in self.connection.devices
        }
        self._scans = {
            group.id: Scan(group, self._configs[group.device], self.counters) for group in self.connection.groups
        }

    async def _poll(self, link: Link, sink: Sink) -> None:
        clock = self.host.clock
        schedule = Schedule(self.connection.groups, self.connection.phase, clock.monotonic())
        overdue = self.counters["polls_overdue_total"]
        while True:
            due, group = schedule.pop()
            await clock.sleep_until(due)
            sink(await self._read(link, group))
            schedule.push(group, due, clock.monotonic())
            self.counters["polls_overdue_total"] = overdue + schedule.overdue

    async def _read(self, link: Link, group: Group) -> Batch:
        clock, unit = self.host.clock, self._units[group.device]
        if unit.standing.rests(clock.monotonic()):
            return Batch.failed(group, status(unit.standing.outcome), clock.wall_ns())
        scan = self._scans[group.id]
        outcome = await self._ask(link, scan)
        if scan.answered:
            self._heard(unit, scan)
        elif outcome is not None:
            self._missed(unit, outcome)
        return scan.batch(clock.wall_ns())

    async def _ask(self, link: Link, scan: Scan) -> int | None:
        """Run one scan. Returns how its last request ended, or None where all its tags rest."""
        now, extra, last = self.host.clock.monotonic(), EXTRA, None
        asked = scan.due(now)
        while asked:
            outcomes = await link.read([part.request for part in asked])
            last = outcomes[-1]
            asked = scan.settle(asked, outcomes, now)[:extra]
            extra -= len(asked)
        return last

    def _heard(self, unit: _Unit, scan: Scan) -> None:
        if unit.standing.answered():
            self.host.log.info("unit answers again", device=unit.device.name, unit=unit.config.endpoint.unit)
        for tag in scan.refused:
            wire = cast("ModbusTag", tag.config).at.wire
            self.host.log.warning("device refuses an address", device=unit.device.name, tag=tag.name, address=wire)

    def _missed(self, unit: _Unit, outcome: int) -> None:
        if unit.standing.missed(self.host.clock.monotonic(), outcome):
            self.counters["units_set_aside_total"] += 1
            self.host.log.warning("unit is silent", device=unit.device.name, unit=unit.config.endpoint.unit)
        standings = [other.standing for other in self._units.values()]
        if all(standing.aside and standing.outcome == TIMEOUT for standing in standings):
            raise DisconnectedError(f"no unit at {self.connection.name} answers")
