"""A write through a whole gateway to an OPC UA server: the same envelope, the same audit."""

from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.client.client import Client

from gateway.state.audit import read, verify
from tests.operators.plc import site, until
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Process

NAMES: dict[str, dict[str, Any]] = {
    "Setpoint": {"range": [0, 50], "unit": "°C", "write": {"step": 15, "interlock": "boiler.On == 0"}},
    "Mode": {"scale": 0.5, "range": [0, 20], "write": {}},
    "On": {"write": {"values": [0, 1]}},
    "Recipe": {"write": {"values": ["pils", "stout"]}},
}


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """The site has the guard, between start and end."""


async def as_at_first(url: str) -> None:
    """Other tests have written to this server."""
    async with Client(url) as client:
        index = await client.get_namespace_index(URI)
        node = client.get_node(f"ns={index};s=Boiler.Setpoint")
        await node.write_value(ua.DataValue(ua.Variant(20.5, ua.VariantType.Float)))


async def test_the_envelope_and_the_audit_are_the_same_for_opc_ua(asyncua_server: Process, tmp_path: Path) -> None:
    tags = {name: {"node": f"nsu={URI};s=Boiler.{name}"} | more for name, more in NAMES.items()}
    connect = f"opc.tcp://127.0.0.1:{asyncua_server.port}"
    device = {"device": "boiler", "adapter": "opcua", "connect": connect, "every": "100ms", "tags": tags}
    await as_at_first(connect)
    async with site(tmp_path, device=device) as one:
        assert (await one.ask("boiler.On", False))["result"] == "done"
        await until(lambda: one.value("boiler.On") == 0, "it is read")
        assert (await one.ask("boiler.Recipe", "pils"))["read_back"] == "pils"
        assert (await one.ask("boiler.Recipe", "water"))["reason"] == "out-of-range"
        assert (await one.ask("boiler.Mode", 3.5))["raw"] == 7
        assert (await one.ask("boiler.Mode", 3.3))["reason"] == "device-refuses"
        answer = await one.ask("boiler.Setpoint", 23.8)
        assert (answer["result"], answer["old"]) == ("done", 20.5)
        assert (await one.ask("boiler.Setpoint", 50.5))["reason"] == "out-of-range"
        assert (await one.ask("boiler.Setpoint", 45))["reason"] == "step"
        assert (await one.ask("boiler.On", True))["result"] == "done"
        await until(lambda: one.value("boiler.On") == 1, "it is read")
        assert (await one.ask("boiler.Setpoint", 21))["reason"] == "interlock"
        assert (await one.ask("boiler.On", False))["result"] == "done"
    kinds = [record.content["kind"] for record in read(tmp_path / "state" / "audit.db")]
    assert kinds.count("intent") == kinds.count("outcome") == 7
    assert verify(tmp_path / "state" / "audit.db")[1] == []
