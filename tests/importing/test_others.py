"""OPC Publisher, benthos-umh and EdgeX: the samples of their documentation import, and their traps are told."""

import json
import struct
from typing import Any

import pytest

from tests.importing.site import CANARY, Site, registers, same, serving, wire

PUBLISHED: list[dict[str, Any]] = [
    {
        "EndpointUrl": "opc.tcp://testserver:62541/Quickstarts/ReferenceServer", "UseSecurity": True,
        "OpcNodes": [
            {"Id": "i=2258", "OpcSamplingInterval": 2000, "OpcPublishingInterval": 5000, "DisplayName": "Current time"}
        ],
    },
    {
        "EndpointUrl": "opc.tcp://10.0.4.30:4840", "UseSecurity": False, "DataSetWriterGroup": "line",
        "DataSetWriterId": "fast", "OpcAuthenticationMode": "UsernamePassword", "OpcAuthenticationUsername": "op",
        "OpcAuthenticationPassword": CANARY, "DataSetPublishingInterval": 250, "BatchSize": 50,
        "OpcNodes": [
            {"ExpandedNodeId": "nsu=http://maker/line;s=Temp", "OpcSamplingIntervalTimespan": "00:00:00.100",
             "OpcSamplingInterval": 9000, "QueueSize": 5, "DeadbandType": "Absolute", "DeadbandValue": 0.5},
            {"Id": "http://maker/line#s=Flow", "HeartbeatInterval": 30, "SkipFirst": True},
            {"Id": "ns=2;s=Level", "DeadbandType": "Percent", "DeadbandValue": 2, "DiscardNew": True},
            {"Id": "i=2253", "DisplayName": "events", "EventFilter": {"TypeDefinitionId": "i=2041"}},
            {"Id": "ns=2;s=Array", "IndexRange": "0:3"},
        ],
    },
]  # fmt: skip


def test_published_nodes(site: Site) -> None:
    done = site.run("opcpublisher", {"publishednodes.json": json.dumps(PUBLISHED)})
    assert (done.code, site.checks()) == (1, True)
    first, second = done.devices["testserver"], done.devices["line_fast"]
    assert (first["security"], first["mode"], first["every"]) == ("sign_and_encrypt", "subscribe", "2s")
    assert first["tags"] == {"Current_time": {"node": "i=2258"}}
    assert "security" not in second
    assert second["queue"] == 5
    nodes = {one["node"]: one for one in second["tags"].values()}
    assert nodes.keys() == {"nsu=http://maker/line;s=Temp", "nsu=http://maker/line;s=Flow", "ns=2;s=Level"}
    assert nodes["nsu=http://maker/line;s=Temp"] == {
        "node": "nsu=http://maker/line;s=Temp", "deadband": 0.5, "every": "100ms"}  # fmt: skip
    assert second["every"] == "250ms"
    for kind, *words in (
        ("changed", "HeartbeatInterval"), ("changed", "SkipFirst"), ("lost", "DeadbandType", "percent"),
        ("lost", "DiscardNew"), ("lost", "entries[1].OpcNodes[3]", "events"), ("lost", "IndexRange"),
        ("changed", "BatchSize"), ("secret", "password of user op"),
    ):  # fmt: skip
        assert done.told(kind, *words), (kind, words)
    assert CANARY not in done.out + (site.home / "devices.d" / "line_fast.yaml").read_text()


def test_cyclic_reads_and_the_form_of_one_node_an_entry(site: Site) -> None:
    entries = [
        {"EndpointUrl": "opc.tcp://a", "OpcNodes": [{"Id": "ns=2;s=A", "UseCyclicRead": True}]},
        {"EndpointUrl": "opc.tcp://b", "NodeId": {"Identifier": "ns=2;s=B"}},
    ]
    done = site.run("opcpublisher", {"p.json": json.dumps(entries)})
    assert (done.code, site.checks()) == (0, True)
    assert (done.devices["a"]["mode"], done.devices["b"]["mode"]) == ("read", "subscribe")
    assert done.devices["b"]["tags"]["B"] == {"node": "ns=2;s=B"}


BENTHOS = """
input:
  modbus:
    controller: 'tcp://127.0.0.1:PORT'
    transmissionMode: 'TCP'
    slaveIDs: [1, 2]
    timeBetweenReads: 500ms
    timeout: 2s
    byteOrder: 'CDAB'
    optimization: none
    workarounds: {pauseAfterConnect: 0s, timeBetweenRequests: 20ms}
    addresses:
      - {name: temp, register: holding, address: 4, type: FLOAT32}
      - {name: door, register: coil, address: 3, type: BIT}
    unifiedAddresses:
      - speed.holding.100.INT32:scale=0.1
      - only.holding.120.UINT16:slaveID=2
      - text.holding.130.STRING:length=2
      - wrong.holding
pipeline:
  processors:
    - tag_processor: {defaults: "msg.meta.location_path = 'plant'"}
output:
  uns: {}
"""


