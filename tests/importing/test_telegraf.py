"""Telegraf: the samples of its documentation import, and what is read is what Telegraf would have read.

The model is written after influxdata/telegraf, plugins/inputs/modbus: type_conversions*.go, configuration_register.go.
"""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from tests.importing.site import Site, registers, same, serving, wire

ORDERS = ("ABCD", "BADC", "CDAB", "DCBA")
SPELT = {  # the register style spells the order out by width
    1: {"AB": "ABCD", "BA": "DCBA"},
    2: {order: order for order in ORDERS},
    4: {"ABCDEFGH": "ABCD", "HGFEDCBA": "DCBA", "BADCFEHG": "BADC", "GHEFCDAB": "CDAB"},
}
FORMS = {"INT16": "h", "UINT16": "H", "INT32": "i", "UINT32": "I", "INT64": "q", "UINT64": "Q", "FLOAT16": "e",
         "FLOAT32": "f", "FLOAT64": "d"}  # fmt: skip


def big_endian(raw: bytes, order: str) -> bytes:
    """endiannessConverter16, 32 and 64: the value with its most significant byte first."""
    if order in ("BADC", "DCBA"):
        raw = b"".join(raw[at : at + 2][::-1] for at in range(0, len(raw), 2))
    if order in ("CDAB", "DCBA"):
        raw = b"".join(raw[at : at + 2] for at in range(len(raw) - 2, -1, -2))
    return raw


def native(raw: bytes, kind: str, order: str) -> float:
    if kind[:-1] in ("INT8", "UINT8"):
        low = raw[1] if order in ("ABCD", "CDAB") else raw[0]  # endianessIndex8
        high = raw[0] if order in ("ABCD", "CDAB") else raw[1]
        byte = low if kind.endswith("L") else high
        return byte - 256 if kind.startswith("INT") and byte > 127 else byte
    found: float = struct.unpack(">" + FORMS[kind], big_endian(raw, order))[0]
    return found


def width(kind: str) -> int:
    return struct.calcsize(">" + FORMS[kind]) // 2 if kind in FORMS else 1


def scale(kind: str) -> float:
    """A scale to try; `read` shows whole numbers beyond 2**53 as they are on the wire."""
    return 1.0 if kind.endswith("INT64") else 0.01


def fields(
    orders: Callable[[int], dict[str, str]], kinds: list[str]
) -> list[tuple[str, str, str, int, int]]:  # fmt: skip
    """name, kind, order as written, address, registers: each kind in each order."""
    found, address = [], 0
    for kind in kinds:
        for written in orders(width(kind)):
            found.append((f"{kind}_{written}".replace("-", "_"), kind, written, address, width(kind)))
            address += 5
    return found


def test_the_register_style_reads_what_telegraf_reads(site: Site) -> None:
    values = registers(1)
    kinds = ["INT8L", "INT8H", "UINT8L", "UINT8H", "INT16", "UINT16", "INT32", "UINT32", "INT64", "FLOAT64"]
    made = fields(lambda count: SPELT[count], kinds)
    lines = [
        f'{{name="{name}", byte_order="{order}", scale=1.0, address={list(range(at, at + n))}, data_type="{kind}{"-IEEE" if "FLOAT" in kind else ""}"}}'  # noqa: E501 - one field
        for name, kind, order, at, n in made
    ]
    with serving(values) as port:
        head = f'[[inputs.modbus]]\nname = "Device"\nslave_id = 1\ncontroller = "tcp://127.0.0.1:{port}"\n'
        done = site.run("telegraf", {"t.conf": head + f"input_registers = [{', '.join(lines)}]\n"})
        assert done.code == 0, done.notes
        assert site.checks()
        read = site.reads()
    assert len(read) == len(made)
    for name, kind, order, at, n in made:
        meant = native(wire(values, at, n), kind, SPELT[n][order])
        assert same(read[f"Device.{name}"], meant), (name, read[f"Device.{name}"], meant)


def test_fixed_ufixed_and_the_float32_that_is_none(site: Site) -> None:
    values = registers(2)
    lines: list[str] = []
    meant: dict[str, Any] = {}
    for kind, sign in (("FIXED", "INT"), ("UFIXED", "UINT"), ("FLOAT32", "UINT")):
        for n in (1, 2, 4):
            for order, short in SPELT[n].items():
                at = 5 * len(lines)
                by = scale(f"{sign}{16 * n}")
                head = f'name="{kind}_{order}", byte_order="{order}", data_type="{kind}", scale={by}'
                lines.append(f"{{{head}, address={list(range(at, at + n))}}}")
                meant[f"{kind}_{order}"] = native(wire(values, at, n), f"{sign}{16 * n}", short) * scale(
                    f"{sign}{16 * n}"
                )
    with serving(values) as port:
        head = f'[[inputs.modbus]]\nname = "Device"\nslave_id = 1\ncontroller = "tcp://127.0.0.1:{port}"\n'
        assert site.run("telegraf", {"t.conf": head + f"holding_registers = [{', '.join(lines)}]\n"}).code == 0
        assert site.checks()
        read = site.reads()
    assert {name: read[f"Device.{name}"] for name in meant} == pytest.approx(meant)


