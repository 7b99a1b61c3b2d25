"""Profiles of simulated Modbus units: what they serve, what goes wrong, and what they refuse to be."""

import asyncio
import contextlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gateway_sim
from gateway.__main__ import parser
from gateway.sdk import WriteRefusedError
from gateway_sim.launch import Simulator, SimulatorError
from gateway_sim.modbus_profile import ProfileServer
from gateway_sim.profile import Profile, ProfileError, ProfileUnit, load
from gateway_sim.profile_unit import Unit

SAMPLE = Path(gateway_sim.__file__).with_name("profile.sample.yaml")
SECOND = 1_000_000_000


def unit(tags: dict[str, Any] | None = None, **options: Any) -> Unit:
    tags = tags or {"level": {"at": "holding:4", "type": "int16", "scale": 0.1, "mean": -5.5}}
    return Unit(ProfileUnit.model_validate({"tags": tags} | options))


def read(one: Unit, start: int, count: int, function: int = 3, now: int = 0) -> bytes:
    return one.answer(struct.pack(">BHH", function, start, count), now)


def test_a_tag_lies_where_and_how_a_device_s_file_says() -> None:
    assert read(unit(), 4, 1) == b"\x03\x02" + struct.pack(">h", -55)
    swapped = unit({"flow": {"at": 40001, "type": "float32", "mean": 2.5}}, order="CDAB")
    assert read(swapped, 0, 2)[2:] == bytes.fromhex("00004020")


def test_parts_of_one_register_stand_beside_each_other() -> None:
    one = unit(
        {
            "high": {"at": "holding:0", "type": "uint8", "byte": "high", "mean": 18.0},
            "bit": {"at": "holding:0", "bit": 2, "mean": 1.0},
            "text": {"at": "holding:1", "type": "string", "length": 2, "text": "ok"},
            "on": {"at": "coil:3", "mean": 1.0},
        }
    )
    assert read(one, 0, 3)[2:] == b"\x12\x04ok\0\0"
    assert read(one, 0, 4, function=1) == b"\x01\x01\x08"


def test_waves_move_and_constants_hold_what_is_written_to_them() -> None:
    one = unit(
        {
            "wave": {"at": "holding:0", "wave": "ramp", "mean": 50.0, "amplitude": 40.0, "period": 10.0},
            "held": {"at": "holding:1", "mean": 7.0},
        }
    )
    seen = [read(one, 0, 1, now=k * SECOND)[2:] for k in range(1, 9)]
    assert seen == sorted(set(seen))
    assert one.answer(struct.pack(">BHH", 6, 1, 99), 20 * SECOND) == struct.pack(">BHH", 6, 1, 99)
    assert read(one, 1, 1, now=30 * SECOND)[2:] == b"\0\x63"


def test_a_wave_is_held_within_what_the_type_can_hold() -> None:
    one = unit({"low": {"at": "holding:0", "wave": "square", "mean": 0.0, "amplitude": 5.0, "period": 10.0}})
    assert {read(one, 0, 1, now=k * SECOND)[2:] for k in range(1, 11)} == {b"\0\0", b"\0\5"}


def test_what_lies_behind_the_last_tag_is_no_address() -> None:
    assert read(unit(), 0, 5)[0] == 3
    assert read(unit(), 0, 6) == b"\x83\x02"
    assert read(unit(), 0, 1, function=4) == b"\x84\x02"


def test_mask_write_changes_its_bits_only() -> None:
    one = unit({"word": {"at": "holding:0", "mean": float(0x5555)}})
    request = struct.pack(">BHHH", 22, 0, 0xFFF0, 0x000F)
    assert one.answer(request, 0) == request
    assert read(one, 0, 1)[2:] == b"\x55\x5f"
    assert one.answer(struct.pack(">BHHH", 22, 9, 0, 0), 0) == b"\x96\x02"
    assert one.answer(request[:-1], 0) == b"\x96\x03"


def test_read_and_write_at_once_writes_first() -> None:
    request = struct.pack(">BHHHHBH", 23, 4, 1, 4, 1, 2, 77)
    assert unit().answer(request, 0) == b"\x17\x02\x00\x4d"
    assert unit().answer(struct.pack(">BHHHHBH", 23, 4, 1, 5, 1, 2, 77), 0) == b"\x97\x02"
    assert unit().answer(struct.pack(">BHHHHBH", 23, 5, 1, 4, 1, 2, 77), 0) == b"\x97\x02"
    assert unit().answer(request[:8], 0) == b"\x97\x03"


def test_it_says_who_it_is_only_where_the_profile_does() -> None:
    one = unit(identification={"vendor": "ACME", "product": "P7"})
    listed = b"\x00\x04ACME\x04\x02P7"
    assert one.answer(b"\x2b\x0e\x02\x00", 0) == b"\x2b\x0e\x02\x02\x00\x00\x02" + listed
    assert unit().answer(b"\x2b\x0e\x02\x00", 0) == b"\xab\x01"


