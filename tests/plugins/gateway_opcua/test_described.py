"""What servers say of their variables: units, ranges and the texts of values, at two real ones and by hand."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk.described import Described, Describes
from gateway_opcua.described import described, range_of, texts_of, texts_of_fields, unit_of
from gateway_sim.points import Point
from gateway_sim.servers.opcua import OpcuaServer
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.rigs import device, eventually, running

COLOUR = {"node": f"nsu={URI};s=Colour"}
SOON: dict[str, Any] = {"mode": "subscribe", "retry": "200ms"}
COLOURS = {0: "red", 1: "green"}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_opcua.describer._PAUSE", 0.0)
    monkeypatch.setattr("gateway_opcua.describer._AGAIN", 0.2)
    monkeypatch.setattr("gateway_opcua.describer._MAX_WAIT", 0.2)
    monkeypatch.setattr("gateway_opcua.describer._SURE", 0.2)


async def _known(run: Any, tag: str) -> Described:
    async with asyncio.timeout(15):
        while (one := run.adapter.described().get(f"heater.{tag}")) is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert isinstance(one, Described)
    return one


@pytest.mark.parametrize("mode", ["read", "subscribe"])
async def test_unit_range_and_texts_come_from_the_server(asyncua_server: Process, tmp_path: Path, mode: str) -> None:
    names = {
        "plain": "N1",
        "temp": "Boiler.Temperature",
        "bar": "Boiler.Pressure",
        "Colour": "Colour",
        "Valve": "Valve",
    }
    tags = {tag: {"node": f"nsu={URI};s={name}"} for tag, name in names.items()}
    async with running(tmp_path, device(asyncua_server.port, tags, mode=mode)) as run:
        assert isinstance(run.adapter, Describes)
        assert await _known(run, "temp") == Described("°C", (0.0, 100.0))
        assert await _known(run, "bar") == Described("CEL", (0.0, 10.0))
        assert await _known(run, "Colour") == Described(texts=COLOURS)
        assert await _known(run, "Valve") == Described(texts={0: "shut", 1: "open"})
        assert "heater.plain" not in run.adapter.described()  # of which it says nothing
        await run.until(lambda: run.last("Colour") == (1.0, 0))  # the value is a number as before


async def test_a_value_is_read_by_its_scans_alone(tmp_path: Path) -> None:
    """A recording that moves on as it is read showed it: the describer's own look at the values ate a row."""
    server, reads = OpcuaServer("plc", [Point("bar", unit="bar"), Point("plain")]), list[set[int]]()
    port = int((await server.start()).rstrip("/").rpartition(":")[2])
    server.on_read = reads.append
    tags = {name: {"node": server.node_id(at)} for at, name in enumerate(("bar", "plain"))}
    try:
        async with running(tmp_path, device(port, tags, every="30s")) as run:
            assert (await _known(run, "bar")).unit == "bar"
            await run.until(lambda: bool(run.sink.data))
            assert reads == [{0, 1}]
    finally:
        await server.stop()


async def test_likewise_from_another_makers_server(node_opcua_server: Process, tmp_path: Path) -> None:
    names = {"temp": "Boiler.Temperature"} | {name: name for name in ("Colour", "Stage", "Speed", "Valve")}
    tags = {tag: {"node": f"ns=1;s={name}"} for tag, name in names.items()}
    async with running(tmp_path, device(node_opcua_server.port, tags)) as run:
        assert await _known(run, "temp") == Described("°C", (-20.0, 120.0))
        assert await _known(run, "Colour") == Described(texts=COLOURS)
        assert await _known(run, "Stage") == Described(texts={0: "idle", 1: "filling", 2: "heating"})
        assert await _known(run, "Speed") == Described(texts={10: "slow", 20: "fast"})
        assert await _known(run, "Valve") == Described(texts={0: "shut", 1: "open"})


async def test_a_node_that_comes_later_is_described_then(asyncua_server: Process, tmp_path: Path) -> None:
    """Named by its path, which leads nowhere at first; and by an id, of which the server knows nothing yet."""
    late = {"path": f"/Objects/nsu={URI};Line/0:Late"}, {"node": f"nsu={URI};s=Late"}
    tags = {"late": late[0], "same": late[1], "Colour": COLOUR}
    async with running(tmp_path, device(asyncua_server.port, tags, **SOON)) as run:
        assert await _known(run, "Colour") == Described(texts=COLOURS)
        assert set(run.adapter.described()) == {"heater.Colour"}
        await asyncio.to_thread(asyncua_server.tell, "model Late")
        assert await _known(run, "late") == Described("bar", (0.0, 6.0))
        assert await _known(run, "same") == Described("bar", (0.0, 6.0))
    await asyncio.to_thread(asyncua_server.tell, "delete Late")


async def test_a_server_that_will_not_be_asked_keeps_its_readings(
    asyncua_server: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browse without an answer is no reason to give up a session whose reads are answered."""

    async def silent(*_: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr("gateway_opcua.channel.QuietSession.browse", silent)
    async with running(tmp_path, device(asyncua_server.port, {"Colour": COLOUR})) as run:
        await eventually(lambda: any("values mean" in event for _, event, _ in run.log.lines))
        seen = len(run.sink.data)
        await run.until(lambda: len(run.sink.data) > seen + 10)
        told = [event for _, event, _ in run.log.lines]
        assert told.count("the server does not say what its values mean") == 1
        assert run.adapter.described() == {}


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        ({}, Described()),
        ({"unit": {"DisplayName": " bar "}, "range": {"Low": 0.0, "High": 6.0}}, Described("bar", (0.0, 6.0))),
        ({"unit": "bar", "range": [0.0, 6.0], "texts": None}, Described()),
        ({"texts": {1: "on"}}, Described(texts={1: "on"})),
    ],
)
def test_what_makes_no_sense_says_nothing(reads: dict[str, Any], said: Described) -> None:
    assert described(reads) == said


@pytest.mark.parametrize(
    ("reads", "texts"),
    [
        ({"strings": ["a", None, "c"]}, {0: "a", 2: "c"}),
        ({"values": [{"Value": -3, "DisplayName": "cold"}, {"Value": "x"}, 7]}, {-3: "cold"}),
        ({"strings": None, "false": "off", "true": "on"}, {0: "off", 1: "on"}),
        ({"strings": [str(i) for i in range(5000)]}, {i: str(i) for i in range(1000)}),
        ({}, {}),
    ],
)
def test_texts_by_any_property(reads: dict[str, Any], texts: dict[int, str]) -> None:
    assert texts_of(reads) == texts


def test_a_field_without_a_text_goes_by_its_name() -> None:
    assert texts_of_fields([{"Value": 4, "DisplayName": None, "Name": "Four"}]) == {4: "Four"}
    assert texts_of_fields("nonsense") == {}


@pytest.mark.parametrize("span", [None, {"Low": 1.0, "High": 1.0}, {"Low": 0.0, "High": float("inf")}, {"Low": 0}])
def test_a_range_that_is_none(span: Any) -> None:
    assert range_of(span) is None


def test_a_unit_without_a_name_goes_by_its_code() -> None:
    unece = {"NamespaceUri": "http://www.opcfoundation.org/UA/units/un/cefact", "UnitId": 4408652}
    assert unit_of(unece) == "CEL"
    assert unit_of(unece | {"UnitId": -1}) == ""
    assert unit_of(unece | {"NamespaceUri": "urn:mine"}) == ""
