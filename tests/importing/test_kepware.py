"""Kepware: projects and sheets import, and each flag of a device changes what its addresses mean.

The model is written after the manual of the Modbus TCP/IP Ethernet driver: Device Properties and Address Descriptions.
"""

import itertools
import json
import struct
from typing import Any

import pytest

from tests.importing.site import CANARY, Site, registers, same, serving, wire

ETHERNET = "modbus_ethernet.DEVICE_"
CODES = {"short": 4, "word": 5, "long": 6, "dword": 7, "float": 8, "double": 9, "llong": 13, "qword": 14}
FORMS = {"short": "h", "word": "H", "long": "i", "dword": "I", "float": "f", "double": "d", "llong": "q"}


def value(values: list[int], register: int, kind: str, flags: dict[str, bool]) -> float:
    """40001 is `register` 1."""
    start = register - (1 if flags["ZERO_BASED_ADDRESSING"] else 0)
    raw = wire(values, start, struct.calcsize(">" + FORMS[kind]) // 2)
    words = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    words = words if flags["MODBUS_BYTE_ORDER"] else [word[::-1] for word in words]
    dwords = [words[at : at + 2] for at in range(0, len(words), 2)]
    dwords = [pair[::-1] for pair in dwords] if flags["FIRST_WORD_LOW"] else dwords
    dwords = dwords[::-1] if flags["FIRST_DWORD_LOW"] else dwords
    found: float = struct.unpack(">" + FORMS[kind], b"".join(itertools.chain(*dwords)))[0]
    return found


def tag(name: str, address: str, code: int, **more: Any) -> dict[str, Any]:
    base = {"common.ALLTYPES_NAME": name, "servermain.TAG_ADDRESS": address, "servermain.TAG_DATA_TYPE": code,
            "servermain.TAG_READ_WRITE_ACCESS": 0, "servermain.TAG_SCAN_RATE_MILLISECONDS": 500}  # fmt: skip
    return base | {f"servermain.TAG_{key}": one for key, one in more.items()}


def project(tags: list[dict[str, Any]], port: int = 502, groups: Any = (), **flags: Any) -> str:
    device = {"common.ALLTYPES_NAME": "Pump 1", "servermain.DEVICE_ID_STRING": "<127.0.0.1>.1", "tags": tags,
              f"{ETHERNET}ETHERNET_PORT_NUMBER": port, "tag_groups": list(groups),
              **{f"{ETHERNET}{key}": one for key, one in flags.items()}}  # fmt: skip
    channel = {"common.ALLTYPES_NAME": "Line", "servermain.MULTIPLE_TYPES_DEVICE_DRIVER": "Modbus TCP/IP Ethernet",
               "devices": [device]}  # fmt: skip
    return json.dumps({"project": {"channels": [channel]}})


def test_the_flags_of_a_device_change_the_meaning_of_each_tag(site: Site) -> None:
    names = ("ZERO_BASED_ADDRESSING", "FIRST_WORD_LOW", "FIRST_DWORD_LOW", "MODBUS_BYTE_ORDER")
    settings = [dict(zip(names, flags, strict=True)) for flags in itertools.product((True, False), repeat=4)]
    values = registers(11)
    places = {kind: 10 + 5 * number for number, kind in enumerate(FORMS)}
    tags = [tag(kind, f"4{place:05}", CODES[kind]) for kind, place in places.items()]
    with serving(values) as port:
        whole = json.loads(project(tags, port, **settings[0]))
        devices = [
            json.loads(project(tags, port, **flags))["project"]["channels"][0]["devices"][0] for flags in settings
        ]
        whole["project"]["channels"][0]["devices"] = [
            {**device, "common.ALLTYPES_NAME": f"d{number}"} for number, device in enumerate(devices)
        ]
        done = site.run("kepware", {"p.json": json.dumps(whole)})
        assert (done.code, site.checks()) == (0, True), done.notes
        read = site.reads()
    assert done.told("changed", "devices[8]", "compare one register")
    assert not done.told("changed", "devices[0]", "compare one register")
    meant = {
        f"d{number}.{kind}": value(values, place, kind, flags)
        for number, flags in enumerate(settings)
        for kind, place in places.items()
    }
    assert [(name, read[name], meant[name]) for name in meant if not same(read[name], meant[name])] == []


@pytest.mark.parametrize(
    ("flags", "said", "bit"),
    [
        ({}, "40001.3", 3),
        ({"ZERO_BASED_BIT_ADDRESSING": False}, "40001.3", 2),
        ({"MODICON_BIT_ORDER": True}, "40001.3", 12),
    ],
)
def test_how_bits_are_counted(site: Site, flags: dict[str, bool], said: str, bit: int) -> None:
    done = site.run("kepware", {"p.json": project([tag("b", said, 1)], **flags)})
    assert (done.code, site.checks()) == (0, True)
    assert (done.tags["b"]["type"], done.tags["b"]["bit"]) == ("bool", bit)


def test_groups_scaling_strings_and_what_is_lost(site: Site) -> None:
    linear = {"SCALING_TYPE": 1, "SCALING_RAW_LOW": 0, "SCALING_RAW_HIGH": 1000, "SCALING_SCALED_LOW": -50,
              "SCALING_SCALED_HIGH": 150, "SCALING_CLAMP_LOW": True, "SCALING_CLAMP_HIGH": True,
              "SCALING_UNITS": "°C"}  # fmt: skip
    group = {"common.ALLTYPES_NAME": "Motor", "tags": [tag("Temp", "400101", 4, **linear)],
             "tag_groups": [{"common.ALLTYPES_NAME": "A", "tags": [tag("Run", "000005", 1)]}]}  # fmt: skip
    tags = [
        tag("Name", "400200.10H", 0), tag("Back", "400210.10L", 0), tag("Bcd", "400300", 10),
        tag("Many", "400400 [4]", 25), tag("Root", "400500", 5, SCALING_TYPE=2),
        {**tag("Write", "400600", 5), "servermain.TAG_READ_WRITE_ACCESS": 1},
    ]  # fmt: skip
    done = site.run("kepware", {"p.json": project(tags, groups=[group])})
    assert (done.code, site.checks()) == (1, True)
    temp = done.tags["Motor_Temp"]
    assert (temp["scale"], temp["offset"], temp["range"], temp["unit"]) == (0.2, -50, [-50, 150], "°C")
    assert done.tags["Motor_A_Run"] == {"at": "coil:4"}
    assert (done.tags["Name"]["length"], done.tags["Name"]["order"]) == (5, "ABCD")
    assert done.tags["Back"]["order"] == "DCBA"
    assert done.tags["Bcd"]["type"] == "bcd16"
    assert done.told("lost", "tags[3]", "array")
    assert done.told("lost", "tags[4]", "square root")
    assert done.told("changed", "tags[5]", "nothing is written")
    assert done.told("changed", "uncertain")


SHEET = (
    "Tag Name,Address,Data Type,Respect Data Type,Client Access,Scan Rate,Scaling,Raw Low,Raw High,Scaled Low,"
    "Scaled High,Scaled Data Type,Clamp Low,Clamp High,Eng Units,Description,Negate Value\n"
    '"Motor.Speed","400001",Float,1,RO,100,,,,,,,,,,"shaft",\n'
    '"Motor.Flow","400003",Word,1,R/W,1000,Linear,0,1000,0,100,Float,0,0,m3/h,"",\n'
)


def test_a_sheet_takes_its_connection_from_the_command_line_and_the_defaults_of_the_flags(site: Site) -> None:
    done = site.run("kepware", {"pump.csv": SHEET}, "--connect", "tcp://10.0.0.7:502?unit=3")
    assert (done.code, site.checks()) == (0, True)
    device = done.devices["pump"]
    assert (device["connect"], device["order"]) == ("tcp://10.0.0.7:502?unit=3", "CDAB")
    assert done.tags["Motor_Speed"]["at"] == "holding:0"
    assert done.tags["Motor_Flow"]["scale"] == 0.1
    assert done.told("changed", "pump.csv", "first word low")
    assert done.told("changed", "pump.csv:3", "nothing is written")


def test_an_opcua_channel_and_drivers_that_are_not_read(site: Site) -> None:
    ua = "opcuaclient.CHANNEL_"
    channel = {"common.ALLTYPES_NAME": "UA", "servermain.MULTIPLE_TYPES_DEVICE_DRIVER": "OPC UA Client",
               f"{ua}UA_SERVER_ENDPOINT_URL": "opc.tcp://10.0.4.30:4840", f"{ua}UA_SERVER_SECURITY_POLICY": 3,
               f"{ua}UA_SERVER_MESSAGE_MODE": 3, f"{ua}AUTHENTICATION_USERNAME": "op",
               f"{ua}AUTHENTICATION_PASSWORD": CANARY,
               "devices": [{"common.ALLTYPES_NAME": "heater", "tags": [tag("T", "ns=2;s=Heater.Temp", 8)]}],
               }  # fmt: skip
    other = {"common.ALLTYPES_NAME": "S7", "servermain.MULTIPLE_TYPES_DEVICE_DRIVER": "Siemens TCP/IP Ethernet"}
    done = site.run("kepware", {"p.json": json.dumps({"project": {"channels": [channel, other]}})})
    assert (done.code, site.checks()) == (1, True)
    assert done.tags["T"]["node"] == "ns=2;s=Heater.Temp"
    assert done.devices["heater"]["security"] == "sign_and_encrypt"
    assert done.told("lost", "channels[1]", "Siemens")
    assert done.told("secret", "heater")
    assert CANARY not in done.out + (site.home / "devices.d" / "heater.yaml").read_text()


def test_a_serial_channel_names_a_port_of_windows(site: Site) -> None:
    channel = {"common.ALLTYPES_NAME": "Bus", "servermain.MULTIPLE_TYPES_DEVICE_DRIVER": "Modbus RTU Serial",
               "servermain.CHANNEL_SERIAL_COMMUNICATIONS_COM_ID": 3,
               "devices": [{"common.ALLTYPES_NAME": "meter", "servermain.DEVICE_ID_DECIMAL": 9,
                            "modbus.DEVICE_FIRST_WORD_LOW": False, "tags": [tag("E", "400001", 8)]}]}  # fmt: skip
    text = json.dumps({"project": {"channels": [channel]}})
    assert "COM3" in site.run("kepware", {"p.json": text}).err
    done = site.run("kepware", {"p.json": text}, "--connect", "rtu:///dev/ttyUSB0?baud=9600")
    assert (done.code, site.checks()) == (0, True)
    assert done.devices["meter"]["connect"] == "rtu:///dev/ttyUSB0?baud=9600&unit=9"
    assert "order" not in done.devices["meter"]