def test_benthos_modbus(site: Site) -> None:
    values = registers(12)
    with serving(values) as port:
        done = site.run("benthos", {"benthos.yaml": BENTHOS.replace("PORT", str(port))})
        assert (done.code, site.checks()) == (1, True)
        read = site.reads()
    first, second = (f"modbus-127_0_0_1-{unit}" for unit in (1, 2))
    assert done.devices[first]["delay"] == "20ms"
    assert done.devices[second]["tags"].keys() == {"temp", "door", "speed", "only", "text"}
    assert "only" not in done.devices[first]["tags"]
    swapped = wire(values, 5, 1) + wire(values, 4, 1)
    assert same(read[f"{first}.temp"], struct.unpack(">f", swapped)[0])
    assert same(read[f"{second}.speed"], struct.unpack(">i", wire(values, 101, 1) + wire(values, 100, 1))[0] * 0.1)
    assert read[f"{second}.text"] == wire(values, 130, 2).decode("latin-1")
    assert read[f"{first}.door"] == 1
    assert done.told("lost", "unifiedAddresses[3]", "is not written")
    assert done.told("lost", "pipeline")
    assert done.told("changed", "output")


def test_benthos_opcua_below_a_broker(site: Site) -> None:
    text = """
input:
  broker:
    inputs:
      - opcua:
          endpoint: opc.tcp://10.0.4.30:4840
          username: op
          password: c4n4ry-of-a-plant
          securityMode: SignAndEncrypt
          securityPolicy: Basic256Sha256
          subscribeEnabled: true
          nodeIDs: ['ns=2;s=Heater.Temp', 'ns=2;i=1004']
      - opcua: {endpoint: 'opc.tcp://10.0.4.31:4840', nodeIDs: ['ns=2;s=A'], pollRate: 2000}
"""
    done = site.run("benthos", {"b.yaml": text})
    assert (done.code, site.checks()) == (0, True)
    first, second = done.devices["10_0_4_30"], done.devices["10_0_4_31"]
    assert first["tags"] == {"Heater_Temp": {"node": "ns=2;s=Heater.Temp"}, "node_1004": {"node": "ns=2;i=1004"}}
    assert (first["mode"], second["every"]) == ("subscribe", "2s")
    assert done.told("changed", "nodeIDs", "folder")
    assert done.told("changed", "inputs[1]", "best security")
    assert CANARY not in done.out + (site.home / "devices.d" / "10_0_4_30.yaml").read_text()


PROFILE = """
name: "Test-Device-Modbus-Profile"
manufacturer: "Cool Automation"
model: "CoolMasterNet"
labels: ["HVAC"]
description: "a bridge"
deviceResources:
- name: "SwitchA"
  isHidden: true
  description: "On/Off"
  attributes: { primaryTable: "COILS", startingAddress: 0 }
  properties: {valueType: "Bool", readWrite: "RW", scale: 1, minimum: 0, maximum: 1, defaultValue: "0"}
- name: "OperationMode"
  attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: 1 }
  properties: {valueType: "Int16", readWrite: "RW"}
- name: "Failure"
  attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: 10.10 }
  properties: {valueType: "Bool", readWrite: "R"}
- name: "Quoted"
  attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: "10.1" }
  properties: {valueType: "Bool", readWrite: "R"}
- name: "RoomTemperature"
  attributes: { primaryTable: "INPUT_REGISTERS", startingAddress: 3, rawType: "Int16" }
  properties: {valueType: "Float32", readWrite: "R", scale: 0.1, units: "°C"}
- name: "Swapped"
  attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: 20, isByteSwap: true, isWordSwap: true }
  properties: {valueType: "Int32", readWrite: "R"}
- name: "Long"
  attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: 30, isWordSwap: true }
  properties: {valueType: "Int64", readWrite: "R"}
- name: "Masked"
  attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: 40 }
  properties: {valueType: "Uint16", readWrite: "R", mask: 65280}
- name: "Text"
  attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: 50, stringRegisterSize: 3 }
  properties: {valueType: "String", readWrite: "R"}
- name: "OnlyWritten"
  attributes: { primaryTable: "HOLDING_REGISTERS", startingAddress: 60 }
  properties: {valueType: "Uint16", readWrite: "W"}
deviceCommands:
- name: "Values"
  readWrite: "RW"
  resourceOperations:
  - { deviceResource: "SwitchA", mappings: {"true":"ON","false":"OFF"} }
  - { deviceResource: "OperationMode", mappings: { "0":"Cool","1":"Heat" } }
"""
DEVICES = """
deviceList:
- name: Modbus-TCP-test-device
  profileName: Test-Device-Modbus-Profile
  description: a product
  labels: [modbus TCP]
  protocols:
    modbus-tcp: {Address: 127.0.0.1, Port: PORT, UnitID: 1, Timeout: 5, IdleTimeout: 5}
  autoEvents:
  - {interval: 20s, onChange: false, sourceName: Values}
- name: Modbus-RTU-test-device
  profileName: Test-Device-Modbus-Profile
  protocols:
    modbus-rtu: {Address: /tmp/slave, UnitID: 1, BaudRate: 19200, DataBits: 8, StopBits: 1, Parity: 'N', Timeout: 5}
- name: nobody
  profileName: Other-Profile
  protocols: {modbus-tcp: {Address: h}}
"""


