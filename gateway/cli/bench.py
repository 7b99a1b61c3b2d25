"""`fieldgate bench self`: what reading costs on this machine, by which `fieldgate check` tells what is to be expected.

A gateway of its own reads simulated Modbus devices on 127.0.0.1, three times for some seconds: few devices, many, and
many with many tags. The differences are what a scan and a value cost. Nothing that runs is touched.
"""

import argparse
import datetime as dt
import importlib.util
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from gateway.cli.asking import fetch
from gateway.cli.children import daemon, listening, simulator, write_configuration
from gateway.cli.common import OK, add_config, add_json, complain, print_json, state_folder
from gateway.cli.estimate import Figures, size
from gateway.config.load import load
from gateway.ingest.registry import Registry
from gateway.sdk.config import seconds
from gateway.sdk.errors import ConfigError

KEPT: Final = "self.json"  # in the state folder
SETTLE: Final = 3.0  # s until connecting is over


@dataclass(frozen=True, slots=True)
class Shape:
    """How many devices, each read once a second, with how many tags."""

    devices: int
    tags: int

    @property
    def values(self) -> int:
        """Values a second, and tags."""
        return self.devices * self.tags


SHAPES: Final = (Shape(4, 10), Shape(120, 10), Shape(120, 120))


@dataclass(frozen=True, slots=True)
class Seen:
    """What one run took: cores, bytes of memory, bytes written to disk a second."""

    cpu: float
    memory: float
    disk: float


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("bench", help="measure what reading costs on this machine", description=__doc__)
    parser.add_argument("what", choices=("self",), help="this machine")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway, where check finds the figures")
    parser.add_argument("--for", dest="seconds", type=seconds, default=8.0, metavar="TIME", help="of each run: 8s")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Measure, print, and keep the figures in the state folder."""
    seen = []
    for shape in SHAPES:
        sys.stderr.write(f"{shape.devices} devices of {shape.tags} tags …\n")
        seen.append(measured(shape, args.seconds))
    figures = replace(solved(seen), measured=dt.datetime.now(dt.UTC).date().isoformat())
    if args.json:
        print_json(asdict(figures))
    else:
        print("\n".join(_lines(figures)))
    _keep(args, figures)
    return OK


def measured(shape: Shape, lasts: float) -> Seen:
    """One run of `shape`. Raises ChildError."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fieldgate-bench-")))
        root: dict[str, Any] = {"gateway": {"id": "bench"}, "telemetry": "all"}
        if importlib.util.find_spec("iotcore"):
            broker, ports = simulator("broker", log=folder / "broker.log")
            stack.callback(broker.stop)
            root["mqtt"] = {"url": f"mqtt://127.0.0.1:{ports['mqtt5']}"}
        numbers = ("--devices", str(shape.devices), "--registers", str(shape.tags))
        farm, ready = simulator("farm", *numbers, log=folder / "farm.log")
        stack.callback(farm.stop)
        (folder / "state").mkdir()
        config = write_configuration(folder, root, [_device(i, port, shape) for i, port in enumerate(ready["ports"])])
        gateway = daemon(config, folder / "state", folder / "gateway.log")
        stack.callback(gateway.stop)
        where = listening(gateway, folder / "state")
        time.sleep(SETTLE)
        return _watched(gateway.process.pid, where, lasts)


def _watched(pid: int, where: str, lasts: float) -> Seen:
    before, began = (cpu_seconds(pid), _written(where)), time.monotonic()
    time.sleep(lasts)
    took = time.monotonic() - began
    cpu, written = cpu_seconds(pid) - before[0], _written(where) - before[1]
    return Seen(cpu / took, resident(pid), written / took)


def solved(seen: list[Seen]) -> Figures:
    """The costs of each part, from runs of `SHAPES`; what comes out below nothing is nothing."""
    few, many, wide = SHAPES
    values, scans = wide.values - many.values, many.devices - few.devices
    more = many.values - few.values
    parts: dict[str, tuple[float, float, float]] = {}
    for name in ("cpu", "memory", "disk"):
        first, second, third = (float(getattr(one, name)) for one in seen)
        value = max((third - second) / values, 0.0)
        scan = max((second - first - more * value) / scans, 0.0)
        parts[name] = value, scan, max(first - few.devices * scan - few.values * value, 0.0)
    default, (value, scan, idle) = Figures(), parts["cpu"]
    tag, device, base = parts["memory"]
    reading, message, _ = parts["disk"]
    row = default.row * (scan / default.scan if scan else 1.0)  # not measured: as much slower as a scan is
    return replace(
        default, idle=idle, scan=scan, value=value, row=row, base=base, device=device, tag=tag, message=message,
        reading=reading,
    )  # fmt: skip


def kept(folder: Path) -> Figures:
    """The figures in a state folder; the defaults where there are none that can be read."""
    try:
        return Figures.read(json.loads((folder / KEPT).read_text()))
    except (OSError, ValueError, TypeError):
        return Figures()


def _keep(args: argparse.Namespace, figures: Figures) -> None:
    try:
        configured = load(args.config, Registry().models()).root.gateway.state
    except ConfigError:
        configured = Path()
    folder = state_folder(args.state, configured)
    try:
        (folder / KEPT).write_text(json.dumps(asdict(figures)))
    except OSError as error:
        complain(f"{folder / KEPT}: {error.strerror}; the figures are not kept, see --state")


def _device(number: int, port: int, shape: Shape) -> dict[str, Any]:
    tags = {f"r{i}": {"at": f"holding:{i}", "type": "uint16"} for i in range(shape.tags)}
    return {
        "device": f"d{number}", "adapter": "modbus", "connect": f"tcp://127.0.0.1:{port}?unit=1", "every": "1s",
        "tags": tags,
    }  # fmt: skip


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used; proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Resident memory of a process, bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))


def _written(where: str) -> float:
    return float(fetch(where)["outbox"]["written_bytes"])


def _lines(figures: Figures) -> list[str]:
    return [
        f"a scan           {figures.scan * 1e6:.0f} µs of CPU, {figures.message:.0f} bytes on disk",
        f"a value          {figures.value * 1e6:.2f} µs of CPU, {figures.reading:.0f} bytes on disk",
        f"at rest          {figures.idle:.1%} of a core, {size(figures.base)} of memory",
        f"memory           {size(figures.device)} a device, {size(figures.tag)} a tag",
    ]
