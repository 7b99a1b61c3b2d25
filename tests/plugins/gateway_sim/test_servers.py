import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from pymodbus.client import AsyncModbusTcpClient

from gateway_sim.points import Point
from gateway_sim.servers.certificate import self_signed
from gateway_sim.servers.modbus import ModbusServer
from gateway_sim.servers.opcua import Access, OpcuaServer
from gateway_sim.servers.pair import Pair, Ports

pytestmark = pytest.mark.asyncio(loop_scope="module")

POINTS = [Point("flow", "m³/h", 0, 250, description="Flow"), Point("level", "m"), Point("mode")]
NOW = 1_700_000_000_123_456_000


@pytest_asyncio.fixture(loop_scope="module")
async def modbus() -> AsyncIterator[tuple[ModbusServer, AsyncModbusTcpClient]]:
    server = ModbusServer(POINTS)
    client = AsyncModbusTcpClient("127.0.0.1", port=await server.start(), timeout=10)
    assert await client.connect()
    yield server, client
    client.close()
    await server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opcua_server() -> AsyncIterator[tuple[OpcuaServer, Client]]:
    """One for all tests: asyncua takes a second to build its address space."""
    server = OpcuaServer("plc", POINTS)
    url = await server.start()
    async with Client(url, timeout=10) as client:
        yield server, client
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def opcua(opcua_server: tuple[OpcuaServer, Client]) -> tuple[OpcuaServer, Client]:
    server, client = opcua_server
    server.before_read = server.on_read = None
    await server.show(np.array([1.5, np.nan, -3.0]), NOW)
    return server, client


async def test_pymodbus_reads_the_tags_as_big_endian_floats(modbus: tuple[ModbusServer, AsyncModbusTcpClient]) -> None:
    server, client = modbus
    server.show(np.array([12.5, -3.25, 1e6]))
    answer = await client.read_holding_registers(0, count=6, device_id=1)
    floats = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32, word_order="big")
    assert floats == [12.5, -3.25, 1e6]
    assert [server.address(i) for i in range(3)] == ["holding:0", "holding:2", "holding:4"]


async def test_pymodbus_gets_the_exception_for_a_register_that_is_not_there(
    modbus: tuple[ModbusServer, AsyncModbusTcpClient],
) -> None:
    _, client = modbus
    answer = await client.read_holding_registers(5, count=2, device_id=1)
    assert answer.isError()
    assert answer.exception_code == 2


async def test_pymodbus_writes_registers(modbus: tuple[ModbusServer, AsyncModbusTcpClient]) -> None:
    server, client = modbus
    assert not (await client.write_registers(2, [1, 2], device_id=9)).isError()
    assert list(server.memory.holding) == [0, 0, 1, 2, 0, 0]


async def test_modbus_reads_are_heard_after_they_were_answered_and_refused_ones_are_not(
    modbus: tuple[ModbusServer, AsyncModbusTcpClient],
) -> None:
    server, client = modbus
    heard: list[range] = []
    server.on_read = heard.append
    await client.read_holding_registers(0, count=6, device_id=1)
    await client.read_holding_registers(0, count=7, device_id=1)
    await client.write_register(0, 1, device_id=1)
    assert heard == [range(6)]


