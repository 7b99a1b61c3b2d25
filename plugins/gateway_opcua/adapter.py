"""The OPC UA adapter: one session per server, security and user; its devices are read or subscribed to."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final, Never, cast

from gateway.sdk import (
    Adapter,
    ConfigError,
    Connection,
    Device,
    DeviceConfig,
    DisconnectedError,
    Group,
    Host,
    Schedule,
    Sink,
    Tag,
    Value,
    Written,
)
from gateway.sdk.browse import Found, Look, Visit
from gateway_opcua.browse import browse, heading, visit
from gateway_opcua.config import OpcuaDevice, OpcuaTag
from gateway_opcua.reader import Reader
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.subscriber import Subscriber
from gateway_opcua.suspects import Suspects
from gateway_opcua.tasks import together
from gateway_opcua.write import write

_SHARED: Final = ("trust", "password", "timeout")  # besides what `connection()` names: options of the session


class OpcuaAdapter(Adapter):
    """Reads the devices of one OPC UA server."""

    Config = OpcuaDevice

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self._config = _shared(connection.devices)
        nodes = {tag.row: cast("OpcuaTag", tag.config).where for d in connection.devices for tag in d.tags}
        self._site = Site(host, self.counters, nodes, Suspects(connection.devices, host.log, self.counters))
        self._session: Session | None = None
        self._reader: Reader | None = None
        self._turn = asyncio.Lock()  # a small server is not asked twice at once: one scan or one write

    async def connect(self) -> None:
        """Open the session. Raises DisconnectedError, which says what to do where the server gives a reason."""
        await self.close()
        session = self._session = Session(self._config, self.host)
        await session.open()
        self._reader = Reader(session, self._site)

    async def run(self, sink: Sink) -> Never:
        """Bring batches until the session is lost: then DisconnectedError."""
        session, reader = self._connected()
        jobs = session.jobs()
        if polled := self._devices("read"):
            jobs.append(self._poll(reader, [group for device in polled for group in device.groups], sink))
        if subscribed := self._devices("subscribe"):
            jobs.append(Subscriber(session, reader, subscribed, self._site).run(sink))
        await together(jobs)

    async def close(self) -> None:
        """Close the session, within two seconds."""
        session, self._session, self._reader = self._session, None, None
        if session is not None:
            await session.close()

    async def write(self, tag: Tag, value: Value) -> Written:
        """As `gateway.sdk.Writes`: one at a time, between two scans."""
        session, reader = self._connected()
        async with self._turn:
            return await write(session, reader.places, tag, value)

    @classmethod
    def visit(cls, wanted: Visit) -> DeviceConfig:
        """As `gateway.sdk.Browses`."""
        return visit(wanted)

    def heading(self, device: Device) -> dict[str, str]:
        """As `gateway.sdk.Browses`."""
        return heading(cast("OpcuaDevice", device.config))

    def browse(self, device: Device, look: Look) -> AsyncGenerator[Sequence[Found], None]:
        """As `gateway.sdk.Browses`."""
        return browse(cast("OpcuaDevice", device.config), self.host, look)

    def _connected(self) -> tuple[Session, Reader]:
        if self._session is None or self._reader is None:
            raise DisconnectedError(f"{self._config.connect}: not connected")
        return self._session, self._reader

    def _devices(self, mode: str) -> list[Device]:
        return [device for device in self.connection.devices if cast("OpcuaDevice", device.config).mode == mode]

    async def _poll(self, reader: Reader, groups: Sequence[Group], sink: Sink) -> None:
        """Read every group at its period, one at a time."""
        clock = self.host.clock
        schedule = Schedule(groups, self.connection.phase, clock.monotonic())
        while True:
            due, group = schedule.pop()
            await clock.sleep_until(due)
            async with self._turn:
                batch = await reader.read(group)
            sink(batch)
            overdue = schedule.overdue
            schedule.push(group, due, clock.monotonic())
            self.counters["polls_overdue_total"] += schedule.overdue - overdue


def _shared(devices: Sequence[Device]) -> OpcuaDevice:
    """The options of the session, which all its devices must give alike. Raises ConfigError."""
    first = cast("OpcuaDevice", devices[0].config)
    for device in devices[1:]:
        for option in _SHARED:
            if getattr(device.config, option) != getattr(first, option):
                raise ConfigError(
                    f"device {device.name}: {option} differs from that of device {devices[0].name}, "
                    f"with which it shares the session to {first.connect}"
                )
    return first
