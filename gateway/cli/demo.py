"""`fieldgate demo`: the main job on embedded defaults.

A simulated plant is read over real OPC UA and Modbus TCP, a fault develops, and the alarm that names the culprit
arrives over MQTT.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.cli.asking import fetch
from gateway.cli.children import Child, daemon, listening, simulator, write_configuration
from gateway.cli.common import FAILED, OK, complain, print_json
from gateway.cli.subscriber import Subscriber
from gateway.cli.view import View
from gateway.sdk.config import seconds

EVERY = "50ms"  # period of the scans: a minute shows what a plant shows in twenty
PACE = 20.0  # plant seconds in one second of ours
CALIBRATE = 700  # rows; 35 s, in which the load goes up and down a few times
ALARM = {"severity": "high", "on_delay": "500ms", "off_delay": "1s"}
HOLD = 3.0  # s that an alarm is shown before the fault is repaired
REST = 4.0  # s between a return to normal and the next fault
FAULTS = ("bearing_wear", "clogged_filter", "cavitation", "stuck_valve")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("demo", help="a simulated plant, a fault, an alarm", description=__doc__)
    parser.add_argument("--for", dest="seconds", type=seconds, metavar="TIME", help="end after this long: 90s")
    parser.add_argument("--json", action="store_true", help="print the events a subscriber got, one JSON object a line")
    parser.add_argument("--fault", choices=FAULTS, default=FAULTS[0], help="the first fault (default: %(default)s)")
    parser.add_argument("--console", action="store_true", help="with the web console; prints its address and a login")
    parser.set_defaults(func=run)


@dataclass
class Act:
    """What happens when: learn, fault on, alarm, fault off, normal, and again."""

    faults: dict[str, dict[str, Any]]
    plant: Child
    order: deque[str]
    current: str = ""
    phase: str = "learning"  # learning → fault → alarm → repaired → resting → fault …
    since: float = field(default_factory=time.monotonic)
    proven: int = 0  # faults that raised an alarm naming the culprit first, and returned to normal
    named: bool = False

    @property
    def asset(self) -> str:
        """The machine of the current fault."""
        return str(self.faults[self.current]["asset"]) if self.current else ""

    def go(self, phase: str) -> None:
        """Enter a phase."""
        self.phase, self.since = phase, time.monotonic()

    def tick(self, assets: list[dict[str, Any]]) -> None:
        """Move on where time or the state of the detectors says so."""
        passed = time.monotonic() - self.since
        if self.phase == "learning" and self._calm(assets):
            self.go("resting")
        elif self.phase == "resting" and passed > REST and self._calm(assets):
            self.current = self.order[0]
            self.order.rotate(-1)
            self.plant.tell(f"fault {self.current} on")
            self.named = False
            self.go("fault")
        elif self.phase == "alarm" and passed > HOLD:
            self.plant.tell(f"fault {self.current} off")
            self.go("repaired")

    def _calm(self, assets: list[dict[str, Any]]) -> bool:
        """Everything is judged, and the machine whose turn it is has no alarm."""
        next_asset = self.faults[self.order[0]]["asset"]
        active = {a["asset"] for a in assets if a["alarm"].startswith("active")}
        return all(a["phase"] == "scoring" for a in assets) and next_asset not in active

    def hear(self, event: dict[str, Any]) -> None:
        """An event from the broker."""
        if event.get("asset") != self.asset or event.get("type") != "alarm":
            return
        if self.phase == "fault" and event["state"].startswith("active"):
            self.named = event["contributions"][0]["tag"] == self.faults[self.current]["culprit"]
            self.go("alarm")
        elif self.phase == "repaired" and not event["state"].startswith("active"):
            self.proven += self.named
            self.go("resting")


def run(args: argparse.Namespace) -> int:
    """Play until Ctrl-C, or for the time given; 0 when a fault was named and went."""
    folder = tempfile.TemporaryDirectory(prefix="fieldgate-demo-")
    with folder as name, _stage(Path(name), console=args.console) as (act, address, heard):
        act.order.rotate(-list(act.order).index(args.fault))
        note = _login(Path(name) / "state") if args.console else ""
        view = View(act, show=not args.json and sys.stdout.isatty(), note=note)
        until = time.monotonic() + args.seconds if args.seconds else float("inf")
        try:
            while time.monotonic() < until:
                _turn(act, address, heard, view, as_json=args.json)
        except KeyboardInterrupt:
            view.end()
            return OK
        view.end()
    if args.seconds and not act.proven:
        complain(f"no fault was named and repaired in {args.seconds:.0f} s; the last phase was {act.phase!r}")
        return FAILED
    return OK


def _turn(act: Act, address: str, heard: Subscriber, view: View, *, as_json: bool) -> None:
    """A fifth of a second of the show."""
    for topic, message in heard.take(within=0.2):
        kind = topic.split("/")[2]
        if kind in ("alarm", "event"):
            act.hear(message)
            if as_json:
                print_json(message)
        view.hear(kind, message)
    status = fetch(address)
    act.tick(status["assets"])
    view.draw(status)


@contextlib.contextmanager
def _stage(folder: Path, *, console: bool) -> Iterator[tuple[Act, str, Subscriber]]:
    """Broker, plant, subscriber and daemon, set up and taken down."""
    with contextlib.ExitStack() as stack:
        broker, ports = simulator("broker", log=folder / "broker.log")
        stack.callback(broker.stop)
        plant, ready = simulator("plant", "--step", EVERY, "--pace", str(PACE), "--seed", "1", log=folder / "plant.log")
        stack.callback(plant.stop)
        heard = Subscriber(ports["mqtt5"], "fieldgate/demo/#")
        stack.callback(heard.stop)
        state = folder / "state"
        state.mkdir()
        config = _configuration(
            folder, ready, ports["mqtt5"], {"console": {"listen": "127.0.0.1:0"}} if console else {}
        )
        gateway = daemon(config, state, folder / "gateway.log")
        stack.callback(gateway.stop)
        yield Act(ready["faults"], plant, deque(FAULTS)), listening(gateway, state), heard


def _login(state: Path) -> str:
    """Where the console is, and who comes in; it listens before the gateway says where that listens."""
    user, _, password = (state / "console-password").read_text().strip().partition(" ")
    return f"Console: {(state / 'console-listen').read_text()}   user {user}   password {password}"


def _configuration(folder: Path, ready: dict[str, Any], port: int, more: dict[str, Any]) -> Path:
    """The configuration that a person would write for this plant."""
    assets = {name: {"tags": tags, "calibrate": CALIBRATE, "alarm": ALARM} for name, tags in ready["assets"].items()}
    root = {
        "gateway": {"id": "demo"},
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}"},
        "assets": assets,
        **more,
    }
    devices = [
        {**device, "every": EVERY, **({"mode": "read"} if device["adapter"] == "opcua" else {})}
        for device in ready["devices"]
    ]
    return write_configuration(folder, root, devices)