@pytest.mark.parametrize("style", ["request", "metric"])
def test_the_styles_request_and_metric_read_what_telegraf_reads(site: Site, style: str) -> None:
    values = registers(3)
    kinds = [*FORMS] if style == "metric" else [kind for kind in FORMS if kind != "FLOAT16"]
    kinds += ["INT8L", "UINT8H"] if style == "metric" else []
    blocks: list[str] = []
    meant: dict[str, Any] = {}
    for unit, order in enumerate(ORDERS, 1):
        made = fields(lambda _, order=order: {order: order}, kinds)  # type: ignore[misc]  # bound at once
        lines = [f'{{name="{n}", type="{k}", address={a}, scale={scale(k)}}}' for n, k, _, a, _ in made]
        if style == "metric":
            lines += [f'{{name="bit{b}", type="BIT", bit={b}, address=900}}' for b in (0, 3, 9)]
            lines.append('{name="text", type="STRING", length=3, address=910}')
            word = int.from_bytes(big_endian(wire(values, 900, 1), order), "big")
            meant |= {f"line-{unit}.bit{b}": word >> b & 1 for b in (0, 3, 9)}
            text = b"".join(big_endian(wire(values, 910 + at, 1), order) for at in range(3))
            meant[f"line-{unit}.text"] = text.decode("latin-1")
        meant |= {f"line-{unit}.{n}": native(wire(values, a, c), k, order) * scale(k) for n, k, _, a, c in made}
        register = 'register = "holding"\n' if style == "request" else ""
        blocks.append(f'[[inputs.modbus.{style}]]\nslave_id = {unit}\nbyte_order = "{order}"\n{register}fields = [')
        blocks.append(", ".join(lines) + "]\n")
    with serving(values) as port:
        head = f'[[inputs.modbus]]\nname = "line"\ncontroller = "tcp://127.0.0.1:{port}"\n'
        done = site.run("telegraf", {"t.conf": head + f'configuration_type = "{style}"\n' + "".join(blocks)})
        assert done.code == 0, done.notes
        assert site.checks()
        read = site.reads()
    assert read.keys() == meant.keys()
    assert [name for name in meant if not same(read[name], meant[name])] == []


REGISTER_SAMPLE = """
[[inputs.modbus]]
  name = "Device"
  slave_id = 1
  timeout = "1s"
  controller = "tcp://localhost:502"
  configuration_type = "register"
  discrete_inputs = [{name="start", address=[0]}, {name="stop", address=[1]}, {name="reset", address=[2]}]
  coils = [{name="motor1_run", address=[0]}, {name="motor1_jog", address=[1]}]
  holding_registers = [
    {name="power_factor", byte_order="AB",   data_type="FIXED",  scale=0.01,  address=[8]},
    {name="energy",       byte_order="ABCD", data_type="FIXED",  scale=0.001, address=[5,6]},
    {name="frequency",    byte_order="AB",   data_type="UFIXED", scale=0.1,   address=[7]},
  ]
  input_registers = [{name="tank_level", byte_order="AB", data_type="INT16", scale=1.0, address=[0]}]
"""
REQUEST_SAMPLE = """
[agent]
interval = "5s"
[[inputs.modbus]]
  name = "Device"
  timeout = "1s"
  controller = "tcp://localhost:502"
  configuration_type = "request"
  [[inputs.modbus.request]]
    slave_id = 1
    byte_order = "ABCD"
    register = "coil"
    fields = [{address=0, name="motor1_run"}, {address=1, name="jog", measurement="motor"},
              {address=2, name="motor1_stop", omit=true}]
    [inputs.modbus.request.tags]
      machine = "impresser"
      location = "main building"
  [[inputs.modbus.request]]
    slave_id = 1
    byte_order = "DCBA"
    register = "holding"
    fields = [{address=0, name="voltage", type="INT16", scale=0.1},
              {address=1, name="current", type="INT32", scale=0.001},
              {address=3, name="power", type="UINT32", omit=true},
              {address=5, name="energy", type="FLOAT32", scale=0.001}]
  [[inputs.modbus.request]]
    slave_id = 2
    register = "input"
    fields = [{address=0, name="rpm", type="INT16"}, {address=2, name="force", type="INT32", output="FLOAT64"},
              {address=4, name="minus", type="INT16", output="UINT64"},
              {address=5, name="cut", type="INT16", scale=0.1, output="INT64"}]
"""
METRIC_SAMPLE = """
[[inputs.modbus]]
  controller = "file:///dev/ttyUSB0"
  baud_rate = 19200
  parity = "E"
  stop_bits = 1
  configuration_type = "metric"
  [[inputs.modbus.metric]]
    slave_id = 4
    byte_order = "CDAB"
    fields = [{register="coil", address=0, name="door_open"}, {register="holding", address=0, name="v", type="INT16"},
              {address=1, name="current", type="INT32", scale=0.001},
              {address=9, name="firmware", type="STRING", length=8}]
  [inputs.modbus.workarounds]
    pause_after_connect = "100ms"
    pause_between_requests = "20ms"
    close_connection_after_gather = true
"""


