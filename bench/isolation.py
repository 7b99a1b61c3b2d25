"""A device that is dead costs the others nothing: 100 Modbus devices at 1 s, then one silent, then another refusing.

    ./dev bench isolation [--devices 100] [--seconds 20]

Each device has its own grid of instants at which it is to be read. The farm's journal says when each read was answered;
how late the answers of all healthy devices are, p99, must not move by 50 ms from one phase to another. A read that is
missing counts as a whole period late.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.rig import farm_config, free_port, journal, quantile
from gateway.cli.children import daemon, listening, simulator

PERIOD_US = 1_000_000
EARLY_US = 100_000  # a read may come that much before its grid, as this is drawn from what was measured
SETTLE = 2.0  # s after the start and after each change
MAY_MOVE_MS = 50.0
SILENT, REFUSING = 1, 2  # the devices that are to fail

Reads = dict[int, list[int]]  # device → wall us of the reads that it answered


def lateness_ms(reads: Reads, grid: dict[int, int], span: tuple[int, int]) -> list[float]:
    """How late each read of `span` (wall us) was, against the grid of its device; a missing one by a period."""
    late = []
    for device, start in grid.items():
        mine = [at for at in reads[device] if span[0] <= at < span[1]]
        late += [((at - start + EARLY_US) % PERIOD_US - EARLY_US) / 1000 for at in mine]
        late += [PERIOD_US / 1000] * ((span[1] - span[0]) // PERIOD_US - len(mine) - 1)  # one may lie on the border
    return late


def grids(reads: Reads, devices: Iterable[int], span: tuple[int, int]) -> dict[int, int]:
    """Where the grid of each device lies: the early ones of its reads in `span`, folded into one period."""
    found = {}
    for device in devices:
        mine = [at for at in reads[device] if span[0] <= at < span[1]]
        offsets = sorted((at - mine[0] + PERIOD_US // 2) % PERIOD_US - PERIOD_US // 2 for at in mine)
        found[device] = mine[0] + offsets[len(offsets) // 10]
    return found


def now_us() -> int:
    return time.time_ns() // 1000


def measure(folder: Path, devices: int, seconds: float) -> list[float]:
    """p99 of the lateness (ms) of the healthy devices: with all well, with one silent, with one refusing as well."""
    spans = []

    def phase(change: Callable[[], object]) -> None:
        change()
        time.sleep(SETTLE)
        begun = now_us()
        time.sleep(seconds)
        spans.append((begun, now_us()))

    file = folder / "journal.csv"
    with contextlib.ExitStack() as stack:
        farm, ready = simulator(
            "farm", "--devices", str(devices), "--registers", "20", "--period", "1s", "--journal", str(file),
            log=folder / "farm.log",
        )  # fmt: skip
        stack.callback(farm.stop)
        state = folder / "state"
        state.mkdir()
        gateway = daemon(farm_config(folder, ready, free_port()), state, folder / "gateway.log")
        stack.callback(gateway.stop)
        listening(gateway, state)
        phase(lambda: None)
        phase(lambda: farm.tell(f"silent {SILENT} on"))
        phase(lambda: (farm.tell(f"silent {SILENT} off"), farm.tell(f"refuse {REFUSING} on")))
        assert gateway.alive, gateway.last_words()
    reads: Reads = defaultdict(list)
    for device, _, at in journal(file):
        reads[device].append(at)
    healthy = [device for device in range(devices) if device not in (SILENT, REFUSING)]
    grid = grids(reads, healthy, spans[0])
    return [quantile(lateness_ms(reads, grid, span), 0.99) for span in spans]


def moved(figures: list[float]) -> float:
    """By how much (ms) a dead device delays the others."""
    return max(figures[1:]) - figures[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), args.devices, args.seconds)
    well, silent, refusing = figures
    print(f"isolation  {args.devices} devices at 1 s, the others' reads late (p99): all well {well:.1f} ms   "
          f"one silent {silent:.1f} ms   one refusing {refusing:.1f} ms")  # fmt: skip
    return 0 if moved(figures) < MAY_MOVE_MS else 1


if __name__ == "__main__":
    sys.exit(main())
