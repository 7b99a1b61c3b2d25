"""Time to read and check 200 devices with 10,000 tags in one line each, against PyYAML's own reading of the same files.

python bench/config_load.py
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


def write(home: Path) -> Path:
    (home / "devices.d").mkdir()
    (home / "fieldgate.yaml").write_text("gateway: {id: bench}\n")
    for number in range(DEVICES):
        tags = "".join(
            f"  t{tag}: {{at: holding:{2 * tag}, type: float32, unit: bar, scale: 0.1, deadband: 0.05}}\n"
            for tag in range(TAGS)
        )
        head = f"device: d{number}\nadapter: modbus\nconnect: tcp://10.0.{number // 250}.{number % 250 + 1}\ntags:\n"
        (home / f"devices.d/d{number}.yaml").write_text(head + tags)
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
        path, models = write(Path(folder)), Registry().models()
        texts = [file.read_text() for file in Path(folder).glob("devices.d/*.yaml")]
        ours = seconds(lambda: load(path, models, environ={}))
        theirs = seconds(lambda: [yaml.load(text, yaml.CSafeLoader) for text in texts])
        print(f"read and checked {DEVICES * TAGS} tags: {ours:.3f} s; yaml.CSafeLoader, unchecked: {theirs:.3f} s")
        print(f"ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
