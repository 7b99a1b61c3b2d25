"""Runs inside the booted machine, as root: a whole line with the installed unit in its middle, upgraded while it works.

Plant and broker are ordinary processes; the gateway is fieldgate.service behind all its walls. It reads OPC UA and
Modbus, judges by the built-in detector and by a user's model in its worker, and tells over MQTT. While the alarm of a
worn bearing stands and the broker keeps silent, the package is upgraded. What is found goes to /trial/line.json.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.cli.asking import fetch
from gateway.cli.children import Child, simulator, write_configuration
from gateway.cli.demo import ALARM, CALIBRATE, EVERY, PACE
from gateway.cli.subscriber import Subscriber

TRIAL, ETC, STATE = Path("/trial"), Path("/etc/fieldgate"), Path("/var/lib/fieldgate")
LISTEN = "127.0.0.1:9184"
WITHIN = 150.0  # s for anything, on a machine that is busy with something else
# By the user's model the bearing is judged, by the built-in detector the pump; of neither a person said what is normal.
BEARING = {
    "tags": ["plc.pump_vibration", "io.pump_bearing_temperature"],
    "model": "bundles/bearing",
    "every": "200ms",
    "alarm": ALARM,
}


class Line:
    """What the broker has delivered of alarms, by their ids."""

    def __init__(self, port: int) -> None:
        self.heard = Subscriber(port, "fieldgate/trial/alarm/#", "trial")
        self.alarms: dict[str, dict[str, Any]] = {}

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait, and take down what arrives meanwhile."""
        end = time.monotonic() + WITHIN
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {WITHIN:.0f} s: {what}; heard {self.alarms}")
            for _, message in self.heard.take(within=0.2):
                self.alarms[message["id"]] = message  # one that comes again does so under its id

    def states(self, asset: str) -> list[str]:
        """The states that an asset's alarm was heard to enter, in their order."""
        return [alarm["state"] for alarm in self.alarms.values() if alarm["asset"] == asset]


def verb(*words: str) -> Any:
    """What a verb says as JSON."""
    done = subprocess.run(["fieldgate", *words, "--json", "--state", STATE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def systemctl(*words: str) -> str:
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=True).stdout.strip()


def phases() -> dict[str, str]:
    return {asset["asset"]: asset["phase"] for asset in fetch(LISTEN)["assets"]}


def standing() -> dict[str, Any]:
    """What an upgrade must keep: alarms and their times, what assets have learnt, what waits for the broker."""
    return {"alarms": verb("alarms"), "phases": phases(), "waiting": verb("outbox", "stat")}


def signalled(child: Child, number: signal.Signals) -> None:
    """To a simulator and to what it has started: the broker is a process of its own."""
    pid = child.process.pid
    for one in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
        os.kill(one, number)


def configure(ready: dict[str, Any]) -> None:
    """As a person would write it for this plant."""
    root = {
        "gateway": {"id": "trial"},
        "mqtt": {"url": "mqtt://127.0.0.1:1883"},
        "metrics": {"listen": LISTEN},
        "models": {"keys": "keys"},
        "assets": {
            "pump": {"tags": ready["assets"]["pump"], "calibrate": CALIBRATE, "alarm": ALARM},
            "bearing": BEARING,
        },
    }
    ways = {"opcua": {"mode": "read"}}
    devices = [{**device, "every": EVERY, **ways.get(device["adapter"], {})} for device in ready["devices"]]
    write_configuration(ETC, root, devices)


def upgraded(line: Line, broker: Child, found: dict[str, Any]) -> None:
    """The next version is installed while an alarm stands and nothing goes out."""
    signalled(broker, signal.SIGSTOP)
    subprocess.run(["fieldgate", "alarms", "--state", STATE, "ack", "pump", "--by", "ann"], check=True)
    found["before"] = standing()
    subprocess.run(["dpkg", "-i", TRIAL / "new.deb"], check=True)
    found["version"] = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "fieldgate"], capture_output=True, text=True, check=True
    ).stdout
    line.until(lambda: phases().get("pump") == "scoring", "it is judged after the upgrade, without learning anew")
    found["after"] = standing()
    signalled(broker, signal.SIGCONT)


def played(found: dict[str, Any]) -> None:
    """Learn, fault, alarms, upgrade, repair, and back to normal."""
    broker, _ = simulator("broker", "--port", "1883", log=TRIAL / "broker.log")
    plant, ready = simulator("plant", "--step", EVERY, "--pace", str(PACE), "--seed", "1", log=TRIAL / "plant.log")
    line = Line(1883)
    try:
        configure(ready)
        systemctl("restart", "fieldgate")
        line.until(lambda: set(phases().values()) == {"scoring"}, "all is judged")
        plant.tell("fault bearing_wear on")
        line.until(lambda: bool(line.states("pump") and line.states("bearing")), "both alarms are heard")
        found["first"] = list(line.alarms.values())
        upgraded(line, broker, found)
        line.until(lambda: "active-acknowledged" in line.states("pump"), "what waited is heard")
        plant.tell("fault bearing_wear off")
        line.until(lambda: "normal" in line.states("pump"), "the pump is normal again")
        line.until(lambda: "returned-unacknowledged" in line.states("bearing"), "the bearing has returned")
        found["heard"] = {asset: line.states(asset) for asset in ("pump", "bearing")}
    finally:
        line.heard.stop()
        plant.stop()
        broker.stop()


def main() -> None:
    """Write down what was found, or how far it came."""
    found: dict[str, Any] = {}
    try:
        played(found)
    finally:
        (TRIAL / "line.json").write_text(json.dumps(found))


main()
