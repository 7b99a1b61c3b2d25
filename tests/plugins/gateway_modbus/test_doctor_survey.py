"""A device of which nothing is known: where its values lie and what they are, without one address from a person."""

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.sdk import ConfigError, DisconnectedError
from gateway.sdk.browse import Visit
from gateway_modbus.config import ModbusDevice
from gateway_modbus.doctor_survey import examine_unknown, stretches, values
from gateway_sim.launch import Simulator

PROFILE = """\
port: 0
units:
  1:
    identification: {vendor: "x\\ntags: {}", product_code: P7, revision: "1.0"}
    tags:
      flow: {at: holding:100, type: float32, order: CDAB, wave: sine, mean: 120, amplitude: 15, period: 10s, noise: 0.3}
      pressure: {at: holding:102, type: uint16, wave: sine, mean: 620, amplitude: 30, period: 15s, noise: 2}
      level: {at: holding:140, type: float32, order: CDAB, wave: ramp, mean: 3.2, amplitude: 1.5, period: 20s}
      torque: {at: input:7, type: float32, wave: sine, mean: -42.5, amplitude: 3, period: 8s, noise: 0.2}
    faults: {holes: ["holding:120-129"]}
"""


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    profile = tmp_path_factory.mktemp("survey") / "profile.yaml"
    profile.write_text(PROFILE)
    with Simulator("modbus", str(profile)) as found:
        yield Visit("new", f"tcp://127.0.0.1:{found.ready['port']}?unit=1", {})


async def test_values_are_found_with_type_order_and_address(device: Visit) -> None:
    said: list[str] = []
    found = await examine_unknown(device, ["holding:0-199", "input:0-9"], said.append)
    assert said[0] == "which registers hold something"
    assert found.ok
    read = {str(tag.tag.at): (tag.readings[0].coding.type, tag.readings[0].coding.order) for tag in found.tags}
    assert read == {
        "holding:100": ("float32", "CDAB"), "holding:102": ("uint16", "AB"), "holding:140": ("float32", "CDAB"),
        "input:7": ("float32", "ABCD"),
    }  # fmt: skip


async def test_the_file_loads_and_what_the_device_says_stays_in_its_comment(device: Visit, tmp_path: Path) -> None:
    text = (await examine_unknown(device, ["holding:100-102"], lambda _: None)).device_file()
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "devices.d/new.yaml").write_text(text)
    (tmp_path / "fieldgate.yaml").write_text("gateway: {id: a}\n")
    [loaded] = (await asyncio.to_thread(load, tmp_path / "fieldgate.yaml", {"modbus": ModbusDevice})).devices
    assert set(loaded.tags) == {"holding_100", "holding_102"}
    assert [line[0] for line in text.splitlines()[:2]] == ["#", "#"]


def test_empty_registers_begin_no_value_and_end_a_narrow_one() -> None:
    reads = [struct.pack(">3H f 2H H 4H", 0, 0, 0, 120.0 + turn / 7, 0, 0, 608 + turn, 0, 0, 0, 0) for turn in range(4)]
    assert values(reads) == [(3, "float32"), (7, "uint16")]
    assert values([]) == []


@pytest.mark.parametrize(
    ("where", "said"),
    [("coil:0-9", "only registers can be surveyed"), ("holding:9-2", "from a lower to a higher"), ("x", "no Modbus")],
)
def test_what_cannot_be_surveyed_is_told(where: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        stretches([where])


async def test_who_is_not_there_and_what_is_no_address_are_told() -> None:
    with pytest.raises(DisconnectedError):
        await examine_unknown(Visit("new", "tcp://127.0.0.1:1?unit=1", {}), ["holding:0-9"], lambda _: None)
    with pytest.raises(ConfigError, match="connect"):
        await examine_unknown(Visit("new", "mqtt://127.0.0.1", {}), [], lambda _: None)


def test_two_values_that_stand_still_are_no_float_in_some_order() -> None:
    """577 and 613: as a float32 in order BADC they would be 8.15."""
    assert values([struct.pack(">2H", 577, 613)] * 4) == [(0, "uint16"), (1, "uint16")]
