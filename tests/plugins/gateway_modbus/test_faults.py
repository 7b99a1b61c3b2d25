"""What a bad line, a bad device or a bad map may not do."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.sdk import Batch, DisconnectedError, Host, quality
from gateway.sdk.testing import Collector, LoopClock, SilentLog, connection
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.config import ModbusDevice
from tests.plugins.gateway_modbus.device import FakeDevice

PATIENT = 30.0  # seconds a test waits for what it expects, on a loaded machine


def unit(device: FakeDevice, number: int, addresses: Sequence[int], **options: Any) -> ModbusDevice:
    """A unit whose tags are single registers: the right value of a tag is its own address."""
    base = {"device": f"u{number}", "adapter": "modbus", "every": "50ms", "timeout": "300ms", "gap": 0}
    connect = f"tcp://127.0.0.1:{device.port}?unit={number}"
    tags = {f"r{address}": {"at": f"holding:{address}"} for address in addresses}
    return ModbusDevice.model_validate(base | {"connect": connect, "tags": tags} | options)


@dataclass
class Line:
    adapter: ModbusAdapter
    sink: Collector
    task: asyncio.Task[None]
    log: SilentLog

    async def until(self, what: Any) -> None:
        await self.sink.until(lambda _: bool(what()), PATIENT)

    def of(self, device: int) -> list[Batch]:
        return [batch for batch in self.sink.data if batch.device == device]

    @property
    def counters(self) -> dict[str, int]:
        return self.adapter.counters


@contextlib.asynccontextmanager
async def line(home: Path, *units: ModbusDevice) -> AsyncIterator[Line]:
    log, sink = SilentLog(), Collector()
    adapter = ModbusAdapter(connection(*units), Host(LoopClock(), home, log))
    await adapter.connect()
    task = asyncio.create_task(adapter.run(sink))
    try:
        yield Line(adapter, sink, task, log)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await adapter.close()
        for batch in sink.data:
            _only_true_values(batch, adapter)


def _only_true_values(batch: Batch, adapter: ModbusAdapter) -> None:
    """A value is the one of its own register, or NaN with a bad status; nothing else, ever."""
    group = next(group for group in adapter.connection.groups if group.id == batch.group)
    for tag, value, status in zip(group.tags, batch.value, batch.status, strict=True):
        assert np.isnan(value) if status else value == int(tag.name[1:])


async def test_a_late_answer_never_becomes_another_value(device: FakeDevice, tmp_path: Path) -> None:
    # both answers have one register from one unit: only the transaction id tells them apart
    device.late = deque([0.0, 0.0, 0.45, 0.0, 0.0, 0.45, 0.0])
    async with line(tmp_path, unit(device, 1, [100, 500])) as one:
        await one.until(lambda: one.counters["answers_late_total"] == 2)
        seen = len(one.of(0))
        await one.until(lambda: len(one.of(0)) >= seen + 3)
        assert one.counters["timeouts_total"] == 2
        assert not one.of(0)[-1].status.any()
        assert any((batch.status == quality.BAD_TIMEOUT).any() for batch in one.of(0))


async def test_an_answer_that_is_always_late_gives_no_value_and_ends_the_connection(
    device: FakeDevice, tmp_path: Path
) -> None:
    device.late = deque([0.2] * 50)
    async with line(tmp_path, unit(device, 1, [100, 500], timeout="100ms")) as one:
        with pytest.raises(DisconnectedError, match="no unit"):
            await asyncio.wait_for(asyncio.shield(one.task), PATIENT)
        assert all(np.isnan(batch.value).all() for batch in one.of(0))


@pytest.mark.parametrize("fault", ["alien_transaction", "alien_unit", "alien_function"])
async def test_an_answer_to_something_else_is_dropped_and_counted(
    device: FakeDevice, tmp_path: Path, fault: str
) -> None:
    async with line(tmp_path, unit(device, 1, [100], timeout="100ms")) as one:
        await one.until(lambda: one.of(0))
        setattr(device, fault, True)
        await one.until(lambda: quality.BAD_TIMEOUT in one.of(0)[-1].status)
        assert one.counters["answers_alien_total"]
        setattr(device, fault, False)
        await one.until(lambda: not one.of(0)[-1].status.any())


async def test_a_short_answer_is_bad_and_the_next_one_counts(device: FakeDevice, tmp_path: Path) -> None:
    device.short = True
    async with line(tmp_path, unit(device, 1, [100, 101])) as one:
        await one.until(lambda: one.of(0))
        assert (one.of(0)[0].status == quality.BAD_DECODING_ERROR).all()
        device.short = False
        await one.until(lambda: not one.of(0)[-1].status.any())
        assert one.counters["answers_short_total"]


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", bytes(300), b"\xff" * 6])
async def test_garbage_ends_the_connection(device: FakeDevice, tmp_path: Path, garbage: bytes) -> None:
    device.garbage = garbage
    async with line(tmp_path, unit(device, 1, [100])) as one:
        with pytest.raises(DisconnectedError, match="no Modbus TCP header"):
            await asyncio.wait_for(asyncio.shield(one.task), PATIENT)
        assert one.counters["garbage_total"] == 1
        assert not one.sink.data


async def test_a_flood_of_answers_nobody_asked_for_ends_the_connection(device: FakeDevice, tmp_path: Path) -> None:
    device.flood = 1000
    async with line(tmp_path, unit(device, 1, [100])) as one:
        with pytest.raises(DisconnectedError, match="nothing that was asked"):
            await asyncio.wait_for(asyncio.shield(one.task), PATIENT)


async def test_an_answer_in_single_bytes_is_an_answer(device: FakeDevice, tmp_path: Path) -> None:
    device.dribble = True
    async with line(tmp_path, unit(device, 1, [100, 101])) as one:
        await one.until(lambda: len(one.of(0)) >= 3)
        assert not any(batch.status.any() for batch in one.of(0))


async def test_one_dead_unit_of_three_costs_the_others_less_than_a_tenth_of_their_polls(
    device: FakeDevice, tmp_path: Path
) -> None:
    """Against the same line without the dead unit, in the same loop: a loaded machine slows both."""
    device.silent = {2}
    units = [unit(device, number, [number * 100], every="100ms", timeout="150ms") for number in (1, 2, 3)]
    async with line(tmp_path, *units) as one, line(tmp_path, units[0], units[2]) as control:
        await one.until(lambda: one.counters["units_set_aside_total"])
        start, control_start = [len(one.of(number)) for number in range(3)], len(control.of(0))
        await control.until(lambda: len(control.of(0)) >= control_start + 40)
        polls = len(control.of(0)) - control_start
        for alive in (0, 2):
            assert len(one.of(alive)) - start[alive] >= 0.9 * polls
            assert not any(batch.status.any() for batch in one.of(alive))
        assert len(one.of(1)) - start[1] >= 0.9 * polls  # bad batches come at the period, too
        assert all((batch.status == quality.BAD_TIMEOUT).all() for batch in one.of(1))


async def test_a_unit_that_was_set_aside_comes_back_when_it_answers(device: FakeDevice, tmp_path: Path) -> None:
    device.silent = {2}
    async with line(tmp_path, unit(device, 1, [100]), unit(device, 2, [200], timeout="50ms")) as one:
        await one.until(lambda: one.counters["units_set_aside_total"])
        asked = len([unit for unit, *_ in device.asked if unit == 2])
        await one.until(lambda: len(one.of(1)) >= 6)
        assert len([unit for unit, *_ in device.asked if unit == 2]) <= asked + 1
        device.silent = set()
        await one.until(lambda: not one.of(1)[-1].status.any())
        events = [(event, fields["device"], fields["unit"]) for _, event, fields in one.log.lines]
        assert events == [("unit is silent", "u2", 2), ("unit answers again", "u2", 2)]


@pytest.mark.parametrize("code", [10, 11])
async def test_a_gateway_that_does_not_reach_its_unit_is_no_lost_connection(
    device: FakeDevice, tmp_path: Path, code: int
) -> None:
    device.exceptions = {1: code}
    async with line(tmp_path, unit(device, 1, [100, 500])) as one:
        await one.until(lambda: len(one.of(0)) >= 12)
        assert one.counters["units_set_aside_total"] == 1
        assert len(device.asked) == 3
        assert all((batch.status == quality.BAD_DEVICE_FAILURE).all() for batch in one.of(0))


async def test_a_busy_device_never_gives_a_number(device: FakeDevice, tmp_path: Path) -> None:
    device.exceptions = {1: 6}
    async with line(tmp_path, unit(device, 1, [0])) as one:
        await one.until(lambda: len(one.of(0)) >= 3)
        assert all((batch.status == quality.BAD_DEVICE_FAILURE).all() for batch in one.of(0))
        assert len(device.asked) >= 3
        device.exceptions = {}
        await one.until(lambda: not one.of(0)[-1].status.any())


async def test_an_illegal_register_costs_only_its_own_tag(device: FakeDevice, tmp_path: Path) -> None:
    device.illegal = {1033}
    async with line(tmp_path, unit(device, 1, range(1000, 1100)), unit(device, 2, [7])) as one:
        await one.until(lambda: len(one.of(0)) >= 2 and one.of(1))
        for batch in one.of(0):
            assert np.flatnonzero(batch.status).tolist() == [33]
            assert batch.status[33] == quality.BAD_CONFIGURATION_ERROR
        (_, event, fields), *others = one.log.lines
        assert (event, fields["tag"], fields["address"]) == (
            "device refuses an address", "r1033", "holding 1033 (0x0409), FC 3",
        )  # fmt: skip
        assert not others


async def test_a_device_that_allows_fewer_registers_is_read_in_smaller_pieces(
    device: FakeDevice, tmp_path: Path
) -> None:
    device.most = 32
    async with line(tmp_path, unit(device, 1, range(500, 620))) as one:
        await one.until(lambda: one.of(0))
        assert not one.of(0)[-1].status.any()


async def test_requests_never_overlap_and_go_round(device: FakeDevice, tmp_path: Path) -> None:
    device.late = deque([0.01] * 1000)
    units = [unit(device, number, [number, 400 + number], every="10ms") for number in (1, 2, 3)]
    async with line(tmp_path, *units) as one:
        await one.until(lambda: len(one.sink.data) >= 30)
        assert device.overlapped == 0
        counts = [len(one.of(number)) for number in range(3)]
        assert max(counts) - min(counts) <= 1
        assert one.counters["polls_overdue_total"]


async def test_the_pause_before_a_request_is_kept(device: FakeDevice, tmp_path: Path) -> None:
    async with line(tmp_path, unit(device, 1, [1, 100, 200, 300], delay="50ms")) as one:
        loop = asyncio.get_running_loop()
        start = loop.time()
        await one.until(lambda: len(one.of(0)) >= 2)
        assert loop.time() - start >= 7 * 0.05


async def test_a_host_that_does_not_answer_is_disconnected_within_the_timeout(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # a full backlog does not answer (tcp(7)): the kernel drops the SYN, as a firewall does
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.settimeout(0)
            client.connect_ex(("127.0.0.1", port))
        adapter = ModbusAdapter(
            connection(unit(FakeDevice(port=port), 1, [1])), Host(LoopClock(), tmp_path, SilentLog())
        )
        with pytest.raises(DisconnectedError, match=f"127.0.0.1:{port} does not answer within 1 s"):
            await asyncio.wait_for(adapter.connect(), PATIENT)
        for client in waiting:
            client.close()


async def test_a_loss_is_seen_at_once_and_not_at_the_next_poll(device: FakeDevice, tmp_path: Path) -> None:
    async with line(tmp_path, unit(device, 1, [1], every="1h")) as one:
        await one.until(lambda: one.of(0))
        await device.stop()
        with pytest.raises(DisconnectedError):
            await asyncio.wait_for(asyncio.shield(one.task), PATIENT)


async def test_transaction_ids_go_on_over_connections(device: FakeDevice, tmp_path: Path) -> None:
    async with line(tmp_path, unit(device, 1, [1])) as one:
        await one.until(lambda: one.of(0))
        await one.adapter.close()
        with pytest.raises(DisconnectedError):
            await asyncio.wait_for(asyncio.shield(one.task), PATIENT)
        await one.adapter.connect()
        assert one.adapter._link is not None
        assert one.adapter._link.transaction == one.counters["requests_total"]
