import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import gateway_modbus
from gateway_modbus.config import ModbusDevice
from gateway_modbus.endpoint import Endpoint
from gateway_modbus.tag import ModbusTag

SAMPLE = Path(gateway_modbus.__file__).parent / "sample.yaml"
BASE: dict[str, Any] = {"device": "pump-7", "adapter": "modbus", "connect": "tcp://10.0.4.21"}


def _device(tag: dict[str, Any] | None = None, **options: Any) -> ModbusDevice:
    return ModbusDevice.model_validate(BASE | options | {"tags": {"flow": tag or {"at": "holding:100"}}})


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("tcp://10.0.4.21", Endpoint("10.0.4.21", 502, 1)),
        ("tcp://10.0.4.21:1502?unit=17", Endpoint("10.0.4.21", 1502, 17)),
        ("tcp://plc.plant/?unit=0", Endpoint("plc.plant", 502, 0)),
        ("tcp://[fe80::1]:503?unit=255", Endpoint("fe80::1", 503, 255)),
    ],
)
def test_connect_is_taken_apart(text: str, endpoint: Endpoint) -> None:
    assert _device(connect=text).endpoint == endpoint


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("10.0.4.21:502", "write tcp://host"),
        ("http://10.0.4.21", "write tcp://host"),
        ("tcp://", "write tcp://host"),
        ("tcp://host/path", "write tcp://host"),
        ("tcp://host:99999", "the port is a number"),
        ("tcp://host:0", "the port is a number"),
        ("tcp://host:x", "write tcp://host"),
        ("tcp://host?unit=256", "from 0 to 255"),
        ("tcp://host?unit=", "from 0 to 255"),
        ("tcp://host?slave=1", "slave is not known here; only unit=N"),
        ("tcp://[::1", "write tcp://host"),
    ],
)
def test_a_wrong_connect_is_refused_with_its_remedy(text: str, remedy: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(remedy)):
        _device(connect=text)


@pytest.mark.parametrize(
    ("tag", "remedy"),
    [
        ({"at": "coil:5", "type": "uint16"}, "is always bool"),
        ({"at": "holding:5", "type": "bool"}, "holds registers, not bool"),
        ({"at": "holding:65535", "type": "float32"}, "runs beyond 65535"),
        ({"at": "holding:5", "type": "float"}, "float32"),
        ({"at": "holding:5", "order": "ABDC"}, "ABCD"),
        ({"at": 40000}, "40001 is the first"),
        ({"at": "holding:5", "type": "int32", "order": "AB"}, "order AB is of 16 bits, the value has 32"),
        ({"at": "holding:5", "type": "float32", "order": "EFGHABCD"}, "is of 64 bits, the value has 32"),
        ({"at": "holding:5", "bit": 16}, "beyond the bits of uint16"),
        ({"at": "holding:5", "bit": 3, "mask": 15}, "one of them"),
        ({"at": "holding:5", "bit": 3, "type": "float32"}, "of uint16, uint32, uint64, not of float32"),
        ({"at": "holding:5", "mask": 0x1FFFF}, "beyond the bits"),
        ({"at": "coil:5", "bit": 3}, "has no parts"),
        ({"at": "holding:5", "byte": "high"}, "of uint8 and int8, not of uint16"),
        ({"at": "holding:5", "type": "string"}, "needs its length"),
        ({"at": "holding:5", "type": "string", "length": 4, "scale": 2.0}, "a string is no number"),
        ({"at": "holding:5", "length": 4}, "length: is of a string"),
        ({"at": "holding:65530", "type": "string", "length": 8}, "runs beyond 65535"),
        ({"at": "holding:5", "type": "float32", "enum": {"0": "off"}}, "enum: is of whole numbers"),
        ({"at": "holding:5", "enum": {"x": "off"}}, "'x' is no whole number"),
        ({"at": "input:5", "write": {}}, "only ever read"),
        ({"at": "holding:5", "write_function": 16}, "without `write`"),
        ({"at": "holding:5", "write": {}, "write_function": 22}, "is written by 6, 16, 23"),
        ({"at": "coil:5", "write": {}, "write_function": 16}, "is written by 5, 15"),
    ],
)
def test_a_tag_that_cannot_be_is_refused(tag: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(remedy)):
        _device(tag)


