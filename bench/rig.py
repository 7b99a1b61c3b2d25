"""What the benches share: a broker that stops and starts, a subscriber that keeps its session, process figures."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.cli.children import write_configuration


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """A broker that keeps sessions on disk, so that it can go away and come back."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not Path(program).is_file():
            sys.exit("this bench needs mosquitto: apt install mosquitto")
        self.port, self._program, self._conf = free_port(), program, folder / "mosquitto.conf"
        self._conf.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
            "max_queued_messages 0\nmax_inflight_messages 1000\nuser root\nlog_type none\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([self._program, "-c", str(self._conf)], stderr=subprocess.DEVNULL)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
                return
            time.sleep(0.02)
        sys.exit("mosquitto did not start")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


class Sink:
    """A subscriber with a session that survives the broker, under a name; notes when each message came."""

    def __init__(self, port: int, topic: str, name: str = "bench-sink") -> None:
        self.messages: list[tuple[int, dict[str, Any]]] = []  # (wall ns of receipt, message)
        self._topic, self._lock = topic, threading.Lock()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        keep = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own
        keep.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=keep)
        self._client.loop_start()

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        now = time.time_ns()
        with self._lock:
            self.messages.append((now, orjson.loads(message.payload)))

    def wait_for(self, count: int, within: float) -> bool:
        until = time.monotonic() + within
        while len(self.messages) < count:
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    def quiet(self, seconds: float, within: float) -> None:
        """Wait until nothing has come for `seconds`."""
        until, seen, since = time.monotonic() + within, -1, time.monotonic()
        while time.monotonic() < until and time.monotonic() - since < seconds:
            if len(self.messages) != seen:
                seen, since = len(self.messages), time.monotonic()
            time.sleep(0.05)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def verdict(runs: dict[str, Callable[[], bool]], only: str | None) -> int:
    """Run all, or only one; the exit code."""
    held = [run() for name, run in runs.items() if only in (None, name)]
    return 0 if all(held) else 1


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def farm_config(folder: Path, ready: dict[str, Any], port: int, telemetry: str = "all", **more: Any) -> Path:
    """Every register of every device of a farm as one tag."""
    tags = {f"r{i}": {"at": f"holding:{i}", "type": "uint16"} for i in range(ready["registers"])}
    devices = [
        {
            "device": f"farm-{i}", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{p}?unit=1",
            "every": ready["period"], "tags": tags, **more,
        }
        for i, p in enumerate(ready["ports"])
    ]  # fmt: skip
    mqtt = {"url": f"mqtt://127.0.0.1:{port}", "reconnect_max": "2s"}
    root = {"gateway": {"id": "bench"}, "mqtt": mqtt, "telemetry": telemetry}
    return write_configuration(folder, root, devices)


def counter_of(message: dict[str, Any]) -> int:
    """The farm's own number of the read, from its first two registers."""
    return (int(message["values"][0]) << 16) | int(message["values"][1])


def answered_us(message: dict[str, Any]) -> int:
    """When the farm answered, in wall microseconds, from registers 2 to 5."""
    value = 0
    for word in message["values"][2:6]:
        value = value << 16 | int(word)
    return value


def journal(path: Path) -> Iterator[tuple[int, int, int]]:
    """(device, number of the read, wall us) of every read that the farm answered."""
    for line in path.read_text().splitlines():
        device, count, at = line.split(",")
        yield int(device), int(count), int(at)


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
