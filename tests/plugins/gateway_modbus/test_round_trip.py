"""Every type in every order, written to servers by other makers, read back, polled, and looked at as registers."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.sdk import Value, Writes, quality
from gateway.sdk.testing import Collector, connection, host
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.coding import LongOrder
from gateway_modbus.config import ModbusDevice
from gateway_modbus.faults import GOOD
from tests.plugins.gateway_modbus import peers

SHORT = {"ABCD": "ABCD", "CDAB": "CDAB", "BADC": "BADC", "DCBA": "DCBA"}
PAIR = {"AB": "AB", "BA": "BA"}
LONG = {word: word for word in get_args(LongOrder)} | {"CDAB": "GHEFCDAB"}

NUMBERS: dict[str, tuple[str, float, dict[str, str]]] = {
    "uint16": (">H", 51966, PAIR), "int16": (">h", -12345, PAIR), "float16": (">e", -12.375, PAIR),
    "uint32": (">I", 3203391149, SHORT), "int32": (">i", -70000, SHORT), "float32": (">f", -123.4375, SHORT),
    "uint64": (">Q", 81985529216486895, LONG), "int64": (">q", -9007199254740993, LONG), "float64": (">d", 0.1, LONG),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A tag, what is written to it, and what the server's registers hold then."""

    tag: dict[str, Any]
    value: Value
    wire: bytes


def _wired(value: bytes, letters: str) -> bytes:
    return bytes(value["ABCDEFGH".index(letter)] for letter in letters)


def _cases(start: int) -> dict[str, Case]:
    """From register `start` on, one behind the other."""
    forms: list[tuple[dict[str, Any], Value, bytes]] = []
    for type_, (code, number, orders) in NUMBERS.items():
        for order, letters in orders.items():
            forms.append(({"type": type_, "order": order}, number, _wired(struct.pack(code, number), letters)))
    forms += [({"type": "bcd16", "order": order}, 1987, _wired(b"\x19\x87", order)) for order in PAIR]
    forms += [({"type": "bcd32", "order": order}, 12345678, _wired(b"\x12\x34\x56\x78", order)) for order in SHORT]
    forms += [
        ({"type": "string", "length": 3}, "pump7", b"pump7\0"),
        ({"type": "string", "length": 3, "order": "BA"}, "pump7", b"uppm\x007"),
        ({"enum": {0: "stopped", 1: "running"}}, "running", b"\0\1"),
        ({"type": "uint16", "write_function": 16}, 7, b"\0\7"),
        ({"type": "float32", "write_function": 23}, 2.5, struct.pack(">f", 2.5)),
    ]
    cases, at = {}, start
    for index, (tag, value, wire) in enumerate(forms):
        cases[f"t{index}"] = Case({"at": f"holding:{at}", "write": {}} | tag, value, wire)
        at += len(wire) // 2
    return cases


