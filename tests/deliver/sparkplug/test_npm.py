"""What we send, read by another maker's decoder: npm `sparkplug-payload`, of the Eclipse Tahu project."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import npm
from tests.deliver.brokers import Process
from tests.deliver.sparkplug.rig import PUMP, Plant
from tests.deliver.sparkplug.tap import Packet, Tap

NODE = npm.folder("sparkplug")
PACKAGE = "sparkplug-payload@1"


@pytest.fixture(scope="session")
def decoder() -> dict[str, str]:
    """The environment in which it is found."""
    if reason := npm.install(NODE, PACKAGE):
        pytest.skip(f"sparkplug-payload: {reason}")
    return os.environ | {"NODE_PATH": str(NODE / "node_modules")}


def decoded(bodies: list[bytes], env: dict[str, str]) -> list[dict[str, Any]]:
    """What it makes of payloads."""
    lines = "\n".join(body.hex() for body in bodies) + "\n"
    script = Path(__file__).parent / "decode.js"
    done = subprocess.run(
        ["node", script], input=lines, capture_output=True, text=True, env=env, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


async def sent(folder: Path, broker: Process, **sparkplug: Any) -> list[Packet]:
    """Births, live and historical data of every datatype and quality, a device's death, our own."""
    plant = Plant(folder, (tap := Tap(broker.ports[0])).port, sparkplug=sparkplug)
    async with tap.open():
        plant.scan("pump-7", *PUMP)
        plant.scan("tank-1", 40.0, 2.0)
        async with plant.running():
            await plant.until(plant.settled, "told")
            plant.scan("pump-7", *PUMP)
            plant.scan("tank-1", 41.0, None)
            plant.scan("valve-3", 1.0)
            await plant.until(plant.settled, "told")
            plant.lose("pump-7")
            await plant.until(plant.settled, "told")
    return [packet for packet in tap.packets if packet.type]


async def test_births_and_deaths_are_read_whole(tmp_path: Path, broker: Process, decoder: dict[str, str]) -> None:
    packets = await sent(tmp_path, broker)
    found = {(packet.type, packet.device): one for packet, one in zip(
        packets, decoded([packet.body for packet in packets], decoder), strict=True
    )}  # fmt: skip
    birth = {one["name"]: one for one in found["DBIRTH", "pump-7"]["metrics"]}
    assert {name: (one["type"], one["value"]) for name, one in birth.items()} == {
        "flow": ("Double", 101.5), "running": ("Boolean", True), "count": ("UInt16", 40000),
        "total": ("Int64", str(-(2**40))), "state": ("String", "on"), "speed": ("Float", 1.5),
    }  # fmt: skip
    assert birth["flow"]["properties"]["engUnit"] == {"type": "String", "value": "m³/h"}
    assert birth["flow"]["properties"]["Quality"] == {"type": "Int32", "value": 192}
    node = {one["name"]: one["value"] for one in found["NBIRTH", ""]["metrics"]}
    assert (node["bdSeq"], node["Node Control/Rebirth"]) == ("0", False)
    assert found["NDEATH", ""].get("seq") is None
    assert found["DDEATH", "pump-7"]["seq"] == str(packets[[p.type for p in packets].index("DDEATH")].payload.seq)
    assert [int(one["seq"]) for packet, one in zip(packets, decoded([p.body for p in packets], decoder), strict=True)
            if packet.type != "NDEATH"] == list(range(len(packets) - 1))  # fmt: skip


async def test_data_are_read_with_their_values(tmp_path: Path, broker: Process, decoder: dict[str, str]) -> None:
    packets = [packet for packet in await sent(tmp_path, broker, datatypes=True) if packet.type == "DDATA"]
    found = decoded([packet.body for packet in packets], decoder)
    pumps = [one["metrics"] for packet, one in zip(packets, found, strict=True) if packet.device == "pump-7"]
    values = {"Double": 101.5, "Boolean": True, "UInt16": 40000, "Int64": str(-(2**40)), "String": "on", "Float": 1.5}
    for metrics, historical in zip(pumps[:2], (True, False), strict=True):
        assert {one["type"]: one["value"] for one in metrics} == values
        assert {one["isHistorical"] for one in metrics} == {historical}
    assert {one["value"] for one in pumps[2]} == {None}, "the device was lost"
    [tank] = [one["metrics"] for packet, one in zip(packets, found, strict=True) if packet.device == "tank-1"][1:]
    bad = next(one for one in tank if one["value"] is None)
    assert bad["properties"]["Quality"] == {"type": "Int32", "value": 0}
    assert bad["properties"]["StatusCode"] == {"type": "Int64", "value": str(0x800A0000)}


async def test_without_datatypes_alias_time_and_flag_are_read(
    tmp_path: Path, broker: Process, decoder: dict[str, str]
) -> None:
    """As the specification wants it: the datatype is that of the birth, which this decoder does not remember."""
    packets = [packet for packet in await sent(tmp_path, broker) if packet.type == "DDATA"]
    for packet, one in zip(packets, decoded([packet.body for packet in packets], decoder), strict=True):
        ours = [(metric.alias, metric.timestamp, metric.historical) for metric in packet.payload.metrics]
        theirs = [(int(m["alias"]), int(m["timestamp"]), m["isHistorical"]) for m in one["metrics"]]
        assert theirs == ours
