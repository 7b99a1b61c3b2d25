"""An adapter that runs, and the one law: a value is the one of its own register, or NaN with a bad status."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gateway.sdk import Batch, DisconnectedError, Host
from gateway.sdk.testing import Collector, LoopClock, SilentLog, connection
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.config import ModbusDevice

PATIENT = 30.0  # seconds a test waits for what it expects, on a loaded machine
FULL = os.environ.get("FIELDGATE_FULL") == "1"  # the counts of the acceptance, not a tenth of them


def unit(connect: str, number: int, addresses: Sequence[int], **options: Any) -> ModbusDevice:
    """A unit whose tags are single registers: the right value of a tag is its own address."""
    base = {"device": f"u{number}", "adapter": "modbus", "every": "50ms", "timeout": "300ms", "gap": 0}
    where = f"{connect}{'&' if '?' in connect else '?'}unit={number}"
    tags = {f"r{address}": {"at": f"holding:{address}"} for address in addresses}
    return ModbusDevice.model_validate(base | {"connect": where, "tags": tags} | options)


@dataclass
class Line:
    adapter: ModbusAdapter
    sink: Collector
    task: asyncio.Task[None]
    log: SilentLog

    async def until(self, what: Callable[[], object], within: float = PATIENT) -> None:
        """Wait until `what` holds; looked at with every batch. What has ended cannot bring it any more."""
        waiting = asyncio.ensure_future(self.sink.until(lambda _: bool(what()), within))
        await asyncio.wait([waiting, self.task], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            self.task.result()
        await waiting

    def of(self, device: int) -> list[Batch]:
        return [batch for batch in self.sink.data if batch.device == device]

    @property
    def counters(self) -> dict[str, int]:
        return self.adapter.counters


@contextlib.asynccontextmanager
async def line(home: Path, *units: ModbusDevice, keep: bool = False) -> AsyncIterator[Line]:
    """A running adapter. With `keep`, it connects again whenever it is disconnected."""
    log, sink = SilentLog(), Collector()
    adapter = ModbusAdapter(connection(*units), Host(LoopClock(), home, log))
    if not keep:
        await adapter.connect()
    task = asyncio.create_task(_kept(adapter, sink) if keep else adapter.run(sink))
    try:
        yield Line(adapter, sink, task, log)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await adapter.close()
        for batch in sink.data:
            only_true_values(batch, adapter)


async def _kept(adapter: ModbusAdapter, sink: Collector) -> None:
    while True:
        with contextlib.suppress(DisconnectedError):
            await adapter.connect()
            await adapter.run(sink)
        await adapter.close()
        await asyncio.sleep(0.02)


def only_true_values(batch: Batch, adapter: ModbusAdapter) -> None:
    group = next(group for group in adapter.connection.groups if group.id == batch.group)
    for tag, value, status in zip(group.tags, batch.value, batch.status, strict=True):
        assert np.isnan(value) if status else value == int(tag.name[1:])
