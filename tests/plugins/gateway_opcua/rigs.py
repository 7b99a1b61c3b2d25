"""Devices and running adapters for the tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gateway.sdk import Batch, DeviceConfig, Kind
from gateway.sdk.testing import Collector, SilentLog, connection, host
from gateway_opcua.adapter import OpcuaAdapter
from gateway_opcua.config import OpcuaDevice
from tests.plugins.gateway_opcua.asyncua_server import URI

NUMBERS = ["Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Float", "Double", "DateTime"]


def device(port: int, tags: list[str] | dict[str, dict[str, Any]], name: str = "heater", **options: Any) -> OpcuaDevice:
    """A device with these tags: a table of them, node ids, or names of nodes of the asyncua server."""
    table: dict[str, Any] = {
        "device": name,
        "adapter": "opcua",
        "connect": f"opc.tcp://127.0.0.1:{port}",
        "every": "100ms",
        "timeout": "3s",
        "tags": tags if isinstance(tags, dict) else {tag.rpartition("=")[2]: {"node": _node(tag)} for tag in tags},
    }
    return OpcuaDevice.model_validate(table | options)


def _node(tag: str) -> str:
    return tag if "=" in tag else f"nsu={URI};s={tag}"


async def eventually(condition: Callable[[], bool], within: float = 10.0) -> None:
    """Wait for what no event tells. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - the code under test must not know of tests
            await asyncio.sleep(0.005)


@dataclass
class Running:
    """A connected adapter whose batches are collected, and an image of what they say."""

    adapter: OpcuaAdapter
    sink: Collector
    task: asyncio.Task[None]
    log: SilentLog
    rows: dict[str, int]

    def last(self, tag: str) -> tuple[float, int]:
        """Value and status of a tag as last told; NaN and 0 when nothing was told."""
        row, found = self.rows[tag], (float("nan"), 0)
        for batch in self.sink.data:
            where = np.flatnonzero(
                np.arange(10**4)[batch.rows] == row if isinstance(batch.rows, slice) else batch.rows == row
            )
            if len(where):
                found = float(batch.value[where[-1]]), int(batch.status[where[-1]])
        return found

    def other(self, tag: str) -> list[Any]:
        """Everything beside the column that was told of a tag."""
        return [batch.other[self.rows[tag]] for batch in self.sink.data if self.rows[tag] in batch.other]

    async def until(self, condition: Callable[[], bool], within: float = 15.0) -> None:
        """Wait until it holds. A failure of `run` ends the wait."""
        waiting = asyncio.create_task(self.sink.until(lambda _: condition(), within))
        await asyncio.wait([waiting, self.task], return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            waiting.cancel()
            self.task.result()
        await waiting

    def confirmations(self) -> list[Batch]:
        return [batch for batch in self.sink.batches if batch.kind is Kind.CONFIRM]


@contextlib.asynccontextmanager
async def running(home: Path, *devices: DeviceConfig) -> AsyncIterator[Running]:
    line = connection(*devices)
    surroundings = host(home)
    adapter, sink = OpcuaAdapter(line, surroundings), Collector()
    await asyncio.wait_for(adapter.connect(), 20)
    task = asyncio.create_task(adapter.run(sink))
    rows = {tag.name: tag.row for device in line.devices for tag in device.tags}
    assert isinstance(surroundings.log, SilentLog)
    try:
        yield Running(adapter, sink, task, surroundings.log, rows)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await adapter.close()
