"""`broker`: an MQTT broker on this machine, MQTT 5 on one port, 3.1.1 on another. Needs the `demo` extra (iotcore)."""

import argparse
import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway_sim.process import Console

HOST: Final = "127.0.0.1"
_ATTEMPTS: Final = 5  # a free port may be taken by another process before the broker opens it
_LISTENER: Final = """
[v{version}.1]
name = "mqtt-{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1
  [v{version}.1.connections]
  connection_timeout_ms = 60000
  max_payload_size = 1048576
  max_inflight_count = 500
  dynamic_filters = true
"""
_ROUTER: Final = """id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
"""


class BrokerMissingError(Exception):
    """The broker's package is not installed, or the broker does not come up."""


def settings(mqtt5: int, mqtt311: int) -> str:
    """The configuration of rumqttd, the broker in iotcore: its one listener speaks one version of MQTT only."""
    listeners = (_LISTENER.format(version=v, host=HOST, port=port) for v, port in ((4, mqtt311), (5, mqtt5)))
    return _ROUTER + "".join(listeners)


def free_ports(count: int) -> list[int]:
    """`count` different ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def serving(mqtt5: int = 0, mqtt311: int = 0) -> Iterator[dict[str, int]]:
    """A broker for as long as the block lasts. Blocks while it starts (0.5 s).

    Yields the ports: `{"mqtt5": …, "mqtt311": …}`. Raises BrokerMissingError.
    """
    try:
        from iotcore import Broker  # noqa: PLC0415 - an extra; everything else here works without it
    except ImportError as error:
        raise BrokerMissingError("the broker needs the package iotcore: pip install 'fieldgate[demo]'") from error
    with tempfile.TemporaryDirectory(prefix="gateway-sim-") as folder:  # read at start only: nothing is left behind
        broker, ports = _start(Broker, Path(folder) / "broker.toml", mqtt5, mqtt311)
    try:
        yield ports
    finally:
        broker.stop()


def _start(make: Any, path: Path, mqtt5: int, mqtt311: int) -> tuple[Any, dict[str, int]]:
    for attempt in range(1, _ATTEMPTS + 1):
        free5, free311 = free_ports(2)
        ports = {"mqtt5": mqtt5 or free5, "mqtt311": mqtt311 or free311}
        path.write_text(settings(**ports), encoding="utf-8")
        broker = make(config_path=str(path))
        try:
            return broker.start(), ports
        except (OSError, RuntimeError) as error:
            broker.stop()
            if attempt == _ATTEMPTS or (mqtt5 and mqtt311):
                raise BrokerMissingError(f"the broker does not start on {ports}: {error}") from error
    raise AssertionError  # the last attempt returns or raises


async def run(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    console = Console(keep=options.keep)
    with serving(options.port, options.port_311) as ports:
        console.open(ports, {})
        await console.until_stopped()
