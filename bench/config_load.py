"""Time to read and check 200 devices with 10,000 tags: one line each, and from one template and a CSV sheet.

The first against PyYAML's own reading of the same files. python bench/config_load.py
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from gateway.config.load import load
from gateway.ingest.registry import Registry

DEVICES, TAGS = 200, 50
MAIN = "gateway: {id: bench}\n"
PUMPS = """\
device: pump-${n:03}
for: {n: 1..200}
use: pump@2
with: {host: "10.0.4.${n}"}
"""
PUMP = """\
parameters:
  host: {description: Address of the pump}
adapter: modbus
connect: tcp://${host}:502
every: 1s
tags: !csv pump.csv
"""


def write(home: Path) -> Path:
    """Every tag in its line."""
    (home / "devices.d").mkdir(parents=True)
    (home / "fieldgate.yaml").write_text(MAIN)
    for number in range(DEVICES):
        tags = "".join(
            f"  t{tag}: {{at: holding:{2 * tag}, type: float32, unit: bar, scale: 0.1, deadband: 0.05}}\n"
            for tag in range(TAGS)
        )
        head = f"device: d{number}\nadapter: modbus\nconnect: tcp://10.0.{number // 250}.{number % 250 + 1}\ntags:\n"
        (home / f"devices.d/d{number}.yaml").write_text(head + tags)
    return home / "fieldgate.yaml"


def write_many(home: Path) -> Path:
    """The same from one template and a sheet."""
    for folder in ("devices.d", "templates"):
        (home / folder).mkdir(parents=True)
    (home / "fieldgate.yaml").write_text(MAIN)
    (home / "devices.d/pumps.yaml").write_text(PUMPS)
    (home / "templates/pump@2.yaml").write_text(PUMP)
    rows = [f"t{tag},holding:{2 * tag},float32,bar,0.1,0.05\n" for tag in range(TAGS)]
    (home / "templates/pump.csv").write_text("name,at,type,unit,scale,deadband\n" + "".join(rows))
    return home / "fieldgate.yaml"


def seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    """The median of a few calls, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[repeats // 2]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, models = write(Path(folder) / "lines"), Registry().models()
        texts = [file.read_text() for file in path.parent.glob("devices.d/*.yaml")]
        ours = seconds(lambda: load(path, models, environ={}))
        theirs = seconds(lambda: [yaml.load(text, yaml.CSafeLoader) for text in texts])
        print(f"read and checked {DEVICES * TAGS} tags: {ours:.3f} s; yaml.CSafeLoader, unchecked: {theirs:.3f} s")
        print(f"ratio {ours / theirs:.2f}")
        many = write_many(Path(folder) / "many")
        assert sum(len(device.tags) for device in load(many, models, environ={}).devices) == DEVICES * TAGS
        lines = sum(text.count("\n") for text in (MAIN, PUMPS, PUMP))
        took = seconds(lambda: load(many, models, environ={}))
        print(f"the same from {lines} lines of YAML and a sheet of {TAGS} rows: {took:.3f} s")


if __name__ == "__main__":
    main()