@contextlib.asynccontextmanager
async def _connected(port: int, home: Path, tags: dict[str, Any], unit: int = 1) -> AsyncIterator[ModbusAdapter]:
    base = {"device": "peer", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{port}?unit={unit}", "timeout": "10s"}
    adapter = ModbusAdapter(connection(ModbusDevice.model_validate(base | {"tags": tags})), host(home))
    assert isinstance(adapter, Writes)
    await adapter.connect()
    try:
        yield adapter
    finally:
        await adapter.close()


Server = Callable[[], AbstractAsyncContextManager[int]]


@pytest.fixture(scope="module")
def libmodbus(tmp_path_factory: pytest.TempPathFactory) -> Server:
    binary = peers.built("peer.c", tmp_path_factory.mktemp("libmodbus"))
    return lambda: peers.process(binary)


@pytest.fixture
def pymodbus() -> Server:
    return peers.pymodbus


@pytest.fixture
def modbus_serial() -> Server:
    command = peers.node_server()
    return lambda: peers.process(*command)


@pytest.fixture(params=["libmodbus", "pymodbus", "modbus_serial"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    server: Server = request.getfixturevalue(request.param)
    async with server() as bound:
        yield bound


@pytest.fixture
def without(request: pytest.FixtureRequest) -> set[int]:
    """Function codes that the server at `port` does not have."""
    return {22, 23} if "modbus_serial" in request.node.name else set()


def _start(name: str) -> int:
    return 20 if "libmodbus" in name else 100


async def test_every_type_and_order_comes_back_as_it_was_written(
    port: int, tmp_path: Path, without: set[int], request: pytest.FixtureRequest
) -> None:
    cases = {
        name: case
        for name, case in _cases(_start(request.node.name)).items()
        if case.tag.get("write_function") not in without
    }
    async with _connected(port, tmp_path, {name: case.tag for name, case in cases.items()}) as adapter:
        device = adapter.connection.devices[0]
        for tag in device.tags:
            case = cases[tag.name]
            written = await adapter.write(tag, case.value)
            assert (written.tag, written.value, written.read_back) == (tag, case.value, case.value), case.tag
        for tag in device.tags:  # all of them still hold what was written to them alone
            case = cases[tag.name]
            start, count = int(case.tag["at"].split(":")[1]), len(case.wire) // 2
            outcome, answer = await adapter.ask(device, struct.pack(">BHH", 3, start, count))
            assert (outcome, answer[1:]) == (GOOD, case.wire), case.tag
        sink = Collector()
        polling = asyncio.create_task(adapter.run(sink))
        await sink.until(bool, 20.0)
        polling.cancel()
        await asyncio.wait([polling])
    batch = sink.batches[0]
    polled = [batch.other.get(row, batch.value[row]) for row in range(len(cases))]
    assert polled == [case.value for case in cases.values()]
    assert (batch.status == quality.GOOD).all()


async def test_a_coil_is_written_by_either_function(port: int, tmp_path: Path) -> None:
    tags = {
        "five": {"at": "coil:30", "write": {}},
        "fifteen": {"at": "coil:31", "write": {}, "write_function": 15},
    }
    async with _connected(port, tmp_path, tags) as adapter:
        for value in (True, False, 1, 0):
            for tag in adapter.connection.devices[0].tags:
                assert (await adapter.write(tag, value)).read_back == value


async def test_a_part_of_a_register_leaves_the_other_bits_alone(port: int, tmp_path: Path, without: set[int]) -> None:
    function = {"write_function": 16} if 22 in without else {}
    tags: dict[str, Any] = {
        "whole": {"at": "holding:190", "write": {}},
        "bit": {"at": "holding:190", "bit": 3, "write": {}} | function,
        "field": {"at": "holding:190", "mask": 0x0FF0, "write": {}, "order": "BA"} | function,
        "high": {"at": "holding:190", "type": "int8", "byte": "high", "write": {}} | function,
        "pair": {"at": "holding:192", "type": "uint32", "mask": 0x00FFFF00, "write": {}, "write_function": 16},
    }
    async with _connected(port, tmp_path, tags) as adapter:
        whole, bit, field, high, pair = adapter.connection.devices[0].tags
        for tag, value, now in ((whole, 0x5555, 0x5555), (bit, 1, 0x555D), (bit, 0, 0x5555), (high, -2, 0xFE55)):
            assert (await adapter.write(tag, value)).read_back == value
            assert await _register(adapter, 190) == now
        assert (await adapter.write(field, 0xAB)).read_back == 0xAB
        assert (
            await _register(adapter, 190) == 0xBE5A
        )  # 0xFE55 read low byte first is 0x55FE, and 0x5ABE with the field
        assert (await adapter.write(pair, 0xBEEF)).read_back == 0xBEEF
        assert (await _register(adapter, 192), await _register(adapter, 193)) == (0x00BE, 0xEF00)


async def _register(adapter: ModbusAdapter, at: int) -> int:
    _, answer = await adapter.ask(adapter.connection.devices[0], struct.pack(">BHH", 3, at, 1))
    return int.from_bytes(answer[1:], "big")
