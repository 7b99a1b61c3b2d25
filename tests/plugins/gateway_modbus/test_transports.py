"""Every transport against a server by another maker, and the ways in which a connection is found."""

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from pymodbus import FramerType
from pymodbus.server import ModbusBaseServer, ModbusSerialServer, ModbusTcpServer, ModbusTlsServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.sdk import ConfigError, DisconnectedError, quality
from gateway.sdk.testing import connection, host
from gateway_modbus.adapter import ModbusAdapter
from gateway_modbus.socket_wire import _SOCKETS
from tests.plugins.gateway_modbus import peers
from tests.plugins.gateway_modbus.device import FakeDevice
from tests.plugins.gateway_modbus.rig import PATIENT, Line, line, unit

HERE = ("127.0.0.1", 0)


def simulated(number: int = 5) -> SimDevice:
    """Every register of the device holds its own address."""
    return SimDevice(number, [SimData(0, values=list(range(200)), datatype=DataType.REGISTERS)])


@contextlib.asynccontextmanager
async def serving(server: ModbusBaseServer) -> AsyncIterator[int]:
    await server.listen()
    transport: Any = server.transport
    try:
        sock = transport.sockets[0] if hasattr(transport, "sockets") else transport.get_extra_info("socket")
        yield sock.getsockname()[1] if sock is not None else 0
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


@contextlib.asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[tuple[Path, Path]]:
    """A serial line: two ends that are joined."""
    socat = shutil.which("socat")
    if socat is None:
        pytest.skip("socat is not installed")
    ends = folder / "ours", folder / "theirs"
    process = await asyncio.create_subprocess_exec(socat, *(f"pty,raw,echo=0,link={end}" for end in ends))
    try:
        async with asyncio.timeout(PATIENT):
            while not all(end.exists() for end in ends):  # noqa: ASYNC110 - another process makes them
                await asyncio.sleep(0.02)
        yield ends
    finally:
        process.terminate()
        await process.wait()


async def reads(one: Line) -> None:
    """Good batches come, again and again."""
    await one.until(lambda: len([batch for batch in one.of(0) if not batch.status.any()]) >= 3)


@pytest.mark.parametrize(
    ("scheme", "framer"), [("tcp", FramerType.SOCKET), ("rtu+tcp", FramerType.RTU), ("ascii+tcp", FramerType.ASCII)]
)
async def test_framings_over_tcp_agree_with_pymodbus(scheme: str, framer: FramerType, tmp_path: Path) -> None:
    async with serving(ModbusTcpServer(simulated(), framer=framer, address=HERE)) as port:
        device = unit(f"{scheme}://127.0.0.1:{port}", 5, range(120), timeout="5s")
        async with line(tmp_path, device) as one:
            await reads(one)
            assert one.counters["garbage_total"] == 0


async def test_udp_agrees_with_pymodbus(tmp_path: Path) -> None:
    async with serving(ModbusUdpServer(simulated(), address=HERE)) as port:
        device = unit(f"udp://127.0.0.1:{port}", 5, range(120), timeout="5s")
        async with line(tmp_path, device) as one:
            await reads(one)


