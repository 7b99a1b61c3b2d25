"""ThingsBoard Gateway: its samples import, and what is read is what its converter would have made of the registers.

The model is written after thingsboard-gateway, bytes_modbus_uplink_converter.py, and pymodbus' BinaryPayloadDecoder.
"""

import itertools
import json
import struct
from typing import Any

from tests.importing.site import CANARY, Site, registers, same, serving, wire

ENDS = ("BIG", "LITTLE")


def decoded(raw: bytes, kind: str, byte_order: str, word_order: str) -> float | str:
    """BinaryPayloadDecoder.fromRegisters(…).decode_*: words reversed, then each packed in byte order."""
    if kind == "string":
        return raw.decode("latin-1")  # characters are taken as they come
    if kind in ("8int", "8uint"):
        return int.from_bytes(raw[:1], "big", signed=kind == "8int")
    words = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    words = words[::-1] if word_order == "LITTLE" else words
    packed = b"".join(word[::-1] if byte_order == "LITTLE" else word for word in words)
    form = {"int": "bhiq", "uint": "BHIQ", "float": " efd"}[kind.lstrip("0123456789")]
    found: float = struct.unpack(">" + form[{2: 1, 4: 2, 8: 3}[len(packed)]], packed)[0]
    return found


def width(kind: str, count: int) -> int:
    return {"8int": 1, "8uint": 1}.get(kind, int(kind[:2]) // 16 if kind[:2].isdigit() else count)


def master(port: int, **slave: Any) -> str:
    base = {"host": "127.0.0.1", "port": port, "type": "tcp", "unitId": 1, "deviceName": "Demo", "pollPeriod": 1000}
    return json.dumps({"master": {"slaves": [base | slave]}})


KINDS: list[tuple[str, int]] = [
    ("8int", 1), ("8uint", 1), ("16int", 1), ("16uint", 1), ("16float", 1), ("32int", 2), ("32uint", 2), ("32float", 2),
    ("64float", 4), ("int", 1), ("int", 2), ("long", 2), ("integer", 4), ("uint", 2), ("float", 2), ("double", 4),
    ("string", 3),
]  # fmt: skip
WIDE = {"int": "int", "long": "int", "integer": "int", "uint": "uint", "float": "float", "double": "float"}


def test_every_type_and_order_reads_what_thingsboard_reads(site: Site) -> None:
    values, meant = registers(4), dict[str, Any]()
    slaves: list[dict[str, Any]] = []
    with serving(values) as port:
        for byte_order, word_order, function in itertools.product(ENDS, ENDS, (3, 4)):
            device, points = f"{byte_order}-{word_order}-{function}", list[dict[str, Any]]()
            for at, (kind, count) in enumerate(KINDS):
                base = {"tag": f"p{at}", "type": kind, "objectsCount": count}
                points.append({**base, "functionCode": function, "address": 6 * at})
                said = f"{16 * count}{WIDE[kind]}" if kind in WIDE else kind
                raw = wire(values, 6 * at, width(kind, count))
                meant[f"{device}.p{at}"] = decoded(raw, said, byte_order, word_order)
            one = json.loads(master(port, byteOrder=byte_order, wordOrder=word_order, timeseries=points))
            slaves.append({**one["master"]["slaves"][0], "deviceName": device})
        done = site.run("thingsboard", {"modbus.json": json.dumps({"master": {"slaves": slaves}})})
        assert (done.code, site.checks()) == (0, True)
        read = site.reads()
    assert [(name, read[name], meant[name]) for name in meant if not same(read[name], meant[name])] == []


def test_both_orders_are_little_where_nothing_is_said(site: Site) -> None:
    values = registers(5)
    points = [
        {"tag": "short", "type": "16int", "functionCode": 3, "objectsCount": 1, "address": 1},
        {"tag": "real", "type": "32float", "functionCode": 3, "objectsCount": 2, "address": 4, "divider": 10},
        {"tag": "twice", "type": "16uint", "functionCode": 4, "objectsCount": 1, "address": 8, "multiplier": 2},
        {"tag": "relay", "type": "bits", "functionCode": 1, "objectsCount": 1, "address": 3},
        {"tag": "door", "type": "bits", "functionCode": 2, "objectsCount": 1, "address": 4},
    ]
    with serving(values) as port:
        done = site.run("thingsboard", {"modbus.json": master(port, timeseries=points)})
        assert (done.code, site.checks()) == (0, True)
        read = site.reads()
    assert done.devices["Demo"]["order"] == "DCBA"
    assert same(read["Demo.short"], decoded(wire(values, 1, 1), "16int", "LITTLE", "LITTLE"))
    assert same(read["Demo.real"], float(decoded(wire(values, 4, 2), "32float", "LITTLE", "LITTLE")) / 10)
    assert same(read["Demo.twice"], float(decoded(wire(values, 8, 1), "16uint", "LITTLE", "LITTLE")) * 2)
    assert (read["Demo.relay"], read["Demo.door"]) == (1, 0)


SAMPLE: dict[str, Any] = {
    "master": {
        "slaves": [
            {
                "host": "127.0.0.1", "port": 5021, "type": "tcp", "method": "socket", "unitId": 1,
                "deviceName": "Demo Device", "deviceType": "default", "timeout": 35, "byteOrder": "BIG",
                "wordOrder": "LITTLE", "retries": 3, "retryOnEmpty": True, "retryOnInvalid": True, "pollPeriod": 1000,
                "connectAttemptTimeMs": 5000, "connectAttemptCount": 5, "waitAfterFailedAttemptsMs": 300000,
                "attributes": [{"tag": "power", "type": "16int", "functionCode": 3, "objectsCount": 1, "address": 2,
                                "divider": 10}],
                "timeseries": [
                    {"tag": "temperature", "type": "16int", "address": 0, "objectsCount": 1, "functionCode": 3,
                     "divider": 10},
                    {"tag": "relay", "type": "bits", "address": 1, "objectsCount": 1, "functionCode": 1,
                     "bitTargetType": "bool"},
                ],
                "attributeUpdates": [{"tag": "relay", "type": "bits", "address": 1, "objectsCount": 1,
                                      "functionCode": 5}],
                "rpc": [{"tag": "setRelay", "type": "bits", "address": 1, "objectsCount": 1, "functionCode": 5}],
            }
        ]
    },
    "slave": {"type": "tcp", "host": "127.0.0.1", "port": 5026, "unitId": 0, "values": {}},
}  # fmt: skip


def test_the_sample_of_the_modbus_connector(site: Site) -> None:
    done = site.run("thingsboard", {"modbus.json": json.dumps(SAMPLE)})
    assert (done.code, site.checks()) == (1, True)
    device = done.devices["Demo_Device"]
    assert (device["connect"], device["every"], device["timeout"]) == ("tcp://127.0.0.1:5021?unit=1", "1s", "35s")
    assert device["order"] == "CDAB"
    assert done.tags["temperature"] == {"at": "holding:0", "type": "int16", "scale": 0.1}
    assert done.tags["relay"] == {"at": "coil:1"}
    assert done.told("lost", "rpc")
    assert done.told("lost", "attributeUpdates")
    assert done.told("lost", "slave")


def test_the_form_before_the_master(site: Site) -> None:
    point = {"tag": "t", "type": "uint", "functionCode": 4, "registerCount": 2, "address": 7}
    device = {"unitId": 3, "deviceName": "old", "timeseriesPollPeriod": 2000, "timeseries": [point]}
    shared = {"type": "tcp", "host": "10.0.0.9", "port": 502, "byteOrder": "BIG", "wordOrder": "BIG"}
    old = {"server": {**shared, "devices": [device]}}
    done = site.run("thingsboard", {"modbus.json": json.dumps(old)})
    assert (done.code, site.checks()) == (0, True)
    assert done.devices["old"]["connect"] == "tcp://10.0.0.9:502?unit=3"
    assert done.devices["old"]["every"] == "2s"
    assert done.tags["t"] == {"at": "input:7", "type": "uint32"}


def test_a_serial_line_a_range_and_texts_of_numbers(site: Site) -> None:
    points = [
        {"tag": "cell_${address}", "type": "16uint", "functionCode": 3, "objectsCount": 2, "address": "10-15"},
        {"tag": "mode", "type": "16uint", "functionCode": 3, "address": 1, "variants": {"0": "off", "1": "on"}},
        {"tag": "flag", "type": "bits", "functionCode": 3, "address": 2, "bit": 4},
        {"tag": "some", "type": "bits", "functionCode": 3, "address": 2, "objectsCount": 8},
    ]
    text = json.dumps({"master": {"slaves": [{"type": "serial", "port": "/dev/ttyS1", "method": "rtu", "baudrate": 9600,
                       "unitId": 7, "deviceName": "line", "pollPeriod": 500, "timeseries": points}]}})  # fmt: skip
    done = site.run("thingsboard", {"modbus.json": text})
    assert (done.code, site.checks()) == (1, True)
    assert done.devices["line"]["connect"] == "rtu:///dev/ttyS1?baud=9600&parity=N&stop=1&unit=7"
    assert [done.tags[f"cell_{at}"]["at"] for at in (10, 12, 14)] == ["holding:10", "holding:12", "holding:14"]
    assert done.tags["mode"]["enum"] == {"0": "off", "1": "on"}
    assert done.tags["flag"]["bit"] == 4
    assert done.told("changed", "bit", "versions of ThingsBoard")
    assert done.told("lost", "timeseries[3]", "bits of a register")


OPCUA: dict[str, Any] = {
    "server": {
        "url": "opc.tcp://127.0.0.1:4840/freeopcua/server/", "timeoutInMillis": 5000, "scanPeriodInMillis": 3600000,
        "pollPeriodInMillis": 5000, "enableSubscriptions": False, "subCheckPeriodInMillis": 100, "showMap": False,
        "security": "Basic128Rsa15", "identity": {"type": "anonymous"},
    },
    "mapping": [{
        "deviceNodeSource": "path", "deviceNodePattern": "Root\\.Objects\\.MyObject",
        "deviceInfo": {"deviceNameExpression": "Demo Device", "deviceNameExpressionSource": "constant",
                       "deviceProfileExpression": "default", "deviceProfileExpressionSource": "constant"},
        "attributes": [{"key": "frequency", "type": "path", "value": "${Frequency}"}],
        "timeseries": [
            {"key": "temperature", "type": "path", "value": "${Temperature}"},
            {"key": "humidity", "type": "identifier", "value": "${ns=2;i=5}"},
            {"key": "power", "type": "path", "value": "${Root\\.Objects\\.3:Other\\.Power}"},
        ],
    }],
}  # fmt: skip


def test_the_sample_of_the_opcua_connector(site: Site) -> None:
    done = site.run("thingsboard", {"opcua.json": json.dumps(OPCUA)}, "--namespace", "2")
    assert (done.code, site.checks()) == (0, True)
    assert done.tags["temperature"] == {"path": "/0:Objects/2:MyObject/2:Temperature"}
    assert done.tags["humidity"] == {"node": "ns=2;i=5"}
    assert done.tags["power"] == {"path": "/0:Objects/3:Other/2:Power"}
    device = done.devices["Demo_Device"]
    assert (device["every"], device["timeout"]) == ("5s", "5s")
    assert "security" not in device  # a policy without a certificate secures nothing there
    assert done.told("changed", "security", "without a certificate")


def test_names_without_their_namespace_are_lost_with_the_remedy(site: Site) -> None:
    done = site.run("thingsboard", {"opcua.json": json.dumps(OPCUA)})
    assert (done.code, site.checks()) == (1, True)
    assert done.tags.keys() == {"humidity"}
    assert done.told("lost", "timeseries[0]", "--namespace")


def test_a_true_pattern_is_lost_and_a_password_never_written(site: Site) -> None:
    mapping = {**OPCUA["mapping"][0], "deviceNodePattern": "Root\\.Objects\\.Line\\d+"}
    identity = {"type": "basic", "username": "op", "password": CANARY}
    text = json.dumps({"server": {**OPCUA["server"], "identity": identity}, "mapping": [mapping]})
    done = site.run("thingsboard", {"opcua.json": text}, "--namespace", "2")
    assert done.told("lost", "timeseries[0]", "only browsing")
    assert done.told("secret", "password of user op")
    written = "".join(path.read_text() for path in (site.home / "devices.d").glob("*"))
    assert CANARY not in written + done.out + done.err
