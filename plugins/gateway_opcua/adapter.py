"""The OPC UA adapter: one session per server, security and user; its devices are read or subscribed to."""

from collections.abc import Sequence
from typing import Final, Never, cast

from gateway.sdk import Adapter, ConfigError, Connection, Device, DisconnectedError, Group, Host, Schedule, Sink
from gateway_opcua import nodeid
from gateway_opcua.config import OpcuaDevice, OpcuaTag
from gateway_opcua.reader import Reader
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.subscriber import Subscriber
from gateway_opcua.suspects import Suspects
from gateway_opcua.tasks import together

_SHARED: Final = ("trust", "password", "timeout")  # besides what `connection()` names: options of the session


class OpcuaAdapter(Adapter):
    """Reads the devices of one OPC UA server."""

    Config = OpcuaDevice

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self._config = _shared(connection.devices)
        nodes = {tag.row: nodeid.parse(cast("OpcuaTag", tag.config).node) for d in connection.devices for tag in d.tags}
        self._site = Site(host, self.counters, nodes, Suspects(connection.devices, host.log, self.counters))
        self._session: Session | None = None

    async def connect(self) -> None:
        """Open the session. Raises DisconnectedError, which says what to do where the server gives a reason."""
        await self.close()
        session = self._session = Session(self._config, self.host)
        await session.open()

    async def run(self, sink: Sink) -> Never:
        """Bring batches until the session is lost: then DisconnectedError."""
        session = self._session
        if session is None:
            raise DisconnectedError(f"{self._config.connect}: not connected")
        reader = Reader(session, self._site)
        jobs = session.jobs()
        if polled := self._devices("read"):
            jobs.append(self._poll(reader, [group for device in polled for group in device.groups], sink))
        if subscribed := self._devices("subscribe"):
            jobs.append(Subscriber(session, reader, subscribed, self._site).run(sink))
        await together(jobs)

    async def close(self) -> None:
        """Close the session, within two seconds."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _devices(self, mode: str) -> list[Device]:
        return [device for device in self.connection.devices if cast("OpcuaDevice", device.config).mode == mode]

    async def _poll(self, reader: Reader, groups: Sequence[Group], sink: Sink) -> None:
        """Read every group at its period, one at a time: a small server is not asked twice at once."""
        clock = self.host.clock
        schedule = Schedule(groups, self.connection.phase, clock.monotonic())
        while True:
            due, group = schedule.pop()
            await clock.sleep_until(due)
            sink(await reader.read(group))
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
