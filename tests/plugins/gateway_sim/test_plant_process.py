import asyncio
from collections.abc import Callable, Iterator

import pytest
from asyncua.client.client import Client
from asyncua.common.node import Node
from pymodbus.client import AsyncModbusTcpClient

from gateway.sdk import DeviceConfig
from gateway_modbus.config import ModbusDevice
from gateway_opcua.config import OpcuaDevice
from gateway_sim.demo_config import configuration, farm_configuration
from gateway_sim.faults import FAULTS
from gateway_sim.launch import Simulator, SimulatorError
from gateway_sim.points import ASSETS, POINTS


@pytest.fixture(scope="module")
def plant() -> Iterator[Simulator]:
    with Simulator("plant", "--step", "20ms", "--pace", "20") as plant:
        yield plant


async def until(node: Node, holds: Callable[[float], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if holds(await node.read_value()):
                return
            await asyncio.sleep(0.02)


def test_the_ready_line_tells_all_that_a_configuration_needs(plant: Simulator) -> None:
    made = configuration(plant.ready, "50ms")
    plc, io = made["devices"]
    assert len(plc["tags"]) == len(io["tags"]) == len(POINTS) // 2
    assert (plc["adapter"], plc["mode"], plc["every"]) == ("opcua", "read", "50ms")
    assert (io["adapter"], io["order"], io["every"]) == ("modbus", "ABCD", "50ms")
    assert plc["tags"]["tank_level"] == {
        "node": "ns=2;s=plc.tank_level",
        "unit": "m",
        "description": "Level of the tank",
        "range": [0, 6],
    }
    assert [tag["at"] for tag in io["tags"].values()] == [f"holding:{2 * i}" for i in range(len(io["tags"]))]
    assert {tag["type"] for tag in io["tags"].values()} == {"float32"}
    assert made["assets"].keys() == ASSETS.keys()
    both = {tag.split(".")[0] for tag in made["assets"]["pump"]["tags"]}
    assert both == {"plc", "io"}
    known = {f"{device['device']}.{tag}" for device in made["devices"] for tag in device["tags"]}
    assert all(set(asset["tags"]) <= known for asset in made["assets"].values())
    assert {fault["culprit"] for fault in plant.ready["faults"].values()} <= known


async def test_both_halves_are_alive_and_agree_on_the_current(plant: Simulator) -> None:
    plc, io = plant.ready["devices"]
    port = int(io["connect"].split(":")[2].split("?")[0])
    modbus = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=10)
    await modbus.connect()
    register = int(io["tags"]["pump_flow"]["at"].removeprefix("holding:"))
    async with Client(plc["connect"], timeout=10) as client:
        node = client.get_node(plc["tags"]["tank_outflow"]["node"])
        first = await node.read_value()
        await until(node, lambda value: value != first)
        answer = await modbus.read_holding_registers(register, count=2, device_id=1)
        flow = modbus.convert_from_registers(answer.registers, modbus.DATATYPE.FLOAT32)
        assert flow == pytest.approx(await node.read_value(), rel=0.2)
    modbus.close()


async def test_a_fault_is_seen_by_a_client_and_goes_away_again(plant: Simulator) -> None:
    plc = plant.ready["devices"][0]
    name = FAULTS["bearing_wear"].culprit
    async with Client(plc["connect"], timeout=10) as client:
        node = client.get_node(plc["tags"][name]["node"])
        assert await node.read_value() < 3
        assert plant.tell("fault bearing_wear on")["active"] == ["bearing_wear"]
        await until(node, lambda value: value > 4.5)
        plant.tell("fault bearing_wear off")
        await until(node, lambda value: value < 3)


def test_a_fault_that_does_not_exist_is_refused(plant: Simulator) -> None:
    with pytest.raises(SimulatorError, match="no fault 'gremlins'; there are bearing_wear"):
        plant.tell("fault gremlins on")


def test_a_farm_becomes_a_device_a_port_with_a_tag_a_register() -> None:
    made = farm_configuration({"ports": [1001, 1002], "registers": 3, "period": "1s"})
    assert made["devices"][1] == {
        "device": "farm-1",
        "adapter": "modbus",
        "connect": "tcp://127.0.0.1:1002?unit=1",
        "every": "1s",
        "tags": {f"r{i}": {"at": f"holding:{i}", "type": "uint16"} for i in range(3)},
    }


def test_what_is_configured_is_what_the_adapters_take(plant: Simulator) -> None:
    types: dict[str, type[DeviceConfig]] = {"opcua": OpcuaDevice, "modbus": ModbusDevice}
    farm = farm_configuration({"ports": [1001], "registers": 120, "period": "1s"})
    for device in (*configuration(plant.ready, "50ms")["devices"], *farm["devices"]):
        config = types[device["adapter"]].model_validate(device)
        assert len(config.tags) == len(device["tags"])