def test_an_edgex_profile_with_its_devices(site: Site) -> None:
    values = registers(13)
    with serving(values) as port:
        files = {"profile.yml": PROFILE, "devices.yaml": DEVICES.replace("PORT", str(port))}
        done = site.run("edgex", files)
        assert (done.code, site.checks()) == (1, True)
        (site.home / "devices.d" / "Modbus-RTU-test-device.yaml").unlink()
        read = {name.partition(".")[2]: one for name, one in site.reads().items()}
    device = done.devices["Modbus-TCP-test-device"]
    assert (device["every"], device["timeout"], device["description"]) == ("20s", "5s", "a product")
    assert done.devices["Modbus-RTU-test-device"]["connect"] == "rtu:///tmp/slave?baud=19200&parity=N&stop=1&unit=1"
    raw = wire(values, 20, 2)
    meant = {
        "SwitchA": 1, "Failure": values[10] >> 10 & 1, "Quoted": values[10] >> 1 & 1,
        "RoomTemperature": struct.unpack(">h", wire(values, 3, 1))[0] * 0.1,
        "Swapped": struct.unpack(">i", raw[::-1])[0], "Long": struct.unpack(">q", wire(values, 30, 4))[0],
        "Masked": values[40] & 65280, "Text": wire(values, 50, 3).decode("latin-1"),
    }  # fmt: skip
    assert [(name, read[name], meant[name]) for name in meant if not same(read[name], meant[name])] == []
    assert (device["tags"]["Failure"]["bit"], device["tags"]["Quoted"]["bit"]) == (10, 1)
    assert device["tags"]["OperationMode"]["enum"] == {"0": "Cool", "1": "Heat"}
    assert "range" not in device["tags"]["SwitchA"]
    for kind, *words in (
        ("changed", "minimum", "clamp"), ("changed", "swaps count for 32 bits only"), ("changed", "on demand"),
        ("lost", "deviceResources[9]", "only be written"), ("lost", "deviceList[2]", "Other-Profile"),
    ):  # fmt: skip
        assert done.told(kind, *words), (kind, words)


def test_an_edgex_profile_of_an_opcua_server_alone(site: Site) -> None:
    profile = {
        "name": "Sim", "deviceResources": [
            {"name": "Counter", "attributes": {"nodeId": "ns=5;s=Counter1"}, "properties": {"valueType": "Int32"}},
            {"name": "Call", "attributes": {"methodId": "ns=5;s=M"}, "properties": {"valueType": "String"}},
        ],
    }  # fmt: skip
    done = site.run("edgex", {"p.json": json.dumps(profile)}, "--connect", "opc.tcp://h:4840")
    assert (done.code, site.checks()) == (1, True)
    assert done.tags["Counter"]["node"] == "ns=5;s=Counter1"
    assert done.told("lost", "deviceResources[1]", "methods")
    assert "--connect" in site.run("edgex", {"p.json": json.dumps(profile)}, "--force").err


@pytest.mark.parametrize("kind", ["opcpublisher", "benthos", "edgex", "kepware", "neuron", "thingsboard"])
def test_a_file_of_something_else_is_refused_with_its_name(site: Site, kind: str) -> None:
    done = site.run(kind, {"odd.json": '{"something": "else"}'})
    assert done.code == 78
    assert "odd.json" in done.err


def test_a_period_that_only_some_tags_have_stays_theirs(site: Site) -> None:
    events = "  autoEvents:\n  - {interval: 5s, sourceName: Failure}\n  - {interval: 2s, sourceName: Quoted}\n"
    device = f"deviceList:\n- name: d\n  profileName: Test-Device-Modbus-Profile\n{events}"
    protocols = "  protocols: {modbus-tcp: {Address: h, Port: 502, UnitID: 1}}\n"
    done = site.run("edgex", {"p.yml": PROFILE, "d.yaml": device + protocols}, "--accept-loss")
    assert (done.code, site.checks()) == (0, True)
    assert done.devices["d"]["every"] == "2s"
    assert done.tags["Failure"]["every"] == "5s"
    assert "every" not in done.tags["SwitchA"]
