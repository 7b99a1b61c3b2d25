"""The OPC UA adapter: one session per server, security and user; its devices are read or subscribed to."""

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Never, cast

import numpy as np

from gateway.sdk import (
    Act,
    Adapter,
    Batch,
    Called,
    ConfigError,
    Connection,
    Device,
    DeviceConfig,
    DisconnectedError,
    Gap,
    Given,
    Group,
    Host,
    Memory,
    Occurrence,
    Schedule,
    Signature,
    Sink,
    Tag,
    Value,
    Written,
)
from gateway.sdk.browse import Found, Look, Visit
from gateway.sdk.certificates import Certificate
from gateway.sdk.described import Described
from gateway.sdk.discover import Discovered, Pace, Place
from gateway_opcua.annals import Annals
from gateway_opcua.browse import browse, heading, visit
from gateway_opcua.calling import Caller
from gateway_opcua.config import DEFAULT_PORT, OpcuaDevice, OpcuaTag
from gateway_opcua.describer import Describer
from gateway_opcua.discover import discover
from gateway_opcua.doubt import Doubt
from gateway_opcua.entrance import Entrance
from gateway_opcua.history import History
from gateway_opcua.keeper import Keeper
from gateway_opcua.learner import Learner
from gateway_opcua.listener import Listener
from gateway_opcua.reader import Reader
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.subscriber import Subscriber
from gateway_opcua.subscriptions import Subscription
from gateway_opcua.suspects import Suspects
from gateway_opcua.tasks import together
from gateway_opcua.write import write

_SHARED: Final = (  # besides what `connection()` names: options of the session
    "trust", "fingerprint", "first_use", "accept", "password", "user_key", "timeout", "backup",
)  # fmt: skip


class OpcuaAdapter(Adapter):
    """Reads the devices of one OPC UA server."""

    Config = OpcuaDevice

    def __init__(self, connection: Connection, host: Host) -> None:
        super().__init__(connection, host)
        self._config = _shared(connection.devices)
        nodes = {tag.row: cast("OpcuaTag", tag.config).where for d in connection.devices for tag in d.tags}
        suspects = Suspects(connection.devices, host.log, self.counters)
        timed = frozenset(device.id for device in connection.devices if cast("OpcuaDevice", device.config).server_time)
        self._site = Site(host, self.counters, nodes, suspects, Doubt(connection.devices), timed)
        self._session: Session | None = None
        self._entrance = Entrance(self._config, host, self.counters)
        self._standing: dict[int, Subscription] = {}
        self._annals = Annals(connection.devices, host.clock.monotonic())
        self._server = ""  # that of the last session
        self._certificates: Sequence[Certificate] = ()
        self._reader: Reader | None = None
        self._caller: Caller | None = None
        self._turn = asyncio.Lock()  # a small server is not asked twice at once: one scan or one write

    async def connect(self) -> None:
        """Open the session. Raises DisconnectedError, which says what to do where the server gives a reason."""
        await self.close()
        session = self._session = await self._entrance.open()
        if session.url != self._server:
            self._standing.clear()
            self._server = session.url
        self._reader, self._caller = Reader(session, self._site), Caller(session)

    async def run(self, sink: Sink) -> Never:
        """Bring batches until the session is lost: then DisconnectedError."""
        session, reader = self._connected()
        describer = Describer(session, reader.places, self.connection.devices, self._site)
        jobs = [*session.jobs(), Learner(session).run(), describer.run(), self._entrance.way_back(session)]
        if polled := [group for group in self.connection.groups if group.scanned]:
            jobs.append(self._poll(reader, polled, sink))
        listener = Listener(session, self._site, self._annals)
        if (subscribed := self._subscribed()) or listener.wanted:
            jobs.append(Subscriber(session, reader, subscribed, self._site, self._standing, listener).run(sink))
        await together(jobs)

    async def close(self) -> None:
        """Close the session, within two seconds; one whose connection is lost is kept, to be taken up."""
        session, self._session, self._reader = self._session, None, None
        if session is not None:
            await session.close()
            if not self._entrance.left(session):
                self._standing.clear()

    def gauges(self) -> Mapping[str, float]:
        """As `gateway.sdk.Adapter.gauges`."""
        standing = list(self._standing.values()) if self._session else []
        return {
            "sessions_standing": int(self._session is not None),
            "subscriptions_standing": len(standing),
            "items_standing": sum(int(np.count_nonzero(one.items)) for one in standing),
        }

    async def write(self, tag: Tag, value: Value) -> Written:
        """As `gateway.sdk.Writes`: one at a time, between two scans."""
        session, reader = self._connected()
        async with self._turn:
            return await write(session, reader.places, tag, value)

    async def signature(self, device: Device, method: str) -> Signature:
        """As `gateway.sdk.Calls`."""
        return await self._calls().signature(device, method)

    async def call(self, device: Device, method: str, arguments: Mapping[str, Given]) -> Called:
        """As `gateway.sdk.Calls`: beside the scans, for a method may take its time."""
        return await self._calls().call(device, method, arguments)

    def standing(self) -> Mapping[str, Occurrence]:
        """As `gateway.sdk.Acknowledges`."""
        return self._annals.standing()

    async def acknowledge(self, device: Device, condition: str, act: Act, words: str) -> Called:
        """As `gateway.sdk.Acknowledges`."""
        return await self._calls().acknowledge(device, self._annals.last(device, condition), act, words)

    async def remembers(self) -> Sequence[Memory]:
        """As `gateway.sdk.ReadsHistory`."""
        return await self._history().remembers(self.connection.devices)

    def missed(self, gap: Gap) -> AsyncGenerator[Batch, None]:
        """As `gateway.sdk.ReadsHistory`."""
        return self._history().missed(gap)

    def described(self) -> Mapping[str, Described]:
        """As `gateway.sdk.described.Describes`."""
        return self._site.told

    @classmethod
    def keeper(cls, home: Path, now: dt.datetime) -> Keeper:
        """As `gateway.sdk.certificates.Certified`."""
        return Keeper(home, now)

    def certificates(self) -> Sequence[Certificate]:
        """As `gateway.sdk.certificates.Certified`: those of the last connection where there is none now."""
        if self._session and (used := self._session.security.certificates()):
            self._certificates = used
        return self._certificates

    @classmethod
    def ports(cls) -> Sequence[int]:
        """As `gateway.sdk.discover.Discovers`."""
        return (DEFAULT_PORT,)

    @classmethod
    def discover(cls, place: Place, pace: Pace) -> AsyncGenerator[Discovered, None]:
        """As `gateway.sdk.discover.Discovers`."""
        return discover(place, pace)

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

    def _history(self) -> History:
        session, reader = self._connected()
        return History(session, reader.places, self._site)

    def _calls(self) -> Caller:
        self._connected()
        assert self._caller is not None  # noqa: S101 - made with the reader
        return self._caller

    def _connected(self) -> tuple[Session, Reader]:
        if self._session is None or self._reader is None:
            raise DisconnectedError(f"{self._config.connect}: not connected")
        return self._session, self._reader

    def _subscribed(self) -> list[Device]:
        """The devices with no more than those of their tags that come as they change."""
        found = [
            replace(device, groups=tuple(group for group in device.groups if not group.scanned))
            for device in self.connection.devices
        ]
        return [device for device in found if device.groups]

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
