"""OPC UA servers that die and come back, and one that says what no server should."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

from bench.kill import Broker
from bench.rig import free_port
from gateway.cli.children import simulator
from gateway.sdk.quality import BAD_INVALID_TIMESTAMP, BAD_OUT_OF_RANGE, GOOD
from tests.e2e.site import BAD, Listener, Message, Site, readings, until

MODES = ("read", "subscribe")
AT_FIRST = (
    ("nan", "Double", "nan"),
    ("infinite", "Double", "inf"),
    ("text", "String", "warm"),
    ("number", "Double", 1.5),
    ("late", "Double", 1.5),
)
TAGS = tuple(name for name, _, _ in AT_FIRST)


class Odd:
    """The server that says odd things."""

    def __init__(self, port: int) -> None:
        script = str(Path(__file__).with_name("odd_server.py"))
        self.process = subprocess.Popen(
            [sys.executable, script, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if self._out.readline() != b"ready\n":
            self.close()
            pytest.fail("the odd server does not start")

    @property
    def _out(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def say(self, name: str, kind: str, value: object, age: float = 0.0) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name} {kind} {value} {age}\n".encode())
        self.process.stdin.flush()
        assert self._out.readline() == b"done\n"

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Power:
    """The simulated plant, on ports that it keeps."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._ports = ("--opcua-port", str(free_port()), "--modbus-port", str(free_port()))
        self.ready = self.start()

    def start(self) -> dict[str, Any]:
        self._child, ready = simulator("plant", *self._ports, log=self._log)
        return ready

    def kill(self) -> None:
        self._child.kill()


class Rig(NamedTuple):
    site: Site
    ear: Listener
    odd: Odd
    plant: Power


def configured(ready: dict[str, Any], port: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Devices and assets: the plant, and the odd server in both ways of reading."""
    devices = [{**device, "every": "200ms"} for device in ready["devices"]]
    assets = {"sound": {"tags": ready["assets"]["pump"], "calibrate": 50}}
    nodes = {name: {"node": f"ns=2;s={name}"} for name in TAGS}
    for mode in MODES:
        url, name = f"opc.tcp://127.0.0.1:{port}", f"odd-{mode}"
        devices.append(
            {"device": name, "adapter": "opcua", "connect": url, "mode": mode, "every": "200ms", "tags": nodes}
        )
        assets[f"broken-{mode}"] = {"tags": [f"{name}.{tag}" for tag in ("nan", "infinite", "text")], "calibrate": 50}
    return devices, assets


@pytest.fixture(scope="module")
def rig(place: Path, post: Broker, ear: Listener) -> Iterator[Rig]:
    """A gateway with the simulated plant and the odd server."""
    plant = Power(place / "plant.log")
    with contextlib.ExitStack() as stack:
        stack.callback(plant.kill)
        odd = stack.enter_context(contextlib.closing(Odd(port := free_port())))
        for name, kind, value in AT_FIRST:
            odd.say(name, kind, value)
        devices, assets = configured(plant.ready, port)
        site = stack.enter_context(Site(place, devices, post.port, telemetry="all", assets=assets))
        site.start()
        until(lambda: all(site.reads(device["device"]) for device in devices), "everything is read")
        yield Rig(site, ear, odd, plant)


def last(rig: Rig, tag: str) -> tuple[Any, int]:
    """The newest reading of a tag: value and StatusCode."""
    device = tag.partition(".")[0]
    found: tuple[Any, int] = until(lambda: readings(rig.ear.told("telemetry", device=device), tag), tag)[-1]
    return found


def good(rig: Rig, since: int, device: str) -> list[Message]:
    """Messages of a device, from the `since`th on, in which all is good."""
    return [message for message in rig.ear.told("telemetry", since, device=device) if "status" not in message]


@pytest.mark.parametrize("mode", MODES)
def test_nan_and_infinities_become_bad_without_a_number(rig: Rig, mode: str) -> None:
    for name in ("nan", "infinite"):
        value, status = last(rig, f"odd-{mode}.{name}")
        assert (value, status) == (None, BAD_OUT_OF_RANGE)


@pytest.mark.parametrize("mode", MODES)
def test_text_travels_as_text_and_what_is_no_number_is_never_scored(rig: Rig, mode: str) -> None:
    assert last(rig, f"odd-{mode}.text") == ("warm", GOOD)
    until(lambda: rig.site.asset("sound")["rows"] > 10, "others learn meanwhile")
    assert rig.site.asset(f"broken-{mode}")["rows"] == 0
    assert rig.site.asset(f"broken-{mode}")["score"] is None


@pytest.mark.parametrize("mode", MODES)
def test_a_number_that_turns_into_another_type_is_never_a_wrong_number(rig: Rig, mode: str) -> None:
    tag = f"odd-{mode}.number"
    rig.odd.say("number", "Double", 2.5)
    until(lambda: last(rig, tag) == (2.5, GOOD), "a number")
    rig.odd.say("number", "String", "7.5")
    until(lambda: last(rig, tag)[0] == "7.5" or last(rig, tag)[1] >= BAD, "text, or bad")
    rig.odd.say("number", "Int64", 2**62 + 1)
    until(lambda: last(rig, tag) == (2**62 + 1, GOOD), "a number beyond 53 bits, exactly")
    rig.odd.say("number", "Boolean", value=True)
    until(lambda: last(rig, tag) == (1, GOOD), "a boolean")
    seen = [value for value, status in readings(rig.ear.told("telemetry", device=f"odd-{mode}"), tag) if status < BAD]
    assert set(seen) <= {1.5, 2.5, "7.5", 2**62 + 1, 1}


@pytest.mark.parametrize("mode", MODES)
def test_a_step_back_in_time_is_bad_and_what_follows_it_goes_on(rig: Rig, mode: str) -> None:
    tag, device = f"odd-{mode}.late", f"odd-{mode}"
    rig.odd.say("late", "Double", 3.5)
    until(lambda: last(rig, tag) == (3.5, GOOD), "a number of now")
    since = rig.ear.count
    rig.odd.say("late", "Double", 4.5, age=3600)
    until(
        lambda: any(status for _, status in readings(rig.ear.told("telemetry", since, device=device), tag)), "flagged"
    )
    rig.odd.say("late", "Double", 5.5)
    until(lambda: last(rig, tag) == (5.5, GOOD), "time goes on")
    told = [one for one in readings(rig.ear.told("telemetry", since, device=device), tag) if one != (3.5, GOOD)]
    assert told[0] == (None, BAD_INVALID_TIMESTAMP), "the step itself is never a value"


def test_a_server_that_dies_and_comes_back_gives_fresh_values_again(rig: Rig) -> None:
    lost = len(rig.site.lines("device lost", device="plc"))
    rig.plant.kill()
    try:
        until(lambda: rig.site.lost("plc") and rig.site.lost("io"), "both halves are lost")
        worst = until(lambda: [m for m in rig.ear.told("telemetry", device="plc") if "status" in m], "told as bad")[-1]
    finally:
        since = rig.ear.count
        rig.plant.start()
    assert all(status >= BAD for status in worst["status"])
    assert not any(worst["values"])
    until(lambda: rig.site.reads("plc") and rig.site.reads("io"), "both halves are back")
    for device in ("plc", "io"):
        fresh = until(lambda: good(rig, since, device), device)[-1]  # noqa: B023 - called at once
        assert fresh["time"] > worst["time"]
        assert all(isinstance(value, float) for value in fresh["values"])
    for event in ("device lost", "device back"):
        assert len(rig.site.lines(event, device="plc")) == lost + 1
    assert rig.site.reads("odd-read")
