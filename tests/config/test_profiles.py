"""The templates of families of devices: each reads from registers, written down here as its maker codes them."""

import json
import struct
import sys
from pathlib import Path
from typing import Final

import pytest

from gateway.__main__ import main
from tests.cli.field import Device, running
from tests.plugins.gateway_opcua.peers import free_port
from tests.plugins.gateway_opcua.peers import start as started

TEMPLATES: Final = Path(__file__).parents[2] / "config/templates"
EXAMPLES: Final = {"pump", "watched-pump"}  # not of any maker
Words = dict[int, str]  # address on the wire → what lies there from it on, in hexadecimal


def f32(value: float) -> str:
    return struct.pack(">f", value).hex()


def low_first(value: int) -> str:
    """An int32 with its lower register first."""
    raw = struct.pack(">i", value).hex()
    return raw[4:] + raw[:4]


# 4366 3333 is 230.2: the example that Eastron's own protocol gives for a voltage, to a digit
PROFILES: Final[dict[str, tuple[Words, dict[str, float]]]] = {
    "eastron-sdm630": (
        {0: "43663333", 2: f32(229.5), 6: f32(4.25), 16: f32(-812.0), 52: f32(2935.5), 62: f32(0.97), 70: "42480000",
         72: f32(1234.5), 74: f32(6.5)},
        {"voltage_l1": 230.2, "voltage_l2": 229.5, "current_l1": 4.25, "power_l3": -812.0, "power": 2935.5,
         "power_factor": 0.97, "frequency": 50.0, "imported": 1234.5, "exported": 6.5},
    ),
    "carlo-gavazzi-em340": (
        {0x00: "08fe0000", 0x0C: low_first(4250), 0x16: low_first(-8120), 0x28: low_first(1_000_005), 0x31: "03ca",
         0x33: "01f4", 0x34: low_first(123_456), 0x4E: low_first(65)},
        {"voltage_l1": 230.2, "current_l1": 4.25, "power_l3": -812.0, "power": 100000.5, "power_factor": 0.97,
         "frequency": 50.0, "imported": 12345.6, "exported": 6.5},
    ),
    "schneider-iem3000": (
        {2999: f32(4.25), 3027: "43663333", 3057: f32(-0.812), 3059: f32(2.9355), 3109: "42480000",
         3203: "000000000012d687"},
        {"current_l1": 4.25, "voltage_l1": 230.2, "power_l3": -0.812, "power": 2.9355, "frequency": 50.0,
         "imported": 1234567.0},
    ),
    "schneider-pm5000": (
        {2999: f32(4.25), 3031: "43663333", 3059: f32(2.9355), 3067: f32(0.5), 3075: f32(3.0), 3109: "42480000",
         3203: "000000000012d687", 3207: "0000000000000041"},
        {"current_l1": 4.25, "voltage_l3": 230.2, "power": 2.9355, "reactive_power": 0.5, "apparent_power": 3.0,
         "frequency": 50.0, "imported": 1234567.0, "exported": 65.0},
    ),
    "janitza-umg": (
        {19000: "43663333", 19012: f32(4.25), 19024: f32(-812.0), 19026: f32(2935.5), 19044: f32(0.97),
         19050: "42480000", 19068: f32(1234567.0), 19076: f32(65.0)},
        {"voltage_l1": 230.2, "current_l1": 4.25, "power_l3": -812.0, "power": 2935.5, "power_factor_l1": 0.97,
         "frequency": 50.0, "imported": 1234567.0, "exported": 65.0},
    ),
    "abb-b23": (
        {0x5B00: "000008fe", 0x5B0C: "000001a9", 0x5B14: "00047ab6", 0x5B1A: "fffec2d0", 0x5B2C: "1388", 0x5B3A: "03ca",
         0x5000: "000000000012d687", 0x5004: "0000000000000041"},
        {"voltage_l1": 230.2, "current_l1": 4.25, "power": 2935.58, "power_l3": -812.0, "frequency": 50.0,
         "power_factor": 0.97, "imported": 12345.67, "exported": 0.65},
    ),
    "siemens-pac": (
        {1: "43663333", 13: f32(4.25), 29: f32(-812.0), 63: f32(3000.0), 65: f32(2935.5), 69: f32(0.97),
         801: struct.pack(">d", 1234567.5).hex(), 809: struct.pack(">d", 65.0).hex()},
        {"voltage_l1": 230.2, "current_l1": 4.25, "power_l3": -812.0, "apparent_power": 3000.0, "power": 2935.5,
         "power_factor": 0.97, "imported": 1234567.5, "exported": 65.0},
    ),
    "inepro-pro380": (
        {0x5002: "43663333", 0x5008: "42480000", 0x500C: f32(4.25), 0x5012: f32(2.9355), 0x5018: f32(-0.812),
         0x600C: f32(1234.5), 0x6018: f32(6.5)},
        {"voltage_l1": 230.2, "frequency": 50.0, "current_l1": 4.25, "power": 2.9355, "power_l3": -0.812,
         "imported": 1234.5, "exported": 6.5},
    ),
    "sma-inverter": (
        {30775: "00001388", 30781: "000007d0", 30783: "000059ec", 30803: "00001388", 30513: "000000000012d687"},
        {"power": 5000.0, "power_l3": 2000.0, "voltage_l1": 230.2, "frequency": 50.0, "energy": 1234567.0},
    ),
}  # fmt: skip


