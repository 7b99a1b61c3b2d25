"""From a reading to its alarm at the subscriber, at 30,000 readings a second: the whole daemon, a real broker.

    ./dev bench latency [--seconds 30] [--devices 250] [--tick 100ms]

250 simulated Modbus devices of 120 registers are read each second, telemetry of all readings goes to the broker. Ten of
them have a limit alarm without delays on a bit that changes with every read, so that each raises or returns an alarm
each second. An alarm bears the instant at which its reading was received; a subscriber notes when it came out of the
broker. Alarms are fsynced before they are sent. What broker and subscriber take by themselves is measured before, by
messages of the bench's own, and taken off: what is left ends on the daemon's socket.
"""

import argparse
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from bench.rig import Mosquitto, Sink, cpu_seconds, quantile
from gateway.cli.children import daemon, simulator, write_configuration

REGISTERS, WATCHED, COUNTER = 120, 10, 1
P50, P99 = 2.0, 10.0  # ms


def configuration(folder: Path, ready: dict[str, Any], port: int, tick: str) -> Path:
    tags: dict[str, Any] = {f"r{i}": {"at": f"holding:{i}", "type": "uint16"} for i in range(REGISTERS)}
    watched = tags | {"turn": {"at": f"holding:{COUNTER}", "type": "bool", "bit": 0}}
    devices = [
        {
            "device": f"farm-{i}", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{p}?unit=1",
            "every": ready["period"], "tags": watched if i < WATCHED else tags,
        }
        for i, p in enumerate(ready["ports"])
    ]  # fmt: skip
    alarm = {"on_delay": "0s", "off_delay": "0s"}
    assets = {
        f"a{i}": {"tags": [f"farm-{i}.r6"], "rules": {"turn": {"tag": f"farm-{i}.turn", "above": 0.5, "alarm": alarm}}}
        for i in range(WATCHED)
    }
    root = {
        "gateway": {"id": "bench"}, "mqtt": {"url": f"mqtt://127.0.0.1:{port}"}, "telemetry": "all",
        "assets": assets, "alarms": {"flood": 0}, "pipeline": {"tick": tick},
    }  # fmt: skip
    return write_configuration(folder, root, devices)


def hop(port: int, count: int = 100) -> float:
    """Milliseconds from a publisher to a subscriber through the broker, median."""
    sink, client = Sink(port, "hop"), mqtt.Client(CallbackAPIVersion.VERSION2, "bench-hop", protocol=mqtt.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    time.sleep(0.5)
    for _ in range(count):
        client.publish("hop", orjson.dumps({"sent": time.time_ns()}), 1)
        time.sleep(0.02)
    sink.quiet(0.5, 5.0)
    client.disconnect()
    client.loop_stop()
    sink.stop()
    return quantile([(got - message["sent"]) / 1e6 for got, message in sink.messages], 0.5)


def run(devices: int, seconds: float, tick: str) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Mosquitto(folder)
        farm, ready = simulator(
            "farm", "--devices", str(devices), "--registers", str(REGISTERS), log=folder / "farm.log"
        )
        beside = hop(broker.port)
        sink = Sink(broker.port, "fieldgate/bench/alarm/#")
        (folder / "state").mkdir()
        gateway = daemon(configuration(folder, ready, broker.port, tick), folder / "state", folder / "gateway.log")
        try:
            assert sink.wait_for(2 * WATCHED, 60.0), gateway.last_words()
            time.sleep(3.0)
            before, spent, at = len(sink.messages), cpu_seconds(gateway.process.pid), time.monotonic()
            time.sleep(seconds)
            cores = (cpu_seconds(gateway.process.pid) - spent) / (time.monotonic() - at)
            alarms = sink.messages[before:]
        finally:
            gateway.stop()
            farm.stop()
            sink.stop()
            broker.stop()
    lag = [got / 1e6 - datetime.fromisoformat(alarm["time"]).timestamp() * 1e3 - beside for got, alarm in alarms]
    p50, p99 = quantile(lag, 0.5), quantile(lag, 0.99)
    met = len(alarms) >= 0.9 * WATCHED * seconds and p50 <= P50 and p99 <= P99
    print(
        f"{devices * REGISTERS} readings/s, {len(alarms)} alarms: received to sent p50 {p50:.2f} ms (wanted {P50:g}), "
        f"p99 {p99:.2f} ms (wanted {P99:g}): {'met' if met else 'NOT MET'}; {cores:.3f} core; broker and subscriber "
        f"took {beside:.2f} ms more",
        flush=True,
    )
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--devices", type=int, default=250)
    parser.add_argument("--tick", default="100ms")
    args = parser.parse_args()
    return 0 if run(args.devices, args.seconds, args.tick) else 1


if __name__ == "__main__":
    sys.exit(main())