def test_a_tag_longer_than_a_request_may_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_registers: 2 is less than flow needs; raise it"):
        _device({"at": "holding:0", "type": "int64"}, max_registers=2)


def test_types_follow_from_the_table_unless_set() -> None:
    kinds = [ModbusTag(at=at).kind for at in ("coil:0", "discrete:0", "input:0", "holding:0")]  # type: ignore[arg-type]
    assert kinds == ["bool", "bool", "uint16", "uint16"]


def test_a_bool_in_a_register_is_one_of_its_bits() -> None:
    tag = ModbusTag.model_validate({"at": "holding:5", "type": "bool", "bit": 3})
    assert tag.coding("CDAB").mask == 8
    assert tag.kind == "uint16"


def test_holes_are_read_as_addresses_are_written() -> None:
    device = _device(holes=["holding:120-129", 40151, "input:7"])
    assert [str(hole) for hole in device.holes] == ["holding:120-129", "holding:150", "input:7"]
    assert device.model_dump(mode="json")["holes"] == ["holding:120-129", "holding:150", "input:7"]


@pytest.mark.parametrize(
    ("hole", "remedy"),
    [
        ("holding:99-101", "takes flow at holding:100 away"),
        ("holding:129-120", "from a lower to a higher"),
        ("holding:1-x", "no Modbus address"),
        ("120-129", "no Modbus address"),
    ],
)
def test_a_hole_that_cannot_be_is_refused(hole: str, remedy: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(remedy)):
        _device(holes=[hole])


def test_units_of_one_host_and_port_share_a_connection() -> None:
    one, two = _device(connect="tcp://host?unit=1"), _device(connect="tcp://host:502?unit=2")
    assert one.connection() == two.connection() == "host:502"
    assert one.connection() != _device(connect="tcp://host:503").connection()


def test_wire_addresses_are_shown_for_every_tag() -> None:
    assert _device({"at": 40103}).wire_addresses() == {"flow": "holding 102 (0x0066), FC 3"}


def test_what_is_dumped_loads_again() -> None:
    device = _device({"at": 40103, "type": "float32"})
    assert device.model_dump(mode="json")["tags"]["flow"]["at"] == "holding:102"
    assert ModbusTag.model_validate(ModbusTag(at="coil:3").model_dump()).at == ModbusTag(at="coil:3").at  # type: ignore[arg-type]


def test_the_sample_loads() -> None:
    device = ModbusDevice.model_validate(yaml.safe_load(SAMPLE.read_text()))
    assert device.order == "CDAB"
    assert {tag.kind for tag in device.tags.values()} == {
        "float32", "uint16", "uint64", "int16", "bool", "bcd16", "uint8", "string",
    }  # fmt: skip


def test_commented_lines_of_the_sample_show_the_defaults_and_no_option_is_missing() -> None:
    text = SAMPLE.read_text()
    shown = re.sub(r"^(\s*)# (?=\w+:)", r"\1", text, flags=re.MULTILINE)
    written, everything = yaml.safe_load(text), yaml.safe_load(shown)
    flow = everything["tags"]["flow"]
    assert set(everything) == set(ModbusDevice.model_fields)
    assert set(flow) == set(ModbusTag.model_fields)
    # with "three periods unless set" and "the device's own unless set" written out, nothing changes but these
    plain = ModbusDevice.model_validate(written).model_dump(exclude={"stale_after": True, "tags": True})
    assert ModbusDevice.model_validate(everything).model_dump(exclude={"stale_after": True, "tags": True}) == plain
    fallbacks = {"order", "every", "stale_after"}
    tag = ModbusTag.model_validate(flow).model_dump(exclude=fallbacks)
    assert tag == ModbusTag.model_validate(written["tags"]["flow"]).model_dump(exclude=fallbacks)


def test_the_readme_names_every_option_and_counter() -> None:
    from gateway_modbus.adapter import COUNTERS  # noqa: PLC0415 - the adapter is only needed here

    readme = SAMPLE.with_name("README.md").read_text()
    own = (set(ModbusDevice.model_fields) | set(ModbusTag.model_fields)) - {"device", "adapter", "tags"}
    general = {"description", "every", "stale_after", "unit", "scale", "offset", "range", "deadband"}
    missing = [name for name in (*sorted(own - general), *COUNTERS) if f"`{name}`" not in readme]
    assert not missing