def device(words: Words) -> Device:
    """What lies there, and 0 in between as far as a block may reach."""
    registers = {address: 0 for start in words for address in range(start - 40, start + 60) if address >= 0}
    for start, text in words.items():
        raw = bytes.fromhex(text)
        registers |= {start + i: int.from_bytes(raw[2 * i : 2 * i + 2], "big") for i in range(len(raw) // 2)}
    return Device(registers)


def home(folder: Path, template: str, connect: str) -> Path:
    (folder / "devices.d").mkdir()
    (folder / "templates").mkdir()
    (folder / f"templates/{template}.yaml").write_text((TEMPLATES / f"{template}.yaml").read_text())
    used = f"device: it\nuse: {template}\nwith: {{connect: '{connect}'}}\n"
    (folder / "devices.d/it.yaml").write_text(used)
    (folder / "fieldgate.yaml").write_text("gateway: {id: a}\n")
    return folder / "fieldgate.yaml"


@pytest.mark.parametrize("template", PROFILES)
def test_a_profile_reads_what_its_maker_says_lies_there(
    template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, expected = PROFILES[template]
    with running({"127.0.2.40": device(words)}, "127.0.2.41", free_port()) as field:
        config = home(tmp_path, template, f"tcp://127.0.2.40:{field.port}?unit=1")
        assert main(["read", "--config", str(config), "--json"]) == 0
    readings = {one["tag"].partition(".")[2]: one for one in json.loads(capsys.readouterr().out)}
    assert {one["status"] for one in readings.values()} == {"Good"}
    assert {name: readings[name]["value"] for name in expected} == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("template", sorted({path.stem for path in TEMPLATES.glob("*.yaml")} - EXAMPLES))
def test_every_profile_is_proven_and_names_its_source(template: str) -> None:
    assert template in PROFILES.keys() | COMPANIONS.keys()
    text = (TEMPLATES / f"{template}.yaml").read_text()
    assert "\n# Source: " in text
    assert "rtu://" in text or template in COMPANIONS, "meters are on serial lines as often"


COMPANIONS: Final = {
    "opcua-packml": (
        "/Objects/nsu=http://maker.example/line;Filler",
        {"mode": 1.0, "speed": 118.5, "speed_set": 120.0, "blocked": 0.0, "starved": 1.0},
    ),
    "opcua-machinery": (
        "/Objects/nsu=http://opcfoundation.org/UA/Machinery/;Machines/nsu=http://maker.example/line;Press",
        {"powered": 7200.0, "worked": 3600.5},
    ),
}


@pytest.mark.parametrize("template", COMPANIONS)
def test_a_companion_specification_is_read_by_its_names(
    template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine, expected = COMPANIONS[template]
    port = free_port()
    with started([sys.executable, str(Path(__file__).with_name("companion_server.py")), str(port)], port):
        config = home(tmp_path, template, f"opc.tcp://127.0.0.1:{port}', machine: '{machine}")
        assert main(["read", "--config", str(config), "--json"]) == 0
    readings = {one["tag"].partition(".")[2]: one["value"] for one in json.loads(capsys.readouterr().out)}
    assert readings == pytest.approx(expected)


def test_what_an_inverter_does_not_know_at_night_is_no_good_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = PROFILES["sma-inverter"][0] | {30775: "80000000"}
    with running({"127.0.2.40": device(words)}, "127.0.2.41", free_port()) as field:
        config = home(tmp_path, "sma-inverter", f"tcp://127.0.2.40:{field.port}?unit=1")
        main(["read", "--config", str(config), "--json", "it.power"])
    [power] = json.loads(capsys.readouterr().out)
    assert power["status"].startswith("Uncertain")
