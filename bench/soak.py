"""The gateway over days: memory, tasks, descriptors and threads must not grow.

    ./dev bench soak virtual [--hours 72] [--devices 100] [--within MINUTES]
                                                              # virtual time, 1 Hz, one process, as fast as it goes
    ./dev bench soak real [--minutes 30] [--devices 100]      # the daemon at 20 Hz, devices and broker restarted

What is judged is the second half of the run: the first fills tables, buffers and allocators. Memory may grow by the
slope that is promised (0.5 MB in 24 h), or, where the run is too short to tell that from the steps in which an
allocator takes memory, by a share of what is there; the others must end where they were, but for a few.
"""

import argparse
import asyncio
import gc
import json
import math
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.rig import Mosquitto, farm_config
from bench.tape import SETTLED, TAGS, TURNS, TapeAdapter
from bench.virtual import Behind, VirtualClock, VirtualLoop
from gateway.app import Gateway
from gateway.cli.children import daemon, listening, simulator, write_configuration
from gateway.config.load import load
from gateway.ingest.registry import Registry
from gateway.ops.memory import bound_malloc
from gateway.ops.resources import NAMES, measured
from gateway.sdk.testing import SilentLog

SLOPE_MB: Final = 0.5  # in 24 h
STEPS_MB: Final = 2.0  # by which an allocator may grow in a run, however short
FEW: Final = 5  # tasks, descriptors and threads that may come and go
LOOKS: Final = 60  # in a run
DAY: Final = 86400.0
GRAIN: Final = 0.1  # s of virtual time whose scans share a turn, as the gate lets them where there is much to do


@dataclass(frozen=True)
class Look:
    """What the process took, `at` seconds after the start of the run."""

    at: float
    figures: dict[str, int]


@dataclass(frozen=True)
class Grown:
    """By how much it has grown over the second half of a run."""

    hours: float
    memory_mb: float
    slope_mb: float  # in 24 h
    others: dict[str, int]

    @property
    def well(self) -> bool:
        return (self.slope_mb < SLOPE_MB or self.memory_mb < STEPS_MB) and all(n <= FEW for n in self.others.values())

    def __str__(self) -> str:
        others = "   ".join(f"{NAMES[name]} {count:+d}" for name, count in self.others.items())
        memory = f"memory {self.memory_mb:+.2f} MB, {self.slope_mb:+.2f} MB in 24 h"
        return f"second half, {self.hours:.2f} h: {memory}   {others}"


