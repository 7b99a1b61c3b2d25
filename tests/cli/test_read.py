"""`fieldgate read`: once and on and on, of every adapter, in a pipe and on a terminal."""

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.reading import running
from gateway_sim.launch import Simulator
from tests.plugins.gateway_opcua.peers import free_port, start_asyncua

PROFILE = """\
port: {port}
units:
  1:
    tags: {{flow: {{at: holding:0, mean: 7}}, level: {{at: holding:9, mean: 3}}}}
"""
BENCH = """\
device: bench
adapter: sim
every: 200ms
tags:
  ramp: {wave: ramp, period: 5s, mean: 2, unit: m}
  fixed: {wave: constant, mean: 60, unit: °C}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "fieldgate.yaml").write_text(f"gateway: {{id: a, state: {tmp_path}/state}}\n")
    return tmp_path


def command(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "gateway", "read", "--config", str(home / "fieldgate.yaml"), *words]


def read(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(home, *words), capture_output=True, text=True, timeout=60, check=False)


@contextlib.contextmanager
def watching(home: Path, *words: str) -> Iterator[Callable[..., dict[str, Any]]]:
    """A watch in a pipe; gives a call that waits for a line of a tag with a value or a status."""
    child = subprocess.Popen(
        command(home, "--watch", "--json", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout

    def until(tag: str, **wanted: Any) -> dict[str, Any]:
        assert child.stdout
        for line in child.stdout:
            said: dict[str, Any] = json.loads(line)
            if said["tag"] == tag and wanted.items() <= said.items():
                return said
        raise AssertionError(f"ended before {tag} was {wanted}")

    try:
        yield until
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 0, "Ctrl-C is how one ends it"
    finally:
        child.kill()
        child.communicate()


@contextlib.contextmanager
def simulated(folder: Path, port: int) -> Iterator[Simulator]:
    profile = folder / "profile.yaml"
    profile.write_text(PROFILE.format(port=port))
    with Simulator("modbus", str(profile)) as found:
        yield found


def modbus(home: Path, port: int) -> None:
    text = f"device: io\nadapter: modbus\nconnect: tcp://127.0.0.1:{port}?unit=1\nevery: 100ms\ntimeout: 500ms\n"
    tags = "tags: {flow: {at: holding:0}, level: {at: holding:9}}\n"
    (home / "devices.d/io.yaml").write_text(text + tags)


def test_a_pipe_gets_a_line_for_each_change(home: Path) -> None:
    (home / "devices.d/bench.yaml").write_text(BENCH)
    done = read(home, "--watch", "--for", "2s")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}  bench\.", line) for line in lines)
    assert sum("bench.fixed" in line for line in lines) == 1, "it did not change"
    assert sum("bench.ramp" in line for line in lines) >= 5
    assert lines[0].split()[-2:] in (["m", "Good"], ["°C", "Good"])


def test_only_what_is_named_is_asked(home: Path) -> None:
    with simulated(home, free_port()) as device:
        modbus(home, int(device.ready["port"]))
        done = read(home, "--json", "io.level")
        assert [(one["tag"], one["value"]) for one in json.loads(done.stdout)] == [("io.level", 3.0)]
        device.tell("exception 1 2")
        assert read(home, "io.level").returncode == 75


def test_a_loss_is_seen_and_told_and_the_watch_goes_on(home: Path) -> None:
    port = free_port()
    modbus(home, port)
    with watching(home) as until:
        with simulated(home, port) as device:
            assert until("io.flow", value=7.0)["status"] == "Good"
            device.tell("set 1 flow 8")
            until("io.flow", value=8.0)
        until("io.flow", value=None, status="BadNotConnected")
        with simulated(home, port):
            until("io.flow", value=7.0, status="Good")


def test_opc_ua_is_watched_by_its_subscription(home: Path) -> None:
    port = free_port()
    device = f"device: plc\nadapter: opcua\nconnect: opc.tcp://127.0.0.1:{port}\nevery: 100ms\n"
    (home / "devices.d/plc.yaml").write_text(device + "tags: {a: {node: 'ns=2;s=Double'}}\n")
    with start_asyncua(port) as server, watching(home, "plc") as until:
        assert until("plc.a", status="Good")["value"] == 2.25
        server.tell("write Double 9.5")
        until("plc.a", value=9.5, status="Good")


def test_a_terminal_keeps_one_table(home: Path) -> None:
    (home / "devices.d/bench.yaml").write_text(BENCH)
    seen = on_a_terminal(command(home, "--watch", "--for", "1s"))
    assert seen.count("Ctrl-C ends it.") >= 3
    assert "\x1b[3F" in seen, "two tags and a line below are drawn anew where they stood"
    last = seen.rsplit("\x1b[3F", 1)[1].splitlines()
    assert [line.split()[1] for line in last[:2]] == ["bench.ramp", "bench.fixed"]


def on_a_terminal(words: list[str]) -> str:
    """All that a command writes to a terminal of 24 lines."""
    terminal, theirs = pty.openpty()
    child = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: it has ended
        while part := os.read(terminal, 4096):
            seen += part
    os.close(terminal)
    child.wait(30)
    return seen.decode()


async def test_a_bug_of_an_adapter_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    async def wrong() -> None:
        raise ZeroDivisionError("of the plugin")

    async with running([wrong()]):
        await asyncio.sleep(0.01)
        assert capsys.readouterr().err == "fieldgate: a fault of the adapter: ZeroDivisionError('of the plugin')\n"


def test_what_is_not_there_is_named(home: Path) -> None:
    (home / "devices.d/bench.yaml").write_text(BENCH)
    done = read(home, "bench.ramp", "bench.nothing")
    assert (done.returncode, done.stderr) == (1, "fieldgate: no tag is called bench.nothing\n")