def test_the_sample_of_the_register_style(site: Site) -> None:
    done = site.run("telegraf", {"telegraf.conf": REGISTER_SAMPLE})
    assert (done.code, site.checks()) == (0, True)
    assert done.devices["Device"]["every"] == "10s"  # the agent's interval, where nothing is said
    assert done.tags["energy"] == {"at": "holding:5", "type": "int32", "scale": 0.001}
    assert done.tags["frequency"] == {"at": "holding:7", "type": "uint16", "scale": 0.1}
    assert done.tags["motor1_run"] == {"at": "coil:0"}


def test_the_sample_of_the_request_style(site: Site) -> None:
    done = site.run("telegraf", {"telegraf.conf": REQUEST_SAMPLE})
    assert (done.code, site.checks()) == (0, True)
    first, second = done.devices["Device-1"], done.devices["Device-2"]
    assert (first["every"], first["connect"]) == ("5s", "tcp://localhost:502?unit=1")
    assert "motor1_stop" not in first["tags"]
    assert "power" not in first["tags"]
    assert first["tags"]["energy"]["type"] == "float32"  # IEEE here, unlike in the register style
    assert second["tags"]["force"]["type"] == "int32"
    assert first["tags"]["motor1_run"]["description"] == "machine=impresser, location=main building"
    assert done.told("changed", "request[2].fields[2].output", "stays negative")
    assert done.told("changed", "output", "fraction is kept")
    assert done.told("changed", "measurement", "motor", "jog")


def test_the_sample_of_the_metric_style_on_a_serial_line(site: Site) -> None:
    done = site.run("telegraf", {"telegraf.conf": METRIC_SAMPLE})
    assert (done.code, site.checks()) == (0, True)
    device = done.devices["modbus"]
    assert device["connect"] == "rtu:///dev/ttyUSB0?baud=19200&parity=E&stop=1&unit=4"
    assert (device["connect_delay"], device["delay"], device["connect_each"]) == ("100ms", "20ms", True)
    assert done.tags["firmware"]["length"] == 8


def test_what_the_register_style_cuts_is_told(site: Site) -> None:
    field = '{name="t", byte_order="AB", data_type="INT16", scale=0.1, address=[3]}'
    done = site.run(
        "telegraf",
        {"t.conf": f'[[inputs.modbus]]\ncontroller="tcp://h:1"\nslave_id=1\nholding_registers=[{field}]\n'},
    )
    assert done.code == 0
    assert done.told("changed", "holding_registers[0].scale", "fraction is kept")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[[outputs.influxdb]]\nurls=["http://h"]\n', "outputs"),
        ("[[inputs.cpu]]\n", "inputs.cpu"),
        ('[[inputs.modbus]]\ncontroller="tcp://h:1"\nodd_option=3\n', "inputs.modbus[1].odd_option"),
        ('[[inputs.modbus]]\ncontroller="tcp://h:1"\ncoils=[{name="c", address=[0], odd="x"}]\n', "coils[0].odd"),
        ('[[inputs.modbus]]\ncontroller="COM3"\ncoils=[{name="c", address=[0]}]\n', "inputs.modbus[1]"),
    ],
)
def test_what_is_not_supported_is_told_with_its_place(site: Site, text: str, place: str) -> None:
    good: dict[str, Any] = {"t.conf": REGISTER_SAMPLE + text}
    done = site.run("telegraf", good)
    assert done.code == 1
    assert done.told("lost", place), done.notes
    assert site.checks()
    assert site.run("telegraf", good, "--accept-loss", "--force").code == 0
