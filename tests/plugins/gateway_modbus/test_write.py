"""One write, against a device that is a function from PDU to answer."""

import asyncio
import struct
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk import DisconnectedError, Tag, Value, WriteRefusedError
from gateway.sdk.testing import Collector, connection, host
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.config import ModbusDevice
from gateway_modbus.faults import GOOD, TIMEOUT
from gateway_modbus.write import write
from tests.plugins.gateway_modbus.device import FakeDevice


class Machine:
    """Ten holding registers; misbehaves as told. Keeps the PDUs that it was asked."""

    def __init__(self) -> None:
        self.registers = [0] * 10
        self.outcomes: dict[int, int] = {}  # function code → how it ends
        self.deaf = False  # takes writes and changes nothing
        self.asked: list[bytes] = []

    async def ask(self, pdu: bytes) -> tuple[int, bytes]:
        self.asked.append(pdu)
        if pdu[0] in self.outcomes:
            return self.outcomes[pdu[0]], b""
        if pdu[0] == 3:
            return GOOD, self._read(pdu)
        if not self.deaf:
            self._write(pdu)
        return GOOD, self._read(pdu) if pdu[0] == 23 else pdu[1:5]

    @property
    def functions(self) -> list[int]:
        return [pdu[0] for pdu in self.asked]

    def _read(self, pdu: bytes) -> bytes:
        start, count = struct.unpack_from(">HH", pdu, 1)
        return bytes((2 * count,)) + struct.pack(f">{count}H", *self.registers[start : start + count])

    def _write(self, pdu: bytes) -> None:
        if pdu[0] == 22:
            at, keep, bits = struct.unpack(">HHH", pdu[1:])
            self.registers[at] = self.registers[at] & keep | bits & ~keep
            return
        start, data = {6: (1, 3), 16: (1, 6), 23: (5, 10)}[pdu[0]]
        (at,) = struct.unpack_from(">H", pdu, start)
        words = struct.unpack(f">{len(pdu[data:]) // 2}H", pdu[data:])
        self.registers[at : at + len(words)] = words


def _tag(**options: Any) -> tuple[ModbusDevice, Tag]:
    config = ModbusDevice.model_validate(
        {
            "device": "d", "adapter": "modbus", "connect": "tcp://127.0.0.1",
            "tags": {"t": {"at": "holding:3", "write": {}} | options},
        }
    )  # fmt: skip
    return config, connection(config).devices[0].tags[0]


async def _write(machine: Machine, value: Value, **options: Any) -> Value | None:
    config, tag = _tag(**options)
    return (await write(machine.ask, config, tag, value)).read_back


@pytest.mark.parametrize(
    ("options", "value", "functions"),
    [
        ({}, 7, [6, 3]),
        ({"type": "float32"}, 7.5, [16, 3]),
        ({"write_function": 16}, 7, [16, 3]),
        ({"type": "float32", "write_function": 23}, 7.5, [23]),
        ({"bit": 2}, 1, [22, 3]),
        ({"bit": 2, "write_function": 6}, 1, [3, 6, 3]),
        ({"mask": 0x0FF0, "write_function": 23}, 9, [3, 23]),
        ({"type": "uint8", "byte": "high"}, 200, [22, 3]),
    ],
)
async def test_the_function_code_fits_and_the_value_is_read_back(
    options: dict[str, Any], value: Value, functions: list[int]
) -> None:
    machine = Machine()
    assert await _write(machine, value, **options) == value
    assert machine.functions == functions


async def test_a_device_without_function_6_is_written_by_16() -> None:
    machine = Machine()
    machine.outcomes[6] = 1
    assert await _write(machine, 7) == 7
    assert machine.functions == [6, 16, 3]


async def test_a_function_that_was_asked_for_is_not_replaced() -> None:
    machine = Machine()
    machine.outcomes[6] = 1
    with pytest.raises(WriteRefusedError, match="does not know function 6; set write_function"):
        await _write(machine, 7, write_function=6)


