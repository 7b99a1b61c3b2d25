"""EMQX Neuron: its documented addresses import, and what is read is what the documented byte orders give.

The model is written after neuron-docs, south-devices/modbus-tcp: the digits of each symbol are the places on the wire.
"""

import json
import struct
from typing import Any

import pytest

from tests.importing.site import CANARY, Site, registers, same, serving, wire

SYMBOLS = {  # byte order as documented: "2,1,4,3" says which byte of the wire comes first
    "": None, "#L": "12", "#B": "21", "#LL": "1234", "#LB": "2143", "#BL": "3412", "#BB": "4321",
}  # fmt: skip
CODES = {"int16": 3, "uint16": 4, "int32": 5, "uint32": 6, "int64": 7, "uint64": 8, "float": 9, "double": 10, "bit": 11,
         "string": 13}  # fmt: skip
FORMS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "float": "f", "double": "d"}


def value(values: list[int], address: int, kind: str, symbol: str) -> float:
    """What Neuron shows; addresses count from 1, and the standard order is the default."""
    count = struct.calcsize(">" + FORMS[kind]) // 2
    raw = wire(values, address - 1, count)
    digits = SYMBOLS[symbol] or "12345678"[: 2 * count]
    found: float = struct.unpack(">" + FORMS[kind], bytes(raw[int(digit) - 1] for digit in digits))[0]
    return found


def node(tags: list[dict[str, Any]], port: int = 502, **params: Any) -> str:
    base = {"connection_mode": 0, "host": "127.0.0.1", "port": port, "timeout": 3000, "interval": 20, "max_retries": 0}
    group = {"group": "g1", "interval": 500, "tags": tags}
    return json.dumps({"nodes": [{"name": "plc", "plugin": "Modbus TCP", "params": base | params, "groups": [group]}]})


def tag(name: str, address: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "address": address, "attribute": 1, "type": CODES[kind], **more}


@pytest.mark.parametrize("area", ["3", "4"])
def test_every_type_and_order_reads_what_neuron_reads(site: Site, area: str) -> None:
    values, meant = registers(6), dict[str, Any]()
    tags: list[dict[str, Any]] = []
    for kind, form in FORMS.items():
        for symbol, digits in SYMBOLS.items():
            if digits is None or len(digits) == struct.calcsize(">" + form):
                address, name = 1 + 6 * len(tags), f"t{len(tags)}"
                tags.append(tag(name, f"1!{area}{address:05}{symbol}", kind))
                meant[f"plc.{name}"] = value(values, address, kind, symbol)
    tags += [tag("scaled", f"1!{area}00400", "int16", decimal=0.1, bias=5), tag("bit", f"1!{area}00500.9", "bit")]
    tags += [tag("high", f"1!{area}00600.6H", "string"), tag("low", f"1!{area}00610.6", "string")]
    meant["plc.scaled"] = value(values, 400, "int16", "") * 0.1 + 5
    meant["plc.bit"] = values[499] >> 9 & 1
    text = wire(values, 609, 3)
    meant |= {"plc.high": wire(values, 599, 3).decode("latin-1")}
    meant |= {"plc.low": bytes(text[at ^ 1] for at in range(6)).decode("latin-1")}
    with serving(values) as port:
        done = site.run("neuron", {"neuron.json": node(tags, port)})
        assert (done.code, site.checks()) == (0, True), done.notes
        read = site.reads()
    assert [(name, read[name], meant[name]) for name in meant if not same(read[name], meant[name])] == []


@pytest.mark.parametrize(("code", "digits"), [(1, "1234"), (2, "2143"), (3, "4321"), (4, "3412")])
def test_the_order_of_the_node_holds_where_the_tag_says_none(site: Site, code: int, digits: str) -> None:
    values = registers(7)
    tags = [tag("plain", "1!400011", "uint32"), tag("own", "1!400021#BL", "uint32"), tag("short", "1!400031", "uint16")]
    with serving(values) as port:
        assert site.run("neuron", {"n.json": node(tags, port, endianess=code)}).code == 0
        assert site.checks()
        read = site.reads()
    raw = wire(values, 10, 2)
    assert read["plc.plain"] == int.from_bytes(bytes(raw[int(digit) - 1] for digit in digits), "big")
    assert read["plc.own"] == value(values, 21, "uint32", "#BL")
    assert read["plc.short"] == values[30]


def test_addresses_count_from_0_where_the_node_says_so(site: Site) -> None:
    values = registers(8)
    with serving(values) as port:
        tags = [tag("r", "1!40003", "uint16"), tag("c", "1!000003", "bit")]
        assert site.run("neuron", {"n.json": node(tags, port, address_base=0)}).code == 0
        assert site.checks()
        read = site.reads()
    assert read == {"plc.r": values[3], "plc.c": 1}