@pytest.mark.parametrize(
    ("faults", "start", "count", "answer"),
    [
        ({"exception": 6}, 4, 1, b"\x83\x06"),
        ({"holes": ["holding:2"]}, 0, 5, b"\x83\x02"),
        ({"holes": ["input:2"]}, 4, 1, b"\x03\x02\xff\xc9"),
        ({"max_registers": 4}, 0, 5, b"\x83\x03"),
    ],
)
def test_faults_answer_by_their_exceptions(faults: dict[str, Any], start: int, count: int, answer: bytes) -> None:
    assert read(unit(faults=faults), start, count) == answer


async def _asked(port: int, *requests: bytes, pause: float = 0.0) -> list[bytes]:
    """The answers of unit 1 that come within a second each; b"" for none, or for a connection that was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for number, pdu in enumerate(requests):
        writer.write(struct.pack(">HHHB", number, 0, 1 + len(pdu), 1) + pdu)
        try:
            answers.append((await asyncio.wait_for(reader.read(300), 1.0))[7:])
        except TimeoutError:
            answers.append(b"")
        await asyncio.sleep(pause)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answers


@pytest.mark.parametrize(
    ("faults", "pause", "answered"),
    [
        ({}, 0.0, [True, True]),
        ({"silent": True}, 0.0, [False, False]),
        ({"delay": 0.1}, 0.0, [True, True]),
        ({"pause": 2.0}, 0.0, [True, False]),
        ({"pause": 0.05}, 0.1, [True, True]),
    ],
)
async def test_faults_of_time(faults: dict[str, Any], pause: float, answered: list[bool]) -> None:
    tags = {"a": {"at": "holding:0"}}
    server = ProfileServer(Profile.model_validate({"units": {1: {"tags": tags, "faults": faults}}}))
    port = await server.start()
    request = struct.pack(">BHH", 3, 0, 1)
    assert [bool(answer) for answer in await _asked(port, request, request, pause=pause)] == answered
    assert server.asked == 2
    await server.stop()


async def test_one_connection_too_many_is_closed() -> None:
    server = ProfileServer(
        Profile.model_validate({"connections": 1, "units": {1: {"tags": {"a": {"at": "holding:0"}}}}})
    )
    port = await server.start()
    first = await asyncio.open_connection("127.0.0.1", port)
    assert await _asked(port, struct.pack(">BHH", 3, 0, 1)) == [b""]
    first[1].close()
    await first[1].wait_closed()
    await server.stop()


def test_the_sample_loads_and_shows_every_option() -> None:
    profile = load(SAMPLE)
    for config in profile.units.values():
        Unit(config)
    text = SAMPLE.read_text()
    options = {*Profile.model_fields, *ProfileUnit.model_fields, *type(profile.units[1].faults).model_fields}
    assert not [name for name in options if f"{name}:" not in text]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("units: {1: {tags: {a: {at: holding:0, wave: saw}}}}", "units.1.tags.a.wave"),
        ("units: {}", "units"),
        ("units: {one: {}}", "one"),
        ("units: [", "expected"),
        ("units: {1: {tags: {a: {at: 'coil:0', type: uint16}}}}", "always bool"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ProfileError, match=why):
        load(tmp_path / "p.yaml")


def test_a_mean_that_its_tag_cannot_hold_is_refused() -> None:
    with pytest.raises(ProfileError, match="word: 'long text' takes 9 bytes"):
        unit({"word": {"at": "holding:0", "type": "string", "length": 2, "text": "long text"}})
    with pytest.raises(WriteRefusedError):
        unit({"mode": {"at": "holding:0", "enum": {"0": "off", "1": "on"}}}).show("mode", 7)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    path = tmp_path / "p.yaml"
    path.write_text(SAMPLE.read_text().replace("port: 1502", "port: 0"))
    with Simulator("modbus", str(path)) as running:
        yield running


async def test_the_process_obeys_commands(simulator: Simulator) -> None:
    port = simulator.ready["port"]
    assert simulator.ready["units"]["2"] == ["level"]
    setpoint = struct.pack(">BHH", 3, 110, 2)
    simulator.tell("set 1 setpoint 2.5")
    assert await _asked(port, setpoint) == [b"\x03\x04" + bytes.fromhex("00004020")]
    simulator.tell("exception 1 6")
    assert await _asked(port, setpoint) == [b"\x83\x06"]
    simulator.tell("exception 1 off")
    simulator.tell("delay 1 50ms")
    assert len((await _asked(port, setpoint))[0]) == 6
    simulator.tell("silent 1 on")
    assert await _asked(port, setpoint) == [b""]
    assert simulator.tell("stats")["asked"] == 4
    for wrong in ("silent 9 on", "set 1 nothing 5", "set 1 mode 7", "delay 1 soon", "exception 1 six"):
        with pytest.raises(SimulatorError):
            simulator.tell(wrong)


def test_a_profile_that_is_missing_ends_the_process_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError):
        Simulator("modbus", str(tmp_path / "none.yaml"))


def test_the_command_line_starts_it(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(json.dumps({"units": {"1": {"tags": {"a": {"at": "holding:0"}}}}}))
    args = parser().parse_args(["sim", "modbus", str(path)])
    assert (args.kind, args.profile) == ("modbus", path)
    (tmp_path / "bad.yaml").write_text("units: {}")
    bad = parser().parse_args(["sim", "modbus", str(tmp_path / "bad.yaml"), "--keep"])
    assert bad.func(bad) == 1
