"""`fieldgate scan` over twenty devices, five of them odd: all are found, the files run, the pace is kept."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.cli.pace import SteadyPace
from gateway.sdk.discover import OPEN, REQUEST
from gateway.sdk.testing import FakeClock
from gateway_modbus import sunspec
from tests.cli.field import Device, Field, inverter, plain, running
from tests.plugins.gateway_opcua.issuing import make
from tests.plugins.gateway_opcua.peers import free_port
from tests.plugins.gateway_opcua.securing import serving

RATE = 60
AT_ONCE = 4
SAYS = {0: "Acme", 1: "FM-200", 2: "1.4"}
ODD = {
    "refuses": "127.0.2.16",
    "silent": "127.0.2.17",
    "garbage": "127.0.2.18",
    "slow": "127.0.2.19",
    "deaf": "127.0.2.20",
}
SERVERS = ("127.0.2.13", "127.0.2.14", "127.0.2.15")
MAIN = "gateway: {id: line-3}\nmqtt: {url: mqtt://127.0.0.1}\n"


@dataclass
class Scanned:
    """What a scan came to."""

    found: dict[str, dict[str, Any]]  # by host
    field: Field
    seconds: float
    folder: Path


def devices() -> dict[str, Device]:
    found = {f"127.0.2.{n}": plain() for n in range(1, 8)}
    found |= {f"127.0.2.{n}": plain(says=SAYS) for n in range(8, 11)}
    found |= {f"127.0.2.{n}": inverter() for n in (11, 12)}
    return found | {
        ODD["silent"]: plain(odd="silent"), ODD["garbage"]: plain(odd="garbage"), ODD["slow"]: plain(late=0.7),
    }  # fmt: skip


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    folder, opcua = tmp_path_factory.mktemp("scan"), free_port()
    hosts = ["127.0.2.0/28", *(f"127.0.2.{n}" for n in range(15, 21))]
    bounds = ["--units", "1,2", "--rate", str(RATE), "--at-once", str(AT_ONCE), "--timeout", "1.5"]
    command = [
        sys.executable,
        "-m",
        "gateway",
        "scan",
        *hosts,
        "--yes",
        "--json",
        *bounds,
        "-o",
        str(folder / "devices.d"),
    ]
    with contextlib.ExitStack() as stack:
        for number, host in enumerate(SERVERS):
            policies = ["NoSecurity"] if number == 0 else ["NoSecurity", "Basic256Sha256_SignAndEncrypt"]
            more: dict[str, Any] = {"host": host, "port": opcua, "policies": policies}
            stack.enter_context(serving(folder / host, make(), **more))
        field = stack.enter_context(running(devices(), ODD["deaf"], free_port()))
        command += ["--port", f"modbus:{field.port}", "--port", f"opcua:{opcua}"]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)
        seconds = time.monotonic() - started
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found = {line["where"].partition("://")[2].partition(":")[0]: line for line in lines}
        assert len(found) == len(lines), "each host has one device"
        seen = replace(field, arrivals=list(field.arrivals))  # later tests come to the devices too
        yield Scanned(found, seen, seconds, folder)


def test_all_are_found_and_what_is_odd_is_told(scanned: Scanned) -> None:
    assert set(scanned.found) == {f"127.0.2.{n}" for n in range(1, 21)}
    usual = {host: one["kind"] for host, one in scanned.found.items() if host not in ODD.values()}
    assert [usual[f"127.0.2.{n}"] for n in range(1, 16)] == (
        ["Modbus unit"] * 10 + ["SunSpec inverter"] * 2 + ["OPC UA server"] * 3
    )
    remarks = {odd: scanned.found[host]["remark"] for odd, host in ODD.items()}
    assert remarks["refuses"] == "nothing listens here"
    assert remarks["silent"] == remarks["deaf"] == "takes connections and answers none of the units asked"
    assert "no Modbus device" in remarks["garbage"]
    assert scanned.found[ODD["slow"]]["kind"] == "Modbus unit"


def test_they_say_who_they_are(scanned: Scanned) -> None:
    assert scanned.found["127.0.2.9"]["says"] == {"vendor": "Acme", "product_code": "FM-200", "revision": "1.4"}
    assert scanned.found["127.0.2.11"]["says"] == {"vendor": "Sunny", "model": "S-10"}
    offers = scanned.found["127.0.2.15"]["says"]["offers"]
    assert offers == "None None, SignAndEncrypt Basic256Sha256"


def test_the_files_are_accepted_and_every_tag_reads_good(scanned: Scanned) -> None:
    config = scanned.folder / "fieldgate.yaml"
    config.write_text(MAIN)
    assert len(list((scanned.folder / "devices.d").iterdir())) == 16
    assert main(["check", "--config", str(config)]) == 0
    command = [sys.executable, "-m", "gateway", "read", "--config", str(config), "--json", "--within", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    readings = {one["tag"]: one for one in json.loads(done.stdout)}
    assert {one["status"] for one in readings.values()} == {"Good"}
    sunny = {tag.partition(".")[2]: (one["value"], one["unit"]) for tag, one in readings.items() if "-2-11-" in tag}
    assert sunny == {
        "current": (12.3, "A"), "voltage_a": (230.1, "V"), "voltage_b": (230.2, "V"), "power": (4500.0, "W"),
        "frequency": (50.01, "Hz"), "energy": (65538000.0, "Wh"), "dc_voltage": (600.0, "V"), "dc_power": (4600.0, "W"),
        "temperature": (41.0, "°C"),
    }  # fmt: skip
    secure = next((scanned.folder / "devices.d").glob("opcua-127-0-2-15-*")).read_text()
    assert 'security: "sign_and_encrypt"' in secure


def test_the_pace_is_kept(scanned: Scanned) -> None:
    """By the kernel's own count of the packets that came to the devices, and by when they came."""
    assert scanned.field.packets > 100
    assert scanned.field.packets <= RATE * scanned.seconds
    assert scanned.field.busiest() <= RATE / REQUEST + 1  # each arrival costs a request at least
    assert 1 <= scanned.field.most_open <= AT_ONCE


