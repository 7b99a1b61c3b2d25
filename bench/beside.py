"""The workload on which the peers were measured: 10 Modbus devices of 120 registers at 1 s, telemetry on.

    ./dev bench beside [--seconds 30] [--outage 30]

steady: time to the first value, latency from the device's answer to the subscriber, CPU, RSS, values per second.
dead:   one of the ten silent; what the others still deliver.
outage: the broker goes away, and the daemon is killed by SIGKILL meanwhile; reads that the devices answered and that
        no subscriber ever got, and messages that came twice (always under the same id, with the same content).
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

from bench.rig import (
    Mosquitto,
    Sink,
    answered_us,
    counter_of,
    cpu_seconds,
    farm_config,
    journal,
    quantile,
    rss_mb,
    verdict,
)
from gateway.cli.children import Child, daemon, listening, simulator

DEVICES, REGISTERS = 10, 120


class Plant:
    """Broker, farm, subscriber and daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.journal = folder, folder / "journal.csv"
        self.broker = Mosquitto(folder)
        self.farm, ready = simulator(
            "farm", "--devices", str(DEVICES), "--registers", str(REGISTERS), "--journal", str(self.journal),
            log=folder / "farm.log",
        )  # fmt: skip
        self.sink = Sink(self.broker.port, "fieldgate/bench/telemetry/#")
        self.config = farm_config(folder, ready, self.broker.port)
        self.state = folder / "state"
        self.state.mkdir()
        self.gateway = self.start()

    def start(self) -> Child:
        return daemon(self.config, self.state, self.folder / "gateway.log")

    def stop(self) -> None:
        self.gateway.stop()
        self.farm.stop()
        self.sink.stop()
        self.broker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def steady(seconds: float) -> bool:
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        plant = Plant(Path(name))
        with plant:
            began = time.monotonic()
            restarted = plant.gateway.stop()
            plant.sink.messages.clear()
            began = time.monotonic()
            plant.gateway = plant.start()
            assert plant.sink.wait_for(1, 20.0), plant.gateway.last_words()
            first = time.monotonic() - began
            time.sleep(3.0)
            pid, before = plant.gateway.process.pid, len(plant.sink.messages)
            spent, at = cpu_seconds(pid), time.monotonic()
            time.sleep(seconds)
            cores = (cpu_seconds(pid) - spent) / (time.monotonic() - at)
            took = time.monotonic() - at
            messages, memory = plant.sink.messages[before:], rss_mb(pid)
    lag = [(got / 1000 - answered_us(message)) / 1000 for got, message in messages]
    values = sum(len(message["values"]) for _, message in messages) / took
    p50, p99 = quantile(lag, 0.5), quantile(lag, 0.99)
    print(f"steady  first value {first:.2f} s   {values:.0f} values/s   {cores:.4f} core   {memory:.0f} MB   "
          f"answer to subscriber p50 {p50:.1f} ms, p99 {p99:.1f} ms   (stop gave {restarted})")  # fmt: skip
    return first <= 2 and p50 <= 5 and p99 <= 20 and memory <= 110 and cores <= 0.03


def dead(seconds: float) -> bool:
    with tempfile.TemporaryDirectory() as name, Plant(Path(name)) as plant:
        assert plant.sink.wait_for(DEVICES, 20.0), plant.gateway.last_words()
        plant.farm.tell("silent 3 on")
        time.sleep(3.0)
        before = len(plant.sink.messages)
        time.sleep(seconds)
        messages = plant.sink.messages[before:]
    per_device = Counter(message["device"] for _, message in messages if "status" not in message)
    others = [per_device[f"farm-{i}"] / seconds for i in range(DEVICES) if i != 3]
    print(f"dead    the others deliver {100 * min(others):.0f} % to {100 * max(others):.0f} % of their reads; "
          f"the silent one {per_device['farm-3']} good values")  # fmt: skip
    return min(others) >= 0.97 and per_device["farm-3"] == 0


def outage(seconds: float) -> bool:
    with tempfile.TemporaryDirectory() as name, Plant(Path(name)) as plant:
        assert plant.sink.wait_for(DEVICES * 3, 20.0), plant.gateway.last_words()
        plant.broker.stop()
        time.sleep(seconds * 0.4)
        plant.gateway.kill()
        time.sleep(1.0)
        plant.gateway = plant.start()
        listening(plant.gateway, plant.state)
        time.sleep(seconds * 0.6)
        plant.broker.start()
        time.sleep(5.0)
        plant.gateway.stop()
        plant.sink.quiet(3.0, 30.0)
        answered = {(device, count) for device, count, _ in journal(plant.journal)}
        got = [
            (message["id"], int(message["device"].split("-")[1]), counter_of(message), message)
            for _, message in plant.sink.messages
            if "status" not in message
        ]
    content = {identity: message for identity, _, _, message in got}
    same = all(content[identity] == message for identity, _, _, message in got)
    lost = answered - {(device, count) for _, device, count, _ in got}
    print(
        f"outage  broker away {seconds:.0f} s, SIGKILL meanwhile: {len(lost)} of {len(answered)} reads lost, "
        f"{len(got) - len(content)} came twice, {'all' if same else 'NOT ALL'} with the same content under its id"
    )
    return not lost and same


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--outage", type=float, default=30.0)
    parser.add_argument("--only", choices=("steady", "dead", "outage"))
    args = parser.parse_args()
    runs: dict[str, Callable[[], bool]] = {
        "steady": lambda: steady(args.seconds),
        "dead": lambda: dead(args.seconds),
        "outage": lambda: outage(args.outage),
    }
    return verdict(runs, args.only)


if __name__ == "__main__":
    sys.exit(main())
