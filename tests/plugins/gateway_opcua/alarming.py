"""An adapter that listens to events, for the tests: what it told, and its server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from gateway.sdk import Device, DeviceConfig, DisconnectedError, Host, Occurrence
from gateway.sdk.testing import Collector, LoopClock, SilentLog, connection
from gateway_opcua.adapter import OpcuaAdapter
from tests.plugins.gateway_opcua.rigs import eventually

NODE_LEVEL = {"level": {"node": "ns=1;s=Level"}}
BATCH = "ns=1;s=BatchEventType"
TANK: dict[str, Any] = {"object": "ns=1;s=Tank"}


class Ear:
    """The adapter on a server, connected again whenever that is lost, as a runner does it."""

    def __init__(self, adapter: OpcuaAdapter, log: SilentLog, told: list[Occurrence]) -> None:
        self.adapter, self.log, self.told = adapter, log, told
        self.losses: list[str] = []

    @property
    def device(self) -> Device:
        return self.adapter.connection.devices[0]

    @property
    def posts(self) -> list[Any]:
        return self.adapter._annals.posts

    def texts(self, kind: str = "") -> list[str]:
        return [one.text for one in self.told if kind in ("", one.kind)]

    def warnings(self, event: str) -> list[dict[str, Any]]:
        return [fields for level, line, fields in self.log.lines if (level, line) == ("warning", event)]

    async def until(self, condition: Callable[[], object], within: float = 20.0) -> None:
        await eventually(lambda: bool(condition()), within)

    async def listens(self, since: int = 0) -> None:
        """Until every post is watched, and what stands has been asked for."""
        await self.until(lambda: self.adapter.counters["condition_refreshes_total"] > since)

    async def run(self) -> None:
        while True:
            try:
                await self.adapter.connect()
                await self.adapter.run(Collector())
            except DisconnectedError as error:
                self.losses.append(str(error))
            await self.adapter.close()
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def listening(home: Path, config: DeviceConfig) -> AsyncIterator[Ear]:
    log, told = SilentLog(), list[Occurrence]()
    adapter = OpcuaAdapter(connection(config), Host(LoopClock(), home, log, told.append))
    ear = Ear(adapter, log, told)
    task = asyncio.create_task(ear.run())
    try:
        await ear.listens()
        yield ear
    finally:
        task.cancel()
        await asyncio.wait([task])
        await adapter.close()