async def test_a_udp_port_where_nobody_listens_is_disconnected(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(DisconnectedError):
        async with line(tmp_path, unit(f"udp://127.0.0.1:{port}", 5, [1])) as one:
            await one.until(lambda: False)


@pytest.mark.parametrize("baud", [115200, 9600])
async def test_a_serial_line_agrees_with_libmodbus(baud: int, tmp_path: Path) -> None:
    program = peers.built("peer_rtu.c", tmp_path)
    async with pair(tmp_path) as (ours, theirs), peers.process(program, str(theirs), str(baud), "N"):
        where = f"rtu://{ours}?baud={baud}"  # a pseudo terminal knows no parity
        tags: dict[str, Any] = {f"r{n}": {"at": f"holding:{n}"} for n in range(120)}
        tags |= {"r1": {"at": "coil:3"}, "r0": {"at": "discrete:4"}, "r9": {"at": "input:9"}}
        async with line(tmp_path, unit(where, 5, [], tags=tags, timeout="5s")) as one:
            await reads(one)
        async with line(tmp_path, unit(where, 5, range(190, 204), timeout="5s")) as one:
            await one.until(lambda: one.of(0))
            assert (one.of(0)[-1].status[10:] == quality.BAD_CONFIGURATION_ERROR).all()
            assert not one.of(0)[-1].status[:10].any()


async def test_the_line_is_taken_away_and_comes_back(tmp_path: Path) -> None:
    program = peers.built("peer_rtu.c", tmp_path)
    options = {"every": "20ms", "timeout": "2s"}
    async with contextlib.AsyncExitStack() as stack:
        async with pair(tmp_path) as (ours, theirs), peers.process(program, str(theirs), "9600", "N"):
            device = unit(f"rtu://{ours}?baud=9600", 5, [7], **options)
            one = await stack.enter_async_context(line(tmp_path, device, keep=True))
            await reads(one)
        await asyncio.sleep(0.2)
        seen = len(one.of(0))
        async with pair(tmp_path) as (_, theirs), peers.process(program, str(theirs), "9600", "N"):
            await one.until(lambda: any(not batch.status.any() for batch in one.of(0)[seen:]))
            await stack.aclose()


async def test_serial_ascii_agrees_with_pymodbus(tmp_path: Path) -> None:
    async with pair(tmp_path) as (ours, theirs):
        server = ModbusSerialServer(simulated(), framer=FramerType.ASCII, port=str(theirs), baudrate=19200)
        async with serving(server):
            where = f"ascii://{ours}?baud=19200&bits=8"  # a pseudo terminal knows no 7 bits
            async with line(tmp_path, unit(where, 5, range(100), timeout="5s")) as one:
                await reads(one)


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[str]:
    """A TLS server that wants our certificate; how it is connected to."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours, theirs = authority.issue_cert("gateway.plant"), authority.issue_cert("plc.plant")
    ours.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "gateway.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ModbusTlsServer(simulated(), framer=FramerType.SOCKET, address=HERE, sslctx=context)
    async with serving(server) as port:
        yield f"tls://127.0.0.1:{port}?ca={tmp_path}/ca.pem"


async def test_modbus_security_agrees_with_pymodbus(secure: str, tmp_path: Path) -> None:
    where = f"{secure}&cert={tmp_path}/gateway.pem&key={tmp_path}/gateway.pem&name=plc.plant"
    async with line(tmp_path, unit(where, 5, range(120), timeout="5s")) as one:
        await reads(one)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("&cert={}/gateway.pem&name=other.plant", "certificate"),
        ("&cert={}/gateway.pem", "certificate"),  # made out to plc.plant, not to 127.0.0.1
        ("&cert={}/none.pem&name=plc.plant", "No such file"),
        ("&name=plc.plant", None),  # the server wants a certificate of ours
    ],
)
async def test_who_is_not_trusted_is_disconnected(secure: str, more: str, why: str | None, tmp_path: Path) -> None:
    with pytest.raises(DisconnectedError, match=why):
        async with line(tmp_path, unit(secure + more.format(tmp_path), 5, [1], timeout="5s")) as one:
            await one.until(lambda: one.of(0))


async def test_the_systems_authorities_do_not_know_a_stranger(secure: str, tmp_path: Path) -> None:
    with pytest.raises(DisconnectedError, match="certificate"):
        async with line(tmp_path, unit(secure.partition("?")[0], 5, [1], timeout="5s")):
            pass


# --- how a connection is found ------------------------------------------------------------------------------------


async def test_the_backup_is_taken_when_the_first_does_not_answer(device: FakeDevice, tmp_path: Path) -> None:
    other = FakeDevice()
    await other.start()
    options = {"backup": f"tcp://127.0.0.1:{other.port}", "timeout": "200ms"}
    where = f"tcp://127.0.0.1:{device.port}"
    async with line(tmp_path, unit(where, 1, [7], **options), keep=True) as one:
        await reads(one)
        assert not other.asked
        await device.stop()
        await one.until(lambda: len(other.asked) >= 3)
        await device.start()
        await other.stop()
        seen = len(device.asked)
        await one.until(lambda: len(device.asked) >= seen + 3)
        await other.start()
        device.silent = {1}  # it takes the connection, and says nothing
        seen = len(other.asked)
        await one.until(lambda: len(other.asked) >= seen + 3)
    await other.stop()


async def test_both_failures_are_told(tmp_path: Path) -> None:
    with socket.create_server(HERE) as free:
        port = free.getsockname()[1]
    options = {"backup": f"rtu://{tmp_path}/nothing"}
    with pytest.raises(DisconnectedError, match=rf"127.0.0.1:{port}.*; .*nothing"):
        async with line(tmp_path, unit(f"tcp://127.0.0.1:{port}", 1, [7], **options)):
            pass


async def test_a_device_with_one_connection_is_left_free_between_two_polls(device: FakeDevice, tmp_path: Path) -> None:
    where = f"tcp://127.0.0.1:{device.port}"
    async with line(tmp_path, unit(where, 1, [7, 300], connect_each=True, every="100ms")) as one:
        for seen in range(3):
            await one.until(lambda seen=seen: len(one.of(0)) > seen)  # type: ignore[misc]
            async with asyncio.timeout(PATIENT):
                while device.sessions:  # noqa: ASYNC110 - looked at in each turn of the loop
                    await asyncio.sleep(0)
        assert not any(batch.status.any() for batch in one.of(0))
        await device.stop()
        with pytest.raises(DisconnectedError):
            await asyncio.wait_for(asyncio.shield(one.task), PATIENT)


async def test_the_pause_after_connecting_is_kept(device: FakeDevice, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with line(tmp_path, unit(f"tcp://127.0.0.1:{device.port}", 1, [7], connect_delay="300ms")) as one:
        await one.until(lambda: device.asked)
        assert loop.time() - start >= 0.3


async def calling(port: int, number: int, source: str = "127.0.0.1") -> None:
    """A device that dials in, again and again, and answers as unit `number` for as long as it is let."""
    device = FakeDevice(silent=set(range(256)) - {number})
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            try:
                while True:
                    writer.write(device.answer(await reader.readexactly(12)) or b"")
            finally:
                writer.close()
        await asyncio.sleep(0.02)


@pytest.fixture
async def dial_in() -> AsyncIterator[tuple[int, Callable[..., None]]]:
    """A free port, and what starts a device that dials in there."""
    tasks: list[asyncio.Task[None]] = []
    with socket.create_server(HERE) as probe:
        port = probe.getsockname()[1]
    yield port, lambda *device: tasks.append(asyncio.ensure_future(calling(port, *device)))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


DialIn = tuple[int, Callable[..., None]]


async def test_a_device_that_dials_in_is_read_and_a_newer_call_takes_the_older_ones_place(
    dial_in: DialIn, tmp_path: Path
) -> None:
    port, call = dial_in
    call(3)
    async with line(tmp_path, unit(f"listen://127.0.0.1:{port}", 3, [7, 300])) as one:
        await reads(one)
        newer = contextlib.closing(socket.create_connection(("127.0.0.1", port)))
        with newer, pytest.raises(DisconnectedError, match="dialled in anew"):
            await asyncio.wait_for(asyncio.shield(one.task), PATIENT)


async def test_a_device_that_dials_in_again_goes_on(dial_in: DialIn, tmp_path: Path) -> None:
    port, call = dial_in
    call(3)
    async with line(tmp_path, unit(f"listen://127.0.0.1:{port}", 3, [7, 300]), keep=True) as one:
        await reads(one)
        link = one.adapter._link
        assert link is not None
        link.lost("as if it had been switched off")
        seen = len(one.of(0))
        await one.until(lambda: len([b for b in one.of(0)[seen:] if not b.status.any()]) >= 3)


async def test_devices_that_dial_in_are_known_by_their_address(dial_in: DialIn, tmp_path: Path) -> None:
    port, call = dial_in
    first, second = (unit(f"listen://127.0.0.1:{port}?peer=127.0.0.{n}", n, [7, 300]) for n in (2, 3))
    assert first.connection() != second.connection()
    for n in (2, 3):
        call(n, f"127.0.0.{n}")
    async with line(tmp_path, first, keep=True) as one, line(tmp_path, second, keep=True) as two:
        await reads(one)
        await reads(two)


async def test_units_of_one_line_must_say_the_same_of_it(tmp_path: Path) -> None:
    one, two = unit("rtu:///dev/ttyS9?baud=9600", 1, [1]), unit("rtu:///dev/ttyS9?baud=19200", 2, [1])
    assert one.connection() == two.connection()
    with pytest.raises(ConfigError, match="u2 and u1 share line"):
        ModbusAdapter(connection(one, two), host(tmp_path))


async def test_nothing_is_left_behind_when_the_last_connection_closes(device: FakeDevice, tmp_path: Path) -> None:
    async with line(tmp_path, unit(f"tcp://127.0.0.1:{device.port}", 1, [7])) as one:
        await reads(one)
        assert asyncio.get_running_loop() in _SOCKETS
    assert asyncio.get_running_loop() not in _SOCKETS
