"""A whole gateway as a plant would have it: files, the real daemon in its own process, and what it says of itself."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import orjson

from bench.kill import Ear
from bench.rig import free_port
from gateway.cli.children import Child, daemon, listening, simulator, write_configuration
from gateway_sim.demo_config import farm_configuration

WITHIN = 30.0  # s; what is to happen soon happens within this, on a busy machine too
BAD = 0x80000000
GATEWAY = "bench"

Message = dict[str, Any]


def until(condition: Callable[[], Any], what: str, within: float = WITHIN) -> Any:
    """Poll until `condition` gives something true, and give that."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(0.02)
    return found


Farm = tuple[Child, dict[str, Any]]


@contextlib.contextmanager
def farm(folder: Path, devices: int, registers: int = 12, period: str = "100ms") -> Iterator[Farm]:
    """A farm, and its ready line; its journal is `folder/journal.csv`."""
    options = ("--devices", str(devices), "--registers", str(registers), "--period", period)
    child, ready = simulator("farm", *options, "--journal", str(folder / "journal.csv"), log=folder / "farm.log")
    try:
        yield child, ready
    finally:
        child.stop()


def farm_devices(ready: Mapping[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Devices for a farm, each with `more`."""
    return [{**device, **more} for device in farm_configuration(ready)["devices"]]


class Site:
    """One gateway with its files."""

    def __init__(self, folder: Path, devices: Sequence[dict[str, Any]], port: int | None = None, **root: Any) -> None:
        self.folder, self.state, self.log = folder, folder / "state", folder / "gateway.log"
        self.state.mkdir(exist_ok=True)
        mqtt = {"url": f"mqtt://127.0.0.1:{port or free_port()}", "reconnect_max": "1s"}
        self.config = write_configuration(folder, {"gateway": {"id": GATEWAY}, "mqtt": mqtt, **root}, devices)
        self.gateway: Child | None = None
        self.address = ""

    def launch(self, *options: str) -> Child:
        """Start the daemon and do not wait for it."""
        self.gateway = daemon(self.config, self.state, self.log, *options)
        return self.gateway

    def start(self, *options: str) -> "Site":
        """Start the daemon and wait until it answers and has opened its outbox."""
        self.address = listening(self.launch(*options), self.state)
        until(lambda: self.status()["outbox"]["classes"], "the outbox is open")
        return self

    def stop(self) -> int:
        """End it by SIGTERM; its exit code."""
        assert self.gateway is not None
        return self.gateway.stop()

    def kill(self) -> None:
        assert self.gateway is not None
        self.gateway.kill()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of what it answers at `path`."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=10.0) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.get("/status")[1])
        return document

    def part(self, name: str) -> dict[str, Any]:
        """One part of its health; empty when it never reported."""
        return next((part for part in self.status()["parts"] if part["name"] == name), {})

    def lost(self, device: str) -> bool:
        return any(one["device"] == device and one["lost"] for one in self.status()["devices"])

    def reads(self, device: str) -> bool:
        """Whether the device has been heard and is not lost."""
        return bool(self.part(f"device {device}").get("state") == "ok")

    def asset(self, name: str) -> dict[str, Any]:
        return next(asset for asset in self.status()["assets"] if asset["asset"] == name)

    def lines(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Lines of its log with this event and these fields."""
        found = []
        for text in self.log.read_text().splitlines():
            line = json.loads(text) if text.startswith("{") else {}
            if line.get("event") == event and all(line.get(name) == value for name, value in fields.items()):
                found.append(line)
        return found

    def verb(self, *arguments: str, within: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """Run another verb of the command line on this configuration."""
        verb, *rest = arguments
        command = [sys.executable, "-m", "gateway", verb, "--config", str(self.config), *rest]
        return subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.gateway is not None and self.gateway.alive:
            self.stop()


class Listener(Ear):
    """What a plant hears of its gateways: their messages in the order of arrival."""

    def __init__(self, port: int, name: str = "bench-sink") -> None:
        super().__init__(port, "fieldgate/#", name)

    def told(self, cls: str, since: int = 0, **fields: Any) -> list[Message]:
        """Messages of a class, from the `since`th of all on, that have these fields; each once, by its id."""
        every = [orjson.loads(body) for topic, body in list(self.heard)[since:] if body and topic.split("/")[2] == cls]
        mine = [message for message in every if all(message.get(k) == v for k, v in fields.items())]
        return list({message.get("id", number): message for number, message in enumerate(mine)}.values())

    @property
    def count(self) -> int:
        """Messages so far."""
        return len(self.heard)


def readings(messages: Sequence[Message], tag: str) -> list[tuple[Any, int]]:
    """(value, StatusCode) of every reading of one tag, in order."""
    found = []
    for message in messages:
        if tag in message["tags"]:
            at = message["tags"].index(tag)
            found.append((message["values"][at], message.get("status", [0] * (at + 1))[at]))
    return found
