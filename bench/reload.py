"""A hundred devices, one of which is configured anew over and over: what the other ninety-nine notice.

    ./dev bench reload [--devices 100] [--tags 50] [--reloads 30]

Seen at the simulated devices: every read that they answered, with its time. A read of the others may be late by less
than a period, none may be missing, nobody connects again, and the memory and descriptors of the gateway stay.
"""

import argparse
import csv
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.rig import cpu_seconds, quantile, rss_mb
from gateway.changes import CHANGES
from gateway.cli.children import Child, daemon, listening, simulator, write_configuration
from gateway.ops.inbox import Inbox
from gateway_sim.demo_config import farm_configuration

PERIOD = 1.0  # s
EXTRA = {"at": "holding:7", "type": "uint16"}


def reads(journal: Path, since: float) -> dict[int, list[tuple[int, float]]]:
    """(count, wall s) of what each device has answered since then."""
    found: dict[int, list[tuple[int, float]]] = {}
    with journal.open() as lines:
        for device, count, wall in csv.reader(lines):
            if int(wall) / 1e6 >= since:
                found.setdefault(int(device), []).append((int(count), int(wall) / 1e6))
    return found


def shifts(of: dict[int, list[tuple[int, float]]], without: int) -> tuple[list[float], int]:
    """By how much each read came off its period, in seconds, and how many are missing."""
    off, missing = [], 0
    for device, seen in of.items():
        if device == without:
            continue
        missing += seen[-1][0] - seen[0][0] + 1 - len(seen)
        off += [abs(after - before - PERIOD) for (_, before), (_, after) in itertools.pairwise(seen)]
        missing += sum(after - before > 1.9 * PERIOD for (_, before), (_, after) in itertools.pairwise(seen))
    return off, missing


def apply(inbox: Inbox) -> float:
    """Seconds until the gateway has answered that it runs."""
    began = time.monotonic()
    answer = inbox.answered(inbox.leave({"verb": "apply", "by": "bench"}), 60.0)
    assert answer is not None, "no answer"
    assert answer["result"] == "applied", answer
    return time.monotonic() - began


def measured(args: argparse.Namespace, folder: Path, site: tuple[Child, Path, list[dict[str, Any]]]) -> bool:
    """Reload, and print what the others noticed. Whether it holds."""
    gateway, state, devices = site
    changed, pid, inbox = args.devices // 2, gateway.process.pid, Inbox(state, CHANGES)
    time.sleep(5.0)
    quiet_from = time.time()
    time.sleep(10 * PERIOD)
    began, spent = time.time(), cpu_seconds(pid)
    took, sizes = [], []
    for number in range(args.reloads):
        tags = devices[changed]["tags"] | ({f"n{number}": EXTRA} if number % 2 == 0 else {})
        device = devices[changed] | {"tags": tags}
        (folder / "devices.d" / f"{device['device']}.yaml").write_text(json.dumps(device))
        took.append(apply(inbox))
        sizes.append((rss_mb(pid), len(list(Path(f"/proc/{pid}/fd").iterdir()))))
    lasted, cores = time.time() - began, cpu_seconds(pid) - spent
    time.sleep(2 * PERIOD)
    every = reads(folder / "journal.csv", quiet_from)
    quiet, _ = shifts({d: [read for read in of if read[1] < began] for d, of in every.items()}, changed)
    off, missing = shifts({d: [read for read in of if read[1] > began - PERIOD] for d, of in every.items()}, changed)
    for name, values in (("quiet", quiet), ("reload", off)):
        p50, p99 = (1e3 * quantile(values, share) for share in (0.5, 0.99))
        print(
            f"{name:8} a read is off its period by p50 {p50:.2f} ms   p99 {p99:.1f}   at most {1e3 * max(values):.1f}"
        )
    print(f"{args.reloads} reloads in {lasted:.0f} s, {cores / args.reloads:.2f} core s each with all that is read, "
          f"answered in {quantile(took, 0.5):.2f} s; reads missing: {missing}")  # fmt: skip
    (first, files), (last, now) = sizes[len(sizes) // 2], sizes[-1]  # until then allocators fill
    print(f"memory   {first:.0f} -> {last:.0f} MB   descriptors {files} -> {now}")
    return max(off) < PERIOD and not missing and now <= files + 2 and last < first + 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--tags", type=int, default=50)
    parser.add_argument("--reloads", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, state = Path(name), Path(name) / "state"
        state.mkdir()
        numbers = ("--devices", str(args.devices), "--registers", str(args.tags), "--period", f"{PERIOD:g}s")
        farm, ready = simulator("farm", *numbers, "--journal", str(folder / "journal.csv"), log=folder / "farm.log")
        devices: list[dict[str, Any]] = farm_configuration(ready)["devices"]
        config = write_configuration(folder, {"gateway": {"id": "bench"}, "telemetry": "changes"}, devices)
        gateway = daemon(config, state, folder / "gateway.log")
        try:
            listening(gateway, state)
            return 0 if measured(args, folder, (gateway, state, devices)) else 1
        finally:
            gateway.stop()
            farm.stop()


if __name__ == "__main__":
    sys.exit(main())
