"""The whole daemon on one OPC UA server, telemetry of every reading to a real broker.

    ./dev bench opcua_daemon [--seconds 20] [--only read|subscribe|restart]

read, subscribe: 20 devices of 1,000 nodes at 1 Hz, every value a new one: values a second at a subscriber, core and
                 memory of the daemon, from the server's answer to the subscriber.
restart:         the server is killed and started again, away for 0 s and for 5 s, three times each; from the instant
                 at which it listens to the first good value at the subscriber.

The server is that of `bench/opcua_server.py`, in a process of its own.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.opcua_server import SPACE
from bench.rig import Mosquitto, Sink, cpu_seconds, free_port, quantile, rss_mb, verdict
from gateway.cli.children import Child, daemon, write_configuration

DEVICES, NODES = 20, 1000
AWAY: Final = (0.0, 5.0)
SETTLED = 12.0  # s; what is lost again sooner is waited for ever longer
MOST_CORE, MOST_WAIT = 0.1, 2.0  # share of a core; s


class Site(NamedTuple):
    """What runs."""

    port: int  # of the server
    server: list[Child]  # the last one is that which runs
    gateway: Child
    sink: Sink
    folder: Path

    def start(self) -> float:
        """Start the server anew; when it listened, wall s."""
        self.server.append(server(self.port, self.folder))
        return time.time()


def server(port: int, folder: Path) -> Child:
    child = Child(["bench.opcua_server", "--port", str(port)], folder / "server.log")
    child.line()
    return child


@contextmanager
def site(devices: int, **options: Any) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        broker, one = Mosquitto(folder), server(port, folder)
        sink = Sink(broker.port, "fieldgate/bench/telemetry/#")
        (folder / "state").mkdir()
        config = configuration(folder, devices, port, broker.port, options)
        gateway = daemon(config, folder / "state", folder / "gateway.log")
        at = Site(port, [one], gateway, sink, folder)
        try:
            assert sink.wait_for(2 * devices, 60.0), gateway.last_words()
            yield at
        finally:
            for part in (gateway, at.server[-1], sink, broker):
                part.stop()


def configuration(folder: Path, devices: int, port: int, broker: int, options: dict[str, Any]) -> Path:
    tables = [
        {
            "device": f"line-{i}", "adapter": "opcua", "connect": f"opc.tcp://127.0.0.1:{port}", "every": "1s",
            "tags": {f"t{j}": {"node": f"ns={SPACE};i={NODES * i + j}"} for j in range(NODES)}, **options,
        }
        for i in range(devices)
    ]  # fmt: skip
    mqtt = {"url": f"mqtt://127.0.0.1:{broker}"}
    return write_configuration(folder, {"gateway": {"id": "bench"}, "mqtt": mqtt, "telemetry": "all"}, tables)


def steady(mode: str, seconds: float) -> bool:
    with site(DEVICES, mode=mode) as at:
        time.sleep(5.0)  # connecting is over
        pid, before = at.gateway.process.pid, len(at.sink.messages)
        spent, began = cpu_seconds(pid), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        cores, memory = (cpu_seconds(pid) - spent) / took, rss_mb(pid)
        messages = at.sink.messages[before:]
    values = sum(len(message["values"]) for _, message in messages) / took
    bad = sum("status" in message for _, message in messages)
    lag = [got / 1e6 - 1000 * _told(message) for got, message in messages]
    p50, p99 = quantile(lag, 0.5), quantile(lag, 0.99)
    print(f"{mode:10} {DEVICES * NODES} nodes: {values:.0f} values/s   {cores:.3f} core   {memory:.0f} MB   "
          f"{bad} bad   server to subscriber p50 {p50:.1f} ms, p99 {p99:.1f} ms")  # fmt: skip
    return cores <= MOST_CORE and values >= 0.97 * DEVICES * NODES and not bad


def restart(_mode: str, _seconds: float) -> bool:
    waits = []
    with site(1, mode="subscribe") as at:
        for away in (*AWAY, *AWAY, *AWAY):
            at.server[-1].kill()
            time.sleep(away)
            listening = at.start()
            waits.append(_first(at, listening) - listening)
            time.sleep(SETTLED)
    print(f"{'restart':10} first value {', '.join(f'{wait:.2f}' for wait in waits)} s after the server listened")
    return max(waits) <= MOST_WAIT


def _first(at: Site, since: float) -> float:
    """When the first good message that the server gave after `since` came to the subscriber."""
    while True:
        for got, message in at.sink.messages[-5:]:
            if "status" not in message and _told(message) >= since:
                return got / 1e9
        assert time.time() < since + 60, at.gateway.last_words()
        time.sleep(0.005)


def _told(message: dict[str, Any]) -> float:
    """The source time, wall s."""
    return float(message["time"]) / 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", choices=("read", "subscribe", "restart"))
    args = parser.parse_args()
    runs: dict[str, Callable[[], bool]] = {
        "read": lambda: steady("read", args.seconds),
        "subscribe": lambda: steady("subscribe", args.seconds),
        "restart": lambda: restart("subscribe", args.seconds),
    }
    return verdict(runs, args.only)


if __name__ == "__main__":
    sys.exit(main())
