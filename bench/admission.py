"""What `fieldgate check` says a configuration takes, beside what it takes: measured first, then estimated, then run.

    ./dev bench admission [--for 15]

40 devices of 50 tags at 500 ms and an asset each: another shape than any that `fieldgate bench self` measures. Each
figure must be within a factor of 2.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.rig import Mosquitto
from gateway.cli.asking import fetch
from gateway.cli.bench import SETTLE, cpu_seconds, resident
from gateway.cli.children import daemon, listening, simulator, write_configuration

DEVICES, TAGS, OF_ASSET = 40, 50, 10
MOST = 2.0


def configured(folder: Path, ports: list[int], broker: int) -> Path:
    tags = {f"r{i}": {"at": f"holding:{i}", "type": "uint16"} for i in range(TAGS)}
    devices = [
        {
            "device": f"d{i}", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{port}?unit=1", "every": "500ms",
            "tags": tags,
        }
        for i, port in enumerate(ports)
    ]  # fmt: skip
    assets = {f"a{i}": {"tags": [f"d{i}.r{j}" for j in range(OF_ASSET)]} for i in range(DEVICES)}
    root: dict[str, Any] = {
        "gateway": {"id": "bench", "state": str(folder / "state")}, "telemetry": "all", "assets": assets,
        "mqtt": {"url": f"mqtt://127.0.0.1:{broker}"},
    }  # fmt: skip
    return write_configuration(folder, root, devices)


def fieldgate(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *words, "--json"], capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--for", dest="seconds", type=float, default=15.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "state").mkdir()
        broker = Mosquitto(folder)
        farm, ready = simulator("farm", "--devices", str(DEVICES), "--registers", str(TAGS), log=folder / "farm.log")
        config = configured(folder, ready["ports"], broker.port)
        fieldgate("bench", "self", "--config", str(config))
        told = fieldgate("check", "--config", str(config))["estimate"]
        gateway = daemon(config, folder / "state", folder / "gateway.log")
        try:
            where = listening(gateway, folder / "state")
            time.sleep(SETTLE)
            pid, began = gateway.process.pid, time.monotonic()
            spent, written = cpu_seconds(pid), fetch(where)["outbox"]["written_bytes"]
            time.sleep(args.seconds)
            took = time.monotonic() - began
            cpu, disk = (cpu_seconds(pid) - spent) / took, (fetch(where)["outbox"]["written_bytes"] - written) / took
            memory = resident(pid)
        finally:
            for part in (gateway, farm, broker):
                part.stop()
    pairs = {"cpu, cores": (told["cpu"], cpu), "memory, MB": (told["memory"] / 1e6, memory / 1e6),
             "disk, GB a day": (told["disk"] / 1e9, disk * 86400 / 1e9)}  # fmt: skip
    for what, (estimate, measured) in pairs.items():
        print(f"{what:15} estimated {estimate:8.3f}   measured {measured:8.3f}   {estimate / measured:.2f} times")
    return 0 if all(1 / MOST <= estimate / measured <= MOST for estimate, measured in pairs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
