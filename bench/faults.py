"""Faults of the simulated plant: sensors told from machines, and the culprit named first.

    ./dev bench faults [--seeds 20]

The plant is stepped offline through the very stages of the daemon (`gateway.replay`), an asset a machine, everything
else by default: 600 s of normal running to learn from, 120 s more, then a fault. Five kinds of sensor fault, each on
another tag by seed, must be told as a sensor fault of that tag and raise no alarm; four machine faults, and a frozen
sensor, must name their culprit first.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.config.assets import AssetConfig
from gateway.deliver.event import Class
from gateway.replay import Replay
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway_sim.faults import FAULTS
from gateway_sim.plant import Plant
from gateway_sim.points import ASSETS, NAMES, POINTS, Point

LEARN, REST, FAULTY, LONG = 600, 120, 120, 300  # rows of 1 s; a stuck valve is seen when the load has changed
START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

Corrupt = Callable[[float, int, float, float, np.random.Generator], float]
"""(true value, rows since the fault began, value when it began, spread of the tag, randomness) → what is read."""


def frozen(_value: float, _row: int, first: float, _spread: float, _rng: np.random.Generator) -> float:
    return first


def dead(_value: float, _row: int, _first: float, _spread: float, _rng: np.random.Generator) -> float:
    return 0.0


def out_of_range(value: float, _row: int, _first: float, _spread: float, _rng: np.random.Generator) -> float:
    return value * 10 + 1000


def spike(value: float, row: int, _first: float, spread: float, _rng: np.random.Generator) -> float:
    return value + (10 * spread if row % 40 == 0 else 0.0)


def noise(value: float, _row: int, _first: float, spread: float, rng: np.random.Generator) -> float:
    return value + 3 * spread * float(rng.normal())


KINDS: dict[str, Corrupt] = {
    "frozen": frozen, "dead": dead, "out of range": out_of_range, "spike": spike, "noise burst": noise,
}  # fmt: skip


@dataclass
class Outcome:
    """What one run came to."""

    told: list[str]  # sensor faults, as asset/tag/fault
    alarms: list[tuple[str, str]]  # asset and first-named tag of every alarm that went active


def span(point: Point) -> tuple[float, float] | None:
    return None if point.low is None or point.high is None else (point.low, point.high)


class Rig:
    """One plant and one gateway."""

    def __init__(self, seed: int, ranges: bool) -> None:
        self.plant = Plant(seed)
        tags = {p.name: TagConfig(unit=p.unit, range=span(p) if ranges else None) for p in POINTS}
        device = DeviceConfig(device="plant", adapter="replay", every=1.0, tags=tags)
        assets = {
            name: AssetConfig(tags=[f"plant.{tag}" for tag in members], calibrate=LEARN)
            for name, members in ASSETS.items()
        }
        self.replay = Replay("bench", [device], assets)
        self.row = 0
        self.spread = np.zeros(len(NAMES))  # of each tag in normal running

    def run(self, rows: int, change: Callable[[NDArray[np.float64], int], None] | None = None) -> Outcome:
        self.replay.out.take()
        seen = []
        for number in range(rows):
            self.plant.advance(1.0)
            values = self.plant.values.copy()
            if change:
                change(values, number)
            self.row += 1
            self.replay.row(START + self.row * SECOND, values)
            seen.append(values)
        self.spread = np.std(seen, axis=0) if rows == LEARN else self.spread
        return outcome(self.replay)


def outcome(replay: Replay) -> Outcome:
    told, alarms = [], []
    for message in replay.out.take():
        body = json.loads(message.body)
        if message.cls is Class.ALARM and body["state"].startswith("active"):
            alarms.append((body["asset"], body["contributions"][0]["tag"].removeprefix("plant.")))
        elif message.cls is Class.EVENT and body["kind"] == "sensor fault":
            told.append(f"{body['name']}/{body['fields']['tag'].removeprefix('plant.')}/{body['fields']['fault']}")
    return Outcome(told, alarms)


def corrupted(kind: str, column: int, seed: int, spread: float) -> Callable[[NDArray[np.float64], int], None]:
    rng, first = np.random.default_rng(seed), [0.0]

    def change(values: NDArray[np.float64], row: int) -> None:
        if row == 0:
            first[0] = float(values[column])
        values[column] = KINDS[kind](float(values[column]), row, first[0], spread, rng)

    return change


def sensors(seeds: int, ranges: bool) -> tuple[int, int]:
    """(told, alarmed) over all kinds and seeds."""
    told = alarmed = 0
    for kind in KINDS:
        good = wrong = normal = 0
        missed = []
        for seed in range(seeds):
            rig = Rig(seed, ranges)
            rig.run(LEARN)
            before = rig.run(REST)
            column = (7 * seed + 3) % len(NAMES)
            found = rig.run(FAULTY, corrupted(kind, column, seed, float(rig.spread[column])))
            mine = any(f"/{NAMES[column]}/" in one for one in found.told)
            good += mine
            wrong += bool(found.alarms)
            normal += bool(before.alarms or before.told)
            if not mine or found.alarms:
                missed.append((seed, NAMES[column], found.told, found.alarms))
        print(
            f"{kind:14} told {good}/{seeds}, machine alarms in {wrong}, anything before the fault in {normal}"
            f"  {missed[:4]}"
        )
        told, alarmed = told + good, alarmed + wrong
    return told, alarmed


def machines(seeds: int) -> int:
    """How many faults named their culprit first."""
    right = 0
    for name, fault in FAULTS.items():
        good, other = 0, []
        for seed in range(seeds):
            rig = Rig(1000 + seed, ranges=True)
            rig.run(LEARN + REST)
            rig.plant.faults.switch(name, on=True)
            found = rig.run(LONG)
            first = next((tag for asset, tag in found.alarms if asset == fault.asset), None)
            named = first == fault.culprit or (
                first is None and any(f"{fault.asset}/{fault.culprit}/" in one for one in found.told)
            )
            good += named
            if not named or (found.told and name != "frozen_sensor"):
                other.append((seed, first, found.told))
        print(f"{name:16} culprit first {good}/{seeds}  {other[:4]}")
        right += good
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--no-ranges", action="store_true", help="without engineering ranges")
    parser.add_argument("--only", choices=("sensors", "machines"))
    args = parser.parse_args()
    told, alarmed = sensors(args.seeds, not args.no_ranges) if args.only != "machines" else (0, 0)
    right = machines(args.seeds) if args.only != "sensors" else 0
    count = len(KINDS) * args.seeds
    print(
        f"sensor faults told {told}/{count}, with a machine alarm {alarmed}; "
        f"culprit named first {right}/{len(FAULTS) * args.seeds}"
    )
    return 0 if told >= 0.95 * count and not alarmed and right >= 0.9 * len(FAULTS) * args.seeds else 1


if __name__ == "__main__":
    sys.exit(main())
