"""Writing to real servers: what is taken, what is refused and why, and that polling goes on beside it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk import DisconnectedError, Tag, Value, WriteRefusedError, Writes
from gateway.sdk.testing import connection, host
from gateway_opcua.adapter import OpcuaAdapter
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Process, Relay, free_port
from tests.plugins.gateway_opcua.rigs import Running, device, running


def boiler(port: int, timeout: Any = "3s", **tags: Any) -> Any:
    table = {name: {"node": f"nsu={URI};s=Boiler.{name}", "write": {}} | more for name, more in tags.items()}
    return device(port, table, timeout=timeout)


def tag(run: Running | OpcuaAdapter, name: str) -> Tag:
    adapter = run.adapter if isinstance(run, Running) else run
    return next(tag for one in adapter.connection.devices for tag in one.tags if tag.name == name)


@pytest.mark.parametrize(
    ("name", "value", "read_back"),
    [("Setpoint", 33.25, 33.25), ("Setpoint", 33.1, pytest.approx(33.1, rel=1e-6)), ("Mode", 3, 3), ("On", True, True),
     ("On", 0, False), ("Recipe", "pils", "pils")],
)  # fmt: skip
async def test_a_value_is_written_in_the_servers_type_and_read_back(
    asyncua_server: Process, tmp_path: Path, name: str, value: Value, read_back: Value
) -> None:
    async with running(tmp_path, boiler(asyncua_server.port, **{name: {}})) as run:
        assert isinstance(run.adapter, Writes)
        written = await run.adapter.write(tag(run, name), value)
        assert (written.value, written.read_back) == (value, read_back)
        assert type(written.read_back) is type(read_back) or name == "Setpoint"


async def test_what_is_written_arrives_by_polling(asyncua_server: Process, tmp_path: Path) -> None:
    async with running(tmp_path, boiler(asyncua_server.port, Setpoint={})) as run:
        for number in (40.5, 20.5):
            await run.adapter.write(tag(run, "Setpoint"), number)
            await run.until(lambda number=number: run.last("Setpoint") == (number, 0))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "more", "value", "reason"),
    [
        ("Setpoint", {"write": None}, 1.0, "`write` in its table allows it"),
        ("Setpoint", {"range": [0.0, 50.0], "unit": "°C"}, 51.0, "51 °C is not within 0 to 50"),
        ("Setpoint", {"range": [0.0, 50.0], "scale": 0.1}, 501.0, "50.1 is not within 0 to 50"),
        ("Setpoint", {}, "hot", "no number, and the server wants Float"),
        ("Mode", {}, 1.5, "no decimals"),
        ("Mode", {}, 40_000, "does not fit Int16"),
        ("Curve", {}, 1.0, "is an array"),
        ("Nothing", {}, 1.0, "the type of its value cannot be told: BadNodeIdUnknown"),
        ("Gone", {"node": "nsu=urn:nowhere;s=Gone"}, 1.0, "the server has no such node"),
    ],
)
async def test_what_is_refused_is_refused_in_words(
    asyncua_server: Process, tmp_path: Path, name: str, more: dict[str, Any], value: Value, reason: str
) -> None:
    async with running(tmp_path, boiler(asyncua_server.port, **{name: more})) as run:
        with pytest.raises(WriteRefusedError, match=reason):
            await run.adapter.write(tag(run, name), value)


async def test_a_write_to_a_server_of_another_maker(node_opcua_server: Process, tmp_path: Path) -> None:
    tags = {
        "setpoint": {"node": "ns=1;s=Boiler.Setpoint", "write": {}},
        "serial": {"node": "ns=1;s=Boiler.Serial", "write": {}},
    }
    async with running(tmp_path, device(node_opcua_server.port, tags)) as run:
        assert (await run.adapter.write(tag(run, "setpoint"), 30.5)).read_back == 30.5
        assert (await run.adapter.write(tag(run, "setpoint"), 20.5)).read_back == 20.5
        with pytest.raises(WriteRefusedError, match=r"serial: it is not writable \(BadNotWritable\)"):
            await run.adapter.write(tag(run, "serial"), 4712)


async def test_without_a_connection_nothing_is_written(tmp_path: Path) -> None:
    adapter = OpcuaAdapter(connection(boiler(free_port(), Setpoint={})), host(tmp_path))
    with pytest.raises(DisconnectedError, match="not connected"):
        await adapter.write(tag(adapter, "Setpoint"), 1.0)


async def test_a_write_without_an_answer_says_that_it_is_in_doubt(relay: Relay, tmp_path: Path) -> None:
    adapter = OpcuaAdapter(connection(boiler(relay.port, "500ms", Setpoint={})), host(tmp_path))
    await adapter.connect()
    sending = asyncio.Event()

    async def stop(*_: Any) -> None:
        relay.hold = True
        sending.set()

    session = adapter._session
    assert session is not None
    asked = session.ask

    async def ask(service: Any) -> Any:
        await stop()
        return await asked(service)

    session.ask = ask  # type: ignore[method-assign]
    with pytest.raises(DisconnectedError, match="what Setpoint holds is not known"):
        await adapter.write(tag(adapter, "Setpoint"), 20.5)
    assert sending.is_set()
    await adapter.close()
