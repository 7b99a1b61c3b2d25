"""Types the commands of docs/commissioning.md in a network of its own: `unshare -rn python drive.py FOLDER`.

The addresses of the page are this machine there, so that its commands are typed as they stand. JSON on stdin says which
they are and how the machines are started; JSON on stdout says what came of it.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.commissioning.terminal import PATIENCE, Terminal

BROKER = "10.0.4.2"
READY = "fieldgate status"  # behind it the machines become too hot


class Machine:
    """A process that obeys lines and answers each."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}
        )
        self._until("ready")

    def tell(self, line: str) -> None:
        """Have it obey."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        self._until("done")

    def _until(self, word: str) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.strip() == word:
                return
        raise RuntimeError(f"a machine ended before it said {word!r}")


def subscribe(heard: list[dict[str, Any]]) -> None:
    """Hear all alarms that arrive at the broker."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda one, *_: one.subscribe("fieldgate/line-3/alarm/#", 1)
    client.on_message = lambda _client, _data, told: heard.append({"topic": told.topic, **json.loads(told.payload)})
    for _ in range(100):
        try:
            client.connect(BROKER)
        except OSError:
            time.sleep(0.1)
            continue
        client.loop_start()
        return
    raise RuntimeError("the broker did not start")


def main() -> None:
    """Start all, type all, tell all."""
    folder, asked = Path(sys.argv[1]), json.load(sys.stdin)
    threading.Timer(asked["within"], lambda: os._exit(3)).start()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (BROKER, *asked["addresses"]):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    heard: list[dict[str, Any]] = []
    subprocess.Popen(asked["broker"])
    pump, boiler = (Machine(one["command"], one["env"]) for one in asked["machines"])
    subscribe(heard)
    terminal, done = Terminal(folder), []
    for command in asked["commands"]:
        done.append(terminal.repeat(command) if command == READY else terminal.type(command))
        if command == READY:
            pump.tell("hot")
            boiler.tell("write Boiler.Temperature 110")
            until = time.monotonic() + PATIENCE
            while len({one["topic"] for one in heard}) < 2 and time.monotonic() < until:
                time.sleep(0.1)
    sys.stdout.write(json.dumps({"commands": done, "alarms": heard}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # first process of a PID namespace: with it all that it has started ends


main()
