"""Line 7: servers that mean harm cost bounded memory and time, and leave nothing behind."""

import asyncio
import contextlib
import itertools
import os
import resource
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from gateway.sdk import DisconnectedError
from gateway.sdk.testing import connection, host
from gateway_opcua.adapter import OpcuaAdapter
from tests.plugins.gateway_opcua.rigs import device

SERVERS = 1200 if os.environ.get("FIELDGATE_FULL") == "1" else 60
AT_ONCE = 12
FLOOD = bytes(1 << 20)
GROWTH = 200 << 10  # KiB of the whole test process; one flood of a second would be ten times that

Kind = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def message(kind: bytes, body: bytes, size: int | None = None) -> bytes:
    return kind + struct.pack("<I", 8 + len(body) if size is None else size) + body


def acknowledge() -> bytes:
    return message(b"ACKF", struct.pack("<5I", 0, 65535, 65535, 0, 0))


async def garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(os.urandom(3000))
    await writer.drain()


async def closing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(100)


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(100):
        pass


async def drop_by_drop(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in itertools.cycle(acknowledge()):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def oversize(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A message of 4 GiB is announced, and comes."""
    writer.write(message(b"ACKF", b"", 0xFFFFFFFF))
    while True:
        writer.write(FLOOD)
        await writer.drain()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A secure channel is opened as it should be; then comes a message of chunks that never ends."""
    await reader.read(1000)
    writer.write(acknowledge())
    await reader.read(1000)
    token = ua.ChannelSecurityToken(ChannelId=ua.UInt32(7), TokenId=ua.UInt32(9), RevisedLifetime=ua.UInt32(3_600_000))
    opened = struct_to_binary(ua.OpenSecureChannelResponse(Parameters=ua.OpenSecureChannelResult(SecurityToken=token)))
    policy = b"http://opcfoundation.org/UA/SecurityPolicy#None"
    head = struct.pack("<Ii", 7, len(policy)) + policy + struct.pack("<ii", -1, -1)
    writer.write(message(b"OPNF", head + struct.pack("<II", 1, 1) + opened))
    await reader.read(1000)
    for number in itertools.count(2):
        writer.write(message(b"MSGC", struct.pack("<IIII", 7, 9, number, 2) + FLOOD[:60000]))
        await writer.drain()


async def nonsense_after_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(acknowledge())
    await reader.read(1000)
    writer.write(message(b"OPNF", os.urandom(200)))
    await writer.drain()


async def an_error_without_end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(message(b"ERRF", struct.pack("<Ii", 0x80820000, 2**31 - 1)))
    await writer.drain()


KINDS: list[Kind] = [
    garbage, closing, silent, drop_by_drop, oversize, endless, nonsense_after_hello, an_error_without_end
]  # fmt: skip


@contextlib.asynccontextmanager
async def hostile(kind: Kind) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await kind(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def dial(home: Path, kind: Kind, timeout: str = "400ms") -> float:  # noqa: ASYNC109 - that of the adapter
    """Seconds until the adapter has had enough of a server of this kind."""
    async with hostile(kind) as port:
        adapter = OpcuaAdapter(connection(device(port, ["N1"], timeout=timeout)), host(home))
        began = time.monotonic()
        with pytest.raises(DisconnectedError):
            await adapter.connect()
        took = time.monotonic() - began
        await adapter.close()
    return took


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_each_is_disconnected_in_bounded_time_and_memory(tmp_path: Path, kind: Kind) -> None:
    before = peak()
    assert await dial(tmp_path, kind) < 3 * 0.4 + 3.0
    assert peak() - before < GROWTH


@pytest.mark.parametrize("kind", [oversize, endless], ids=lambda kind: kind.__name__)
async def test_a_flood_is_cut_off_long_before_the_timeout(tmp_path: Path, kind: Kind) -> None:
    before = peak()
    assert await dial(tmp_path, kind, "20s") < 10
    assert peak() - before < GROWTH


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_very_many_of_them_leave_nothing_behind(tmp_path: Path) -> None:
    tasks, descriptors, before = asyncio.all_tasks(), _descriptors(), peak()
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            await dial(tmp_path, KINDS[number % len(KINDS)])

    await asyncio.gather(*(one(number) for number in range(SERVERS)))
    await asyncio.sleep(0.2)
    assert [task for task in asyncio.all_tasks() - tasks if not task.done()] == []
    assert _descriptors() <= descriptors + 1
    assert peak() - before < GROWTH