# --- the verb ---


def test_nothing_is_sent_without_yes(capsys: pytest.CaptureFixture[str]) -> None:
    with running({"127.0.2.30": plain()}, "127.0.2.31", free_port()) as field:
        assert main(["scan", "127.0.2.30", "--port", f"modbus:{field.port}"]) == 2
        assert field.arrivals == []
    assert "1 addresses at port" in capsys.readouterr().out


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running({"127.0.2.30": plain()}, "127.0.2.31", free_port()) as field:
        args = ["scan", "127.0.2.30", "--port", f"modbus:{field.port}", "--yes", "--units", "1", "--rate", "500"]
        assert main([*args, "-o", str(tmp_path)]) == 0
        [path] = tmp_path.iterdir()
        path.write_text("mine")
        assert main([*args, "-o", str(tmp_path)]) == 0
        assert path.read_text() == "mine"
        assert "stays as it is" in capsys.readouterr().err


def test_what_a_device_says_of_itself_stays_in_its_comment(tmp_path: Path) -> None:
    evil = plain(says={0: "x\ntags: {}\n#", 1: "\x1b[31m", 2: "1"})
    with running({"127.0.2.30": evil}, "127.0.2.31", free_port()) as field:
        args = ["scan", "127.0.2.30", "--port", f"modbus:{field.port}", "--yes", "--units", "1", "--rate", "500"]
        assert main([*args, "-o", str(tmp_path)]) == 0
    [path] = tmp_path.iterdir()
    lines = path.read_text().splitlines()
    assert [line[0] for line in lines[:2]] == ["#", "#"]
    assert lines[2].startswith("device: ")
    assert "\x1b" not in path.read_text()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["10.0.0.0/8"], "are more than 65536"),
        (["10.0.0.1/8"], "is no network"),
        (["10.0.0.1", "--port", "sim:1"], "there is no adapter sim that can look for devices"),
    ],
)
def test_what_cannot_be_is_told(args: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", *args, "--yes"]) in (2, 78)
    assert words in capsys.readouterr().err


async def test_the_pace_saves_nothing_up() -> None:
    clock = FakeClock()
    pace, begun = SteadyPace(10.0, clock), clock.monotonic()
    clock.advance(60.0)
    for _ in range(4):
        await pace.spend(OPEN)
    assert clock.monotonic() - begun == pytest.approx(60.0 + 4 * OPEN / 10.0)
    assert pace.spent == 4 * OPEN
    await asyncio.sleep(0)


def test_a_meter_of_sunspec_is_read_by_its_factors() -> None:
    held = [0] * 107
    held[0:2] = [203, 105]
    held[6], held[15], held[17], held[22], held[37] = (power & 0xFFFF for power in (-2, -1, -2, 0, -2))
    held[2], held[8], held[16], held[18], held[54] = 0xFFFF, 2300, 5000, 0x8000, 0x8000
    held[38], held[46] = 1, 2
    tags = sunspec.tags(203, 40070, b"".join(value.to_bytes(2, "big") for value in held))
    assert tags["current"] == {"at": "holding:40072", "type": "int16", "scale": 0.01, "unit": "A"}
    assert tags["voltage_a"]["scale"] == 0.1
    assert not {"power", "exported", "imported"} & set(tags)  # not implemented, or no factor