def grown(looks: Sequence[Look]) -> Grown:
    """Judge the second half: memory by a straight line through it, the others by their medians at both ends."""
    half = looks[len(looks) // 2 :]
    at = np.array([look.at for look in half])
    memory = np.array([look.figures["process_resident_bytes"] for look in half]) / 2**20
    slope = float(np.polyfit(at, memory, 1)[0])
    edge = max(len(half) // 4, 1)
    others = {
        name: int(
            np.median([look.figures[name] for look in half[-edge:]])
            - np.median([look.figures[name] for look in half[:edge]])
        )
        for name in NAMES
        if name != "process_resident_bytes"
    }
    return Grown((at[-1] - at[0]) / 3600, slope * (at[-1] - at[0]), slope * DAY, others)


class Quiet(SilentLog):
    """A log that keeps nothing."""

    def bind(self, **_fields: Any) -> "Quiet":
        return self

    def debug(self, event: str, **_fields: Any) -> None:
        pass

    info = warning = error = exception = debug


# -- virtual time ------------------------------------------------------------------------------------------------------


def virtual(hours: float, devices: int, folder: Path, within: float = math.inf) -> list[Look]:
    """So many hours of `devices` devices at 1 Hz with assets that learn and judge, in this process.

    When `within` seconds of real time are over, it ends at the next look.
    """
    tags: dict[str, dict[str, Any]] = {f"t{i}": {} for i in range(TAGS)}
    names = [f"d{i:03}" for i in range(devices)]
    machines = [{"device": name, "adapter": "sim", "every": "1s", "tags": tags} for name in names]
    assets = {f"a-{name}": {"tags": [f"{name}.{tag}" for tag in tags], "calibrate": 120} for name in names[:10]}
    root = {
        "gateway": {"id": "soak"},
        "telemetry": "all",
        "assets": assets,
        "outbox": {"budget": "4MiB", "memory": "1MiB", "segment": "256KiB"},
    }
    configuration = load(write_configuration(folder, root, machines), Registry().models())
    loop, looks, end = VirtualLoop(GRAIN), [], time.monotonic() + within

    async def live() -> None:
        clock = VirtualClock(loop)
        gateway = Gateway(configuration, lambda _name: TapeAdapter, folder / "state", clock, Quiet())
        loop.busy = Behind(loop, lambda: gateway.outbox.waiting, 2 * GRAIN)
        stop = asyncio.Event()
        running, begun = asyncio.create_task(gateway.run(stop)), clock.monotonic()
        for number in range(LOOKS + 1):
            await clock.sleep_until(begun + number * hours * 3600 / LOOKS)
            looks.append(Look(number * hours * 3600 / LOOKS, measured(len(asyncio.all_tasks()))))
            print(f"\r{looks[-1].at / 3600:6.1f} h  {looks[-1].figures}", end="", file=sys.stderr, flush=True)
            if time.monotonic() > end:
                break
        accounts(gateway, looks[-1].at, devices)
        stop.set()
        await running

    (folder / "state").mkdir()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(live())
    finally:
        loop.close()
        asyncio.set_event_loop(None)
        gc.unfreeze()
    return looks


def accounts(gateway: Gateway, seconds: float, devices: int) -> None:
    """Say what it has worked on, and that no poll was missed."""
    counters = gateway.running.pipeline.counters
    good, expected = counters["readings_total"] - counters["readings_bad_total"], seconds * devices * TAGS
    raised, returned = counters["alarms_raise_total"], counters["alarms_return_total"]
    lost = sum(runner.counters["losses_total"] for runner in gateway.running.runners)
    alarms = f"alarms raised {raised}, returned {returned}"
    print(f"\ngood readings {good} of {expected:.0f}   {alarms}   devices lost {lost}", file=sys.stderr)
    assert seconds < SETTLED or devices < TURNS or (returned and lost), "nothing has happened to the devices"
    assert abs(good - expected) <= 0.02 * expected + 10 * devices, "polls were missed"


# -- real time ---------------------------------------------------------------------------------------------------------


def real(minutes: float, devices: int, folder: Path) -> list[Look]:
    """The daemon with a farm at 20 Hz; the farm is refused, silent and back in turns, the broker restarted."""
    options = ("--devices", str(devices), "--registers", "6", "--period", "50ms")
    farm, ready = simulator("farm", *options, log=folder / "farm.log")
    broker = Mosquitto(folder)
    state = folder / "state"
    state.mkdir()
    gateway = daemon(farm_config(folder, ready, broker.port), state, folder / "gateway.log")
    address = listening(gateway, state)
    looks, begun, period = [], time.monotonic(), minutes * 60 / LOOKS
    try:
        for number in range(LOOKS + 1):
            disturb(number, farm, broker, devices)
            time.sleep(max(begun + number * period - time.monotonic(), 0))
            looks.append(Look(time.monotonic() - begun, asked(address)))
            print(f"\r{looks[-1].at / 60:6.1f} min  {looks[-1].figures}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    finally:
        code = gateway.stop(20.0)
        farm.stop()
        broker.stop()
    assert code == 0, gateway.last_words()
    return looks


def disturb(number: int, farm: Any, broker: Mosquitto, devices: int) -> None:
    """A device goes and the one before is back; every fifth time the broker is away for a second."""
    farm.tell(f"refuse {(number - 1) % devices} off")
    if number < LOOKS:  # the last look is at a plant in which all is well
        farm.tell(f"refuse {number % devices} on")
    if number % 5 == 1:
        broker.stop()
        threading.Timer(1.0, broker.start).start()


def asked(address: str) -> dict[str, int]:
    """The figures, as the daemon's metrics say them."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30.0) as answer:
        lines = dict(line.split(" ", 1) for line in answer.read().decode().splitlines() if " " in line)
    return {name: int(float(lines[f"fieldgate_{name}"])) for name in NAMES}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("virtual", "real"))
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--within", type=float, default=math.inf, help="minutes of real time; virtual ends then")
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--json", type=Path, help="keep every look there")
    args = parser.parse_args()
    bound_malloc()  # as the daemon does
    with tempfile.TemporaryDirectory() as folder:
        if args.kind == "virtual":
            looks = virtual(args.hours, args.devices, Path(folder), args.within * 60)
        else:
            looks = real(args.minutes, args.devices, Path(folder))
    if args.json:
        args.json.write_text(json.dumps([{"at": look.at, **look.figures} for look in looks]))
    result = grown(looks)
    print(f"soak {args.kind}: {result}   {'ok' if result.well else 'GROWS'}")
    return 0 if result.well else 1


if __name__ == "__main__":
    sys.exit(main())
