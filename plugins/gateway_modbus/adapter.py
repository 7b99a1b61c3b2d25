"""Modbus over any transport: all units of one line, polled over one connection in a fair queue.

A unit that stays silent gives bad batches and is set aside; the others keep their rate. A connection on which every
unit stays silent is lost. Where `connect` does not answer, `backup` is tried.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, Final, cast

from gateway.sdk import (
    Adapter,
    ConfigError,
    Connection,
    Device,
    DeviceConfig,
    DisconnectedError,
    Host,
    Sink,
    Tag,
    Value,
    Written,
)
from gateway.sdk.browse import Visit
from gateway.sdk.discover import Discovered, Pace, Place
from gateway_modbus.config import ModbusDevice
from gateway_modbus.discover import discover
from gateway_modbus.doctor import examine
from gateway_modbus.doctor_report import Findings
from gateway_modbus.doctor_survey import examine_unknown
from gateway_modbus.endpoint import PORT, Endpoint
from gateway_modbus.frames import ANY, Request
from gateway_modbus.frames import request as encode
from gateway_modbus.link import Link
from gateway_modbus.manners import Manners
from gateway_modbus.opening import leave, open_link
from gateway_modbus.poller import Poller
from gateway_modbus.visits import Visits
from gateway_modbus.write import write

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


class ModbusAdapter(Adapter):
    """Reads the units of one connection."""

    Config: ClassVar[type[DeviceConfig]] = ModbusDevice

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self.counters.update(dict.fromkeys(COUNTERS, 0))
        configs = [cast("ModbusDevice", device.config) for device in connection.devices]
        _agree(connection.name, configs)
        self._each = any(config.connect_each for config in configs)
        self._pause = max(config.connect_delay for config in configs)
        self._patience = max(1.0, *(config.timeout for config in configs))  # s to connect: an answer may be due sooner
        self._endpoints = deque(Endpoint.parse(text) for text in (configs[0].connect, configs[0].backup) if text)
        self._line: Link | Visits | None = None
        self._link: Link | None = None
        self._writing = asyncio.Lock()
        self._transaction = 0  # goes on over connections: some gateways send late answers into the next one

    async def connect(self) -> None:
        """Open the connection within the longest timeout of its units. Raises DisconnectedError."""
        await self._hang_up()
        link = await self._enter()
        if self._each:
            await link.close()
            self._line = Visits(self._enter)
        else:
            self._line = link

    async def run(self, sink: Sink) -> None:
        """Poll until the connection is lost, or no unit on it answers any more. Raises DisconnectedError."""
        if self._line is None:
            raise DisconnectedError("not connected")
        poller = Poller(self.connection, self.host, self.counters, sink)
        try:
            await poller.run(self._line)
        finally:
            if poller.silent:
                self._endpoints.rotate(-1)  # the other one is tried first

    async def close(self) -> None:
        """Close the connection, if there is one."""
        await self._hang_up()
        for endpoint in self._endpoints:
            leave(endpoint)

    async def ask(self, device: Device, pdu: bytes) -> tuple[int, bytes]:
        """Send any PDU to `device`, between two polls.

        Returns:
            The outcome (`faults`), and where that is good the PDU of the answer behind its function code.

        Raises:
            DisconnectedError: not connected, or the connection is lost.
        """
        got: list[bytes] = []
        config = cast("ModbusDevice", device.config)
        request = Request(encode(config.endpoint.unit, pdu), ANY, got.append, config.timeout, config.delay)
        (outcome,) = await self.read([request])
        return outcome, got[0] if got else b""

    async def write(self, tag: Tag, value: Value) -> Written:
        """As `gateway.sdk.Writes`. One write of this line after the other: some read before they change a part."""
        device = next(device for device in self.connection.devices if tag in device.tags)
        async with self._writing:
            return await write(partial(self.ask, device), cast("ModbusDevice", device.config), tag, value)

    @classmethod
    def ports(cls) -> Sequence[int]:
        """As `gateway.sdk.discover.Discovers`."""
        return (PORT,)

    @classmethod
    def discover(cls, place: Place, pace: Pace) -> AsyncGenerator[Discovered, None]:
        """As `gateway.sdk.discover.Discovers`."""
        return discover(place, pace)

    async def examine(self, device: Device, say: Callable[[str], None]) -> Findings:
        """Look at `device` over a connection of its own, by reads only. Raises DisconnectedError."""
        units = {one.name: cast("ModbusDevice", one.config).endpoint.unit for one in self.connection.devices}
        siblings = {name: unit for name, unit in units.items() if name != device.name}
        return await examine(cast("ModbusDevice", device.config), siblings, say)

    @classmethod
    async def survey(cls, wanted: Visit, where: Sequence[str], say: Callable[[str], None]) -> Findings:
        """Look at a device that no configuration names, and at what lies `where`. Raises as `examine_unknown`."""
        return await examine_unknown(wanted, where, say)

    async def read(self, requests: Sequence[Request]) -> list[int]:
        """Ask `requests`, between two polls and with nothing between them. As `Link.read`. Raises DisconnectedError."""
        if self._line is None:
            raise DisconnectedError("not connected")
        return await self._line.read(requests)

    async def _enter(self) -> Link:
        """Open the first of our endpoints that lets us."""
        failures = []
        for endpoint in self._endpoints:
            try:
                self._link = await open_link(endpoint, self._make, self._patience)
            except DisconnectedError as failure:
                failures.append(failure)
            else:
                await asyncio.sleep(self._pause)
                return self._link
        raise DisconnectedError("; ".join(str(failure) for failure in failures)) from failures[0]

    def _make(self, manners: Manners) -> Link:
        if self._link is not None:
            self._transaction = self._link.transaction
        return Link(self.counters, self._transaction, manners)

    async def _hang_up(self) -> None:
        line, self._line = self._line, None
        link, self._link = self._link, None
        if line is not None:
            await line.close()
        if link is not None:
            self._transaction = link.transaction
            if not link.closed.done():
                await link.close()


def _agree(line: str, configs: Sequence[ModbusDevice]) -> None:
    """Devices that share a line must say the same of it. Raises ConfigError."""
    for config in configs[1:]:
        mine, other = config.endpoint, configs[0].endpoint
        if replace(mine, unit=other.unit) != other or config.backup != configs[0].backup:
            raise ConfigError(
                f"{config.device} and {configs[0].device} share {line}: connect and backup must agree but for the unit"
            )