async def test_a_modbus_client_that_speaks_rubbish_is_hung_up_on_and_others_go_on(
    modbus: tuple[ModbusServer, AsyncModbusTcpClient],
) -> None:
    server, client = modbus
    reader, writer = await asyncio.open_connection("127.0.0.1", client.comm_params.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    assert not (await client.read_holding_registers(0, count=2, device_id=1)).isError()
    await server.stop()
    await server.stop()


async def test_asyncua_reads_values_with_their_source_time(opcua: tuple[OpcuaServer, Client]) -> None:
    _, client = opcua
    value = await client.get_node("ns=2;s=plc.flow").read_data_value()
    assert value.Value is not None
    assert value.SourceTimestamp is not None
    assert value.Value.Value == 1.5
    assert value.Value.VariantType == ua.VariantType.Double
    assert value.SourceTimestamp.timestamp() == pytest.approx(NOW / 1e9, abs=1e-5)


async def test_what_is_no_number_is_bad_no_data(opcua: tuple[OpcuaServer, Client]) -> None:
    _, client = opcua
    value = await client.get_node("ns=2;s=plc.level").read_data_value(raise_on_bad_status=False)
    assert value.StatusCode is not None
    assert value.StatusCode.name == "BadNoData"


async def test_unit_range_and_description_can_be_browsed(opcua: tuple[OpcuaServer, Client]) -> None:
    _, client = opcua
    node = client.get_node("ns=2;s=plc.flow")
    assert (await (await node.get_child("0:EngineeringUnits")).read_value()).DisplayName.Text == "m³/h"
    span = await (await node.get_child("0:EURange")).read_value()
    assert (span.Low, span.High) == (0, 250)
    assert (await node.read_description()).Text == "Flow"
    assert not await client.get_node("ns=2;s=plc.mode").get_properties()


async def test_a_subscription_gets_what_is_shown_next(opcua: tuple[OpcuaServer, Client]) -> None:
    server, client = opcua
    arrived: asyncio.Queue[float] = asyncio.Queue()

    class Handler:
        def datachange_notification(self, _node: object, value: float, _data: object) -> None:
            arrived.put_nowait(value)

    subscription = await client.create_subscription(20, Handler())
    await subscription.subscribe_data_change(client.get_node("ns=2;s=plc.flow"))
    assert await asyncio.wait_for(arrived.get(), 10) == 1.5
    await server.show(np.array([2.5, 0.0, 0.0]), NOW)
    assert await asyncio.wait_for(arrived.get(), 10) == 2.5
    await subscription.delete()


async def test_opcua_reads_are_heard_and_what_is_shown_before_them_is_read(opcua: tuple[OpcuaServer, Client]) -> None:
    server, client = opcua
    heard: list[set[int]] = []
    server.on_read = heard.append

    async def show() -> None:
        await server.show(np.array([9.0, 8.0, 7.0]), NOW)

    server.before_read = show
    nodes = [client.get_node(server.node_id(i)) for i in range(3)]
    assert await client.read_values(nodes) == [9.0, 8.0, 7.0]
    await nodes[0].read_browse_name()
    assert heard == [{0, 1, 2}]


async def test_a_secure_server_lets_in_its_user_only() -> None:
    server = OpcuaServer("plc", POINTS[:1], Access(secure=True, user="line-3", password="right"))
    url = await server.start()
    await server.show(np.array([4.0]), NOW)
    try:
        async with secure_client(url, "right") as client:
            assert await client.get_node("ns=2;s=plc.flow").read_value() == 4.0
        with pytest.raises(UaStatusCodeError):
            async with secure_client(url, "wrong"):
                pass
        with pytest.raises(UaError):
            async with Client(url, timeout=10):
                pass
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def secure_client(url: str, password: str) -> AsyncIterator[Client]:
    """A client by Basic256Sha256, its certificate made by the server's own maker."""
    client = Client(url, timeout=10)
    client.application_uri = "urn:test:client"
    client.set_user("line-3")
    client.set_password(password)
    certificate, key = (CertProperties(pem, "pem") for pem in self_signed("urn:test:client"))
    mode = ua.MessageSecurityMode.SignAndEncrypt
    await client.set_security(SecurityPolicyBasic256Sha256, certificate, key, mode=mode)
    async with client:
        yield client


async def test_a_side_without_tags_is_not_opened() -> None:
    pair = Pair(POINTS, [])
    await pair.start(Ports())
    assert [device["adapter"] for device in pair.describe()] == ["modbus"]
    await pair.show(np.zeros(3), NOW)
    await pair.stop()
