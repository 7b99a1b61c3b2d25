"""What registers are, told from a few reads of them."""

import argparse
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli import check
from gateway_modbus.coding import Coding
from gateway_modbus.doctor_cost import magnitude
from gateway_modbus.doctor_rank import Evidence, certainty, rank
from gateway_modbus.doctor_report import tag_line
from gateway_modbus.doctor_units import usual
from gateway_modbus.encode import encode
from gateway_modbus.tag import ModbusTag
from tests.plugins.gateway_modbus.worlds import register


def test_of_200_plausible_registers_95_in_100_are_told_at_once_and_their_lines_are_taken(tmp_path: Path) -> None:
    rng, lines, right = random.Random(2026), [], 0
    for index in range(200):
        drawn = register(rng)
        best = rank(drawn.evidence)[0].coding
        right += best == drawn.coding
        tag = ModbusTag.model_validate({"at": f"holding:{10 * index}"} | drawn.options)
        lines.append(tag_line(f"t{index}", tag, best, "CDAB"))
    assert right >= 190
    _checked(tmp_path, lines)


def _checked(folder: Path, lines: list[str]) -> None:
    """`fieldgate check` takes a device with these lines."""
    (folder / "devices.d").mkdir()
    head = "device: d\nadapter: modbus\nconnect: tcp://127.0.0.1\norder: CDAB\ntags:\n"
    (folder / "devices.d/d.yaml").write_text(head + "".join(f"  {line}\n" for line in lines))
    (folder / "fieldgate.yaml").write_text("gateway: {id: a}\n")
    parser = argparse.ArgumentParser()
    check.add(parser.add_subparsers())
    assert check.run(parser.parse_args(["check", "--config", str(folder / "fieldgate.yaml")])) == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_registers_are_told_nearly_as_often(seed: int) -> None:
    rng = random.Random(seed)
    drawn = [register(rng) for _ in range(200)]
    assert sum(rank(one.evidence)[0].coding == one.coding for one in drawn) >= 184


def test_registers_that_hold_noughts_alone_are_taken_for_the_usual_type() -> None:
    readings = rank(Evidence([bytes(8)] * 4))
    assert readings[0].coding == Coding("uint16", "AB")
    assert certainty(readings) > 0.99  # of the value: every number that is read of noughts is 0


def test_text_is_told_from_numbers() -> None:
    best = rank(Evidence([b"SN-0042\0"] * 3))[0]
    assert (best.coding.type, best.values[0]) == ("string", "SN-0042")


def test_a_reading_that_is_no_number_once_is_never_offered() -> None:
    reads = [struct.pack(">f", 20.5), struct.pack(">f", float("nan"))]
    assert Coding("float32", "ABCD") not in [reading.coding for reading in rank(Evidence(reads))]


def test_a_range_decides_between_two_readings() -> None:
    reads = [encode(Coding("bcd16", "AB"), 1250)] * 3  # 0x1250 is 4688
    assert rank(Evidence(reads, range=(4000, 5000)))[0].coding == Coding("uint16", "AB")
    assert rank(Evidence(reads, range=(1000, 1500)))[0].coding == Coding("bcd16", "AB")


def test_what_is_unusual_for_a_unit_costs_more() -> None:
    span = usual(" °C ")
    assert span is not None
    assert magnitude(21.0, None, span) < magnitude(21000.0, None, span)
    assert magnitude(1e-38, None, span) > magnitude(21000.0, None, span)
    assert usual("furlong") is None


@pytest.mark.parametrize(
    ("options", "coding", "expected"),
    [
        ({}, Coding("float32", "CDAB"), {"type": "float32"}),
        ({}, Coding("float32", "ABCD"), {"type": "float32", "order": "ABCD"}),
        ({"bit": 3, "unit": "°C"}, Coding("int16", "BA"), {"type": "int16", "order": "BA", "unit": "°C"}),
        ({"type": "string", "length": 2}, Coding("string", "AB", length=4), {"type": "string", "length": 4}),
        ({"every": 0.25}, Coding("uint8", "AB", high=True), {"type": "uint8", "byte": "high", "every": "0.25s"}),
        ({"scale": 0.1, "range": (0, 10)}, Coding(), {"type": "uint16", "scale": 0.1, "range": [0.0, 10.0]}),
    ],
)
def test_the_line_keeps_what_is_not_of_the_type(
    options: dict[str, Any], coding: Coding, expected: dict[str, Any]
) -> None:
    line = tag_line("flow", ModbusTag.model_validate({"at": 40101} | options), coding, "CDAB")
    assert yaml.safe_load(line) == {"flow": {"at": "holding:100"} | expected}