def test_the_units_of_one_node_become_devices(site: Site) -> None:
    tags = [tag("a", "1!40001", "int16"), tag("b", "2!40001", "int16"), tag("coil", "2!000001", "bit")]
    done = site.run("neuron", {"n.json": node(tags, backup_host="10.0.5.1", backup_port=503)})
    assert (done.code, site.checks()) == (0, True)
    assert done.devices["plc-2"]["connect"] == "tcp://127.0.0.1:502?unit=2"
    assert done.devices["plc-2"]["tags"].keys() == {"b", "coil"}
    device = done.devices["plc-1"]
    assert (device["every"], device["delay"], device["timeout"]) == ("500ms", "20ms", "3s")
    assert device["backup"] == "tcp://10.0.5.1:503"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"address": "1!40001.10D", "type": 13}, ("address", "one character in each register")),
        ({"address": "1!40001", "type": 14}, ("address", "no type 14")),
        ({"address": "40001", "type": 3}, ("address", "is no address")),
        ({"address": "1!40000", "type": 3}, ("address", "is no address")),
        ({"address": "1!40001", "type": 99}, ("type", "no type 99")),
        ({"address": "1!40001", "type": 3, "attribute": 2}, ("only be written",)),
        ({"address": "1!40001", "type": 3, "attribute": 8, "value": 4}, ("static value",)),
    ],
)
def test_what_there_is_not_here_is_lost_with_its_place(
    site: Site, made: dict[str, Any], words: tuple[str, ...]
) -> None:
    bad = {"name": "bad", "attribute": 1, **made}
    done = site.run("neuron", {"n.json": node([tag("good", "1!40001", "int16"), bad])})
    assert (done.code, site.checks()) == (1, True)
    assert done.tags.keys() == {"good"}
    assert done.told("lost", "groups[0].tags[1]", *words), done.notes


def test_a_tag_that_could_be_written_is_told(site: Site) -> None:
    done = site.run("neuron", {"n.json": node([{**tag("a", "1!40001", "int16"), "attribute": 3}])})
    assert done.code == 0
    assert done.told("changed", "attribute", "nothing is written")


def test_the_csv_of_a_nodes_tags_takes_its_connection_from_the_command_line(site: Site) -> None:
    text = (
        "group,name,address,attribute,type,description,decimal,precision\n"
        "fast,temp,1!400001#B,Read Subscribe,INT16,oven,0.1,\n"
        "slow,mode,2!400010,Read Write,UINT16,,,\n"
    )
    done = site.run("neuron", {"oven.csv": text}, "--connect", "tcp://10.0.0.7:502")
    assert (done.code, site.checks()) == (0, True)
    assert done.devices["oven-1"]["tags"]["temp"] == {
        "at": "holding:0", "type": "int16", "scale": 0.1, "description": "oven"}  # fmt: skip
    assert done.devices["oven-1"]["order"] == "DCBA"
    assert done.devices["oven-2"]["connect"] == "tcp://10.0.0.7:502?unit=2"
    assert done.told("changed", "oven.csv:3: attribute", "nothing is written")
    assert done.told("mapped", "oven.csv:3", "oven-2.mode")
    site.home.joinpath("devices.d", "oven-1.yaml").unlink()
    site.home.joinpath("devices.d", "oven-2.yaml").unlink()
    without = site.run("neuron", {"oven.csv": text})
    assert without.code == 78
    assert "--connect" in without.err


def test_a_serial_node_and_one_that_others_dial_into(site: Site) -> None:
    line = {"link": 0, "device": "/dev/ttyS0", "baud": 3, "parity": 2, "stop": 0, "data": 3, "interval": 0}
    serial = {"name": "bus", "plugin": "Modbus RTU", "params": line}
    server = {"name": "dtu", "plugin": "Modbus TCP", "params": {"connection_mode": 1, "host": "0.0.0.0", "port": 1502}}  # noqa: S104
    groups = [{"group": "g", "interval": 1000, "tags": [tag("a", "5!40001", "int16")]}]
    mqtt = {"name": "north", "plugin": "MQTT", "params": {"host": "b"}}
    nodes = [{**serial, "groups": groups}, {**server, "groups": groups}, mqtt]
    done = site.run("neuron", {"n.json": json.dumps({"nodes": nodes})})
    assert (done.code, site.checks()) == (1, True)
    assert done.devices["bus"]["connect"] == "rtu:///dev/ttyS0?baud=19200&parity=E&stop=1&unit=5"
    assert done.devices["dtu"]["connect"] == "listen://0.0.0.0:1502?unit=5"
    assert done.told("lost", "nodes[2]", "MQTT")


def test_opcua_addresses_as_documented(site: Site) -> None:
    tags = [
        {"name": "time", "address": "0!2258", "attribute": 1, "type": 6},
        {"name": "tag1", "address": "2!Device1.Module1.Tag1", "attribute": 1, "type": 1},
        {"name": "guid", "address": "0!c496578a-0dfe-4b8f-870a-745238c6ae00", "attribute": 1, "type": 12},
        {"name": "third", "address": "1[2]!array1d[string]", "attribute": 1, "type": 13},
    ]
    params = {"url": "opc.tcp://127.0.0.1:4840/", "username": "op", "password": CANARY, "security_mode": 3,
              "update_mode": 1}  # fmt: skip
    group = {"group": "g", "interval": 1000, "tags": tags}
    text = json.dumps({"nodes": [{"name": "ua", "plugin": "OPC UA", "params": params, "groups": [group]}]})
    done = site.run("neuron", {"n.json": text})
    assert (done.code, site.checks()) == (1, True)
    assert {name: one["node"] for name, one in done.tags.items()} == {
        "time": "i=2258", "tag1": "ns=2;s=Device1.Module1.Tag1", "guid": "g=c496578a-0dfe-4b8f-870a-745238c6ae00",
    }  # fmt: skip
    assert done.devices["ua"]["security"] == "sign_and_encrypt"
    assert done.devices["ua"]["mode"] == "subscribe"
    assert done.told("lost", "tags[3]", "array")
    assert CANARY not in done.out