async def test_a_device_without_mask_write_is_never_read_changed_and_written_by_itself() -> None:
    machine = Machine()
    machine.outcomes[22] = 1
    with pytest.raises(WriteRefusedError, match="does not know function 22; set write_function"):
        await _write(machine, 1, bit=2)
    assert machine.functions == [22]


async def test_a_part_is_not_written_where_the_whole_cannot_be_read() -> None:
    machine = Machine()
    machine.outcomes[3] = 2
    with pytest.raises(WriteRefusedError, match="cannot be read"):
        await _write(machine, 1, bit=2, write_function=6)
    assert machine.functions == [3]


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (2, "no such address"),
        (3, "does not take this value"),
        (6, "busy"),
        (10, "no path"),
        (11, "no answer"),
        (9, "9"),
    ],
)
async def test_a_refusal_of_the_device_says_why(outcome: int, why: str) -> None:
    machine = Machine()
    machine.outcomes[6] = outcome
    with pytest.raises(WriteRefusedError, match=why):
        await _write(machine, 7)


async def test_silence_leaves_open_what_the_device_holds() -> None:
    machine = Machine()
    machine.outcomes[6] = TIMEOUT
    with pytest.raises(DisconnectedError, match="what t holds is not known"):
        await _write(machine, 7)


@pytest.mark.parametrize("outcome", [4, 5])
async def test_a_write_in_doubt_is_told_by_what_is_read_back(outcome: int) -> None:
    machine = Machine()
    machine.outcomes[6] = outcome
    assert await _write(machine, 7) == 0


async def test_what_the_device_made_of_it_is_told() -> None:
    machine = Machine()
    machine.deaf = True
    assert await _write(machine, 7) == 0


async def test_a_tag_that_cannot_be_read_back_is_written_all_the_same() -> None:
    machine = Machine()
    machine.outcomes[3] = 2
    assert await _write(machine, 7) is None
    assert machine.registers[3] == 7


@pytest.mark.parametrize(
    ("options", "value", "why"),
    [
        ({"write": None}, 7, "not writable"),
        ({"range": [0, 10], "scale": 0.1, "unit": "bar"}, 101, "10.1 bar is not within 0 to 10"),
        ({"range": [0, 10], "offset": 5.0}, -6, "-1 is not within 0 to 10"),
        ({}, 65536, "not within 0 to 65535"),
        ({}, "seven", "is text"),
        ({"enum": {0: "off", 1: "on"}}, "open", "none of off, on"),
        ({"type": "string", "length": 2}, "pumps", "room for 4"),
    ],
)
async def test_what_must_not_be_written_never_reaches_the_device(
    options: dict[str, Any], value: Value, why: str
) -> None:
    machine = Machine()
    with pytest.raises(WriteRefusedError, match=why):
        await _write(machine, value, **options)
    assert not machine.asked


async def test_a_write_never_goes_beside_a_poll(device: FakeDevice, tmp_path: Path) -> None:
    device.late = deque([0.004] * 200)  # so that whatever comes beside another request is seen
    config = ModbusDevice.model_validate(
        {
            "device": "d", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{device.port}", "every": 0.01,
            "timeout": 5.0, "tags": {f"r{at}": {"at": f"holding:{at}", "write": {}} for at in range(0, 120, 20)},
        }
    )  # fmt: skip
    adapter, sink = ModbusAdapter(connection(config), host(tmp_path)), Collector()
    await adapter.connect()
    polling = asyncio.create_task(adapter.run(sink))
    tags = adapter.connection.devices[0].tags
    for _ in range(3):
        written = await asyncio.gather(
            *(adapter.write(tag, at) for tag, at in zip(tags, range(0, 120, 20), strict=True))
        )
        assert [one.read_back for one in written] == list(range(0, 120, 20))  # each register holds its address
    await sink.until(lambda got: len(got) > 2, 10.0)
    polling.cancel()
    await asyncio.wait([polling])
    await adapter.close()
    assert sum(function == 6 for _, function, _, _ in device.asked) == 18
    assert device.overlapped == 0
