"""Many requests with exceptions and disconnections between them: nothing grows."""

import asyncio
import contextlib
import gc
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from gateway.sdk import Batch, DisconnectedError
from gateway.sdk.testing import connection, host
from gateway_modbus.adapter import ModbusAdapter
from tests.plugins.gateway_modbus.rig import FULL, unit

REQUESTS = 1_000_000 if FULL else 100_000
LINES, EXCEPTION_EVERY, CUT_EVERY = 10, 100, 500


class Flaky(asyncio.Protocol):
    """Registers hold their addresses; every hundredth answer is exception 4, every five hundredth is a cut."""

    asked = cuts = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        Flaky.asked += 1
        number, unit, start, count = struct.unpack(">H4xBxHH", data)
        if Flaky.asked % CUT_EVERY == 0:
            Flaky.cuts += 1
            self.transport.abort()
        elif Flaky.asked % EXCEPTION_EVERY == 1:
            self.transport.write(struct.pack(">HHHBBB", number, 0, 3, unit, 0x83, 4))
        else:
            head = struct.pack(">HHHBBB", number, 0, 3 + 2 * count, unit, 3, 2 * count)
            self.transport.write(head + struct.pack(f">{count}H", *range(start, start + count)))


class Tally:
    """A sink that keeps nothing and believes nothing."""

    good = bad = 0

    def __call__(self, batch: Batch) -> None:
        healthy = batch.status == 0
        assert np.array_equal(batch.value[healthy], np.array([7.0, 8.0, 300.0])[healthy])
        assert np.isnan(batch.value[~healthy]).all()
        self.good += bool(healthy.all())
        self.bad += not healthy.all()


async def _kept(adapter: ModbusAdapter, sink: Tally) -> None:
    while True:
        with contextlib.suppress(DisconnectedError):
            await adapter.connect()
            await adapter.run(sink)
        await adapter.close()


def _held() -> tuple[int, int, int]:
    """Tasks, file descriptors, blocks of memory."""
    gc.collect()
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd")), sys.getallocatedblocks()  # noqa: PTH208


@pytest.mark.timeout(900)
async def test_a_hundred_thousand_requests_with_faults_leave_nothing_behind(tmp_path: Path) -> None:
    Flaky.asked = Flaky.cuts = 0
    server = await asyncio.get_running_loop().create_server(Flaky, "127.0.0.1", 0)
    where, sink = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", Tally()
    # a timeout that a loaded machine keeps, polls that follow at once
    devices = [unit(where, n + 1, [7, 8, 300], every=1e-6, timeout="20s") for n in range(LINES)]
    adapters = [ModbusAdapter(connection(device, name=device.device), host(tmp_path)) for device in devices]
    tasks = [asyncio.ensure_future(_kept(adapter, sink)) for adapter in adapters]
    held = []
    for share in (0.3, 1.0):
        while Flaky.asked < share * REQUESTS:  # noqa: ASYNC110 - they come too fast to be told one by one
            await asyncio.sleep(0.05)
        held.append(_held())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for adapter in adapters:
        await adapter.close()
    server.close()
    (tasks_then, files_then, blocks_then), (tasks_now, files_now, blocks_now) = held
    assert abs(tasks_now - tasks_then) <= LINES  # some may be connecting
    assert abs(files_now - files_then) <= 2 * LINES
    assert blocks_now - blocks_then <= 2000 + 0.01 * blocks_then
    assert Flaky.cuts >= REQUESTS // CUT_EVERY
    exceptions = sum(adapter.counters["exceptions_total"] for adapter in adapters)
    assert exceptions >= REQUESTS // EXCEPTION_EVERY - Flaky.cuts
    assert sink.good > 0.4 * REQUESTS  # two requests a scan
    assert sink.bad >= exceptions / 2
