"""Real brokers in processes of their own, on free ports, and a subscriber that keeps what it hears."""

import getpass
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

WITHIN = 20.0
_IOTCORE = """
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v4.1]
name = "v4"
listen = "127.0.0.1:{v4}"
next_connection_delay_ms = 1
  [v4.1.connections]
  connection_timeout_ms = 60000
  max_payload_size = 1048576
  max_inflight_count = 500
  dynamic_filters = true
[v5.1]
name = "v5"
listen = "127.0.0.1:{v5}"
next_connection_delay_ms = 1
  [v5.1.connections]
  connection_timeout_ms = 60000
  max_payload_size = 1048576
  max_inflight_count = 500
  dynamic_filters = true
"""
_SERVE = "import sys, time; from iotcore import Broker; b = Broker(config_path=sys.argv[1]); b.start(); time.sleep(600)"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str, within: float = WITHIN) -> None:
    """Poll in a thread without a loop."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out: {what}")
        time.sleep(0.02)


def listening(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.5)
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A broker that can be started, killed and started again on the same ports."""

    def __init__(self, command: list[str], ports: list[int]) -> None:
        self.command, self.ports = command, ports
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(lambda: all(listening(port) for port in self.ports), f"{self.command[0]} listens")
        except AssertionError:
            self.kill()
            raise

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def mosquitto(folder: Path, port: int, extra: str = "") -> Process:
    """Mosquitto with `extra` lines of configuration; skips when there is none."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    path = folder / f"mosquitto-{port}.conf"
    # started as root it would give up root, and with it the right to read the test's files
    lines = [f"user {getpass.getuser()}", f"listener {port} 127.0.0.1", "set_tcp_nodelay true", extra, ""]
    path.write_text("\n".join(lines))
    return Process([program, "-c", str(path)], [port])


def iotcore(folder: Path, v4: int, v5: int) -> Process:
    """The embedded broker, one port for MQTT 3.1.1 and one for 5; skips when it is not installed."""
    pytest.importorskip("iotcore", reason="iotcore is not installed")
    path = folder / "iotcore.toml"
    path.write_text(_IOTCORE.format(v4=v4, v5=v5))
    return Process([sys.executable, "-c", _SERVE, str(path)], [v4, v5])


class Subscriber:
    """Keeps every message; connects again by itself when the broker comes back."""

    def __init__(
        self, port: int, setup: Callable[[Client], None] | None = None, topics: Sequence[str] = ("fieldgate/#",)
    ) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self.subscriptions = 0
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=f"sub-{port}", protocol=MQTTv5)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in topics])
        self.client.on_subscribe = self._subscribed
        self.client.on_message = self._message
        if setup:
            setup(self.client)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        wait_for(lambda: self.subscriptions, "subscribed")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def bodies(self, kind: str) -> list[bytes]:
        """Payloads of a class, in the order of arrival."""
        return [body for topic, body, _ in self.messages if f"/{kind}/" in topic]

    def _subscribed(self, *_: object) -> None:
        self.subscriptions += 1

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload), message.retain))
