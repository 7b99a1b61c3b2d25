"""Plugins that do what they can to the gateway: each must be named, set aside, and cost the others little.

    ./dev bench torture [--devices 20] [--only NAME]

Beside a farm of Modbus devices at 1 s stands one device of a plugin that is sound until it is told to turn bad: it
sleeps in the loop, loops for ever, floods the sink, leaks, raises, never returns, ends the process, or keeps the GIL.
The daemon is started anew when it ends, and killed by SIGABRT when it has not answered for the watchdog's time, as
systemd does. Told are: after how long the plugin is named and set aside, how long the loop was held, whether the daemon
had to be started anew, and how late the others' reads are (p99) once the plugin is out.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from bench.isolation import Reads, grids, lateness_ms, now_us
from bench.rig import farm_config, free_port, journal, quantile
from gateway.cli.children import Child, ChildError, daemon, listening, simulator

WATCHDOG = 6.0  # s that the daemon may not answer; the unit has 30
SOUND = 9.0  # s of the farm alone with a sound plugin
AFTER = 9.0  # s over which the others' reads are judged, once the plugin is out
THIRDS = 3  # of a span; harm that stays shows in each, a machine that is busy elsewhere for a moment does not
NAMED_WITHIN = 2.0
MAY_MOVE_MS = 50.0

# deed → whether the daemon may have to be started anew
DEEDS = {
    "blocks": False, "loops": False, "raises": False, "never_returns": False, "floods": False,
    "floods_without_end": False, "leaks": False, "asks_for_the_end": False, "asks_in_a_task": True,
    "ends_the_process": True, "crashes": True, "never_lets_go": True, "keeps_the_gil": True,
}  # fmt: skip


@dataclass
class Found:
    """What became of one deed; times in s after it was told to turn bad, None: never."""

    named: float | None = None
    aside: float | None = None
    held: float = 0.0  # s, the longest that the loop did not answer
    starts: int = 0  # of the daemon, after the first
    before_ms: float = 0.0  # p99 of the others' lateness
    after_ms: float = 0.0

    def __str__(self) -> str:
        named, aside = (f"{at:5.1f} s" if at is not None else "  never" for at in (self.named, self.aside))
        return (
            f"named {named}   set aside {aside}   loop held {self.held:4.1f} s   started anew {self.starts}"
            f"   others' p99 {self.before_ms:5.1f} -> {self.after_ms:5.1f} ms"
        )


class Service:
    """The daemon as a supervisor with a watchdog keeps it: started anew when it ends, ended when it does not answer."""

    def __init__(self, config: Path, state: Path, log: Path) -> None:
        self._config, self._state, self._log = config, state, log
        self.starts, self.held = 0, 0.0
        self.child = self._start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self.child.stop(20.0) != 0:
            print("   it did not end in order", file=sys.stderr)

    def _start(self) -> Child:
        child = daemon(self._config, self._state, self._log)
        self.address = listening(child, self._state)
        return child

    def document(self) -> dict[str, Any]:
        """/status; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/status", timeout=1.0) as answer:
                found: dict[str, Any] = json.loads(answer.read())
        except (OSError, json.JSONDecodeError):
            return {}
        return found

    def _keep(self) -> None:
        last, turns = time.monotonic(), -1
        while not self._stop.wait(0.1):
            if not self.child.alive:
                self.starts += 1
                self.child.stop()  # what is left of it
                with contextlib.suppress(ChildError):
                    self.child = self._start()
                last = time.monotonic()
                continue
            document = self.document()
            now, done = time.monotonic(), document.get("pipeline", {}).get("batches_total", turns)
            if done != turns:
                last, turns = now, done
            self.held = max(self.held, now - last)
            if now - last > WATCHDOG:
                self.child.process.send_signal(signal.SIGABRT)
                self.child.process.wait(10)


def lines(log: Path) -> list[dict[str, Any]]:
    """The log so far."""
    return [orjson.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]


def first(log: list[dict[str, Any]], since: float, *words: str) -> float | None:
    """Seconds from `since` to the first line that says one of `words`, and the plugin or its connection or device."""
    for line in log:
        said = str(line)
        if line["time"] >= since and any(word in said for word in words) and "torturer" in said:
            return float(line["time"]) - since
    return None


def commit(deed: str, folder: Path, devices: int) -> Found:
    """Let the plugin do `deed` beside a farm; what became of it."""
    bad, log, state = folder / "bad", folder / "gateway.log", folder / "state"
    state.mkdir()
    install(folder / "packages")
    os.environ |= {"BAD": str(bad), "PYTHONPATH": os.pathsep.join([str(folder / "packages"), *sys.path[:2], "."])}
    with contextlib.ExitStack() as stack:
        options = ("--devices", str(devices), "--registers", "20", "--period", "1s", "--journal", str(folder / "reads"))
        farm, ready = simulator("farm", *options, log=folder / "farm.log")
        stack.callback(farm.stop)
        service = stack.enter_context(Service(configure(folder, ready), state, log))
        time.sleep(3.0)
        sound = span(SOUND)
        service.held, since = 0.0, time.time()
        bad.write_text(deed)
        until = time.monotonic() + LONGEST
        while time.monotonic() < until and not out(deed, lines(log), since):
            time.sleep(0.2)
        time.sleep(2.0)
        afterwards = span(AFTER)
    said = lines(log)
    before, after = (calmest(folder / "reads", devices, one) for one in (sound, afterwards))
    named, aside = first(said, since, *NAMED), first(said, since, "set aside")
    return Found(named, aside, service.held, service.starts, before, after)


def configure(folder: Path, ready: dict[str, Any]) -> Path:
    """The farm, and the plugin's one device beside it."""
    config = farm_config(folder, ready, free_port())
    one = {"device": "torturer", "adapter": "torturer", "every": "200ms", "tags": {"pain": {}}}
    (folder / "devices.d/torturer.yaml").write_text(json.dumps(one))
    config.write_text(json.dumps(json.loads(config.read_text()) | {"limits": {"memory": "150MiB"}}))
    return config


def span(seconds: float) -> tuple[int, int]:
    """Let so much time pass; from when to when, wall us."""
    begun = now_us()
    time.sleep(seconds)
    return begun, now_us()


def calmest(path: Path, devices: int, span: tuple[int, int]) -> float:
    """p99 (ms) of how late the farm was read in the calmest third of `span`."""
    length = (span[1] - span[0]) // THIRDS
    return min(late(path, devices, (span[0] + i * length, span[0] + (i + 1) * length)) for i in range(THIRDS))


def late(path: Path, devices: int, span: tuple[int, int]) -> float:
    """p99 (ms) of how late the farm was read in `span`; infinite where a device was not read at all."""
    reads: Reads = defaultdict(list)
    for device, _, at in journal(path):
        if span[0] <= at < span[1]:
            reads[device].append(at)
    if len(reads) < devices:
        return float("inf")
    return quantile(lateness_ms(reads, grids(reads, range(devices), span), span), 0.99)


LONGEST = 60.0  # s until a plugin is set aside
NAMED = ("the loop is held", "does harm", "adapter fault", "read does not return", "ended badly", "memory grows")


def out(deed: str, log: list[dict[str, Any]], since: float) -> bool:
    """Whether it is over: set aside, or for what harms nobody else, named."""
    words = NAMED if deed in ("raises", "never_returns") else ("set aside",)
    return first(log, since, *words) is not None


def install(folder: Path) -> None:
    """The plugin, as pip would lay it down."""
    info = folder / "fieldgate_torturer-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("torturer.py"), folder)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fieldgate-torturer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fieldgate.adapters]\ntorturer = torturer:Adapter\n")


def faults(deed: str, found: Found) -> list[str]:
    """What is not as it is to be."""
    wrong = []
    if found.named is None or (found.named > NAMED_WITHIN and not DEEDS[deed] and deed != "leaks"):
        wrong.append("not named in time")
    if found.aside is None and deed not in ("raises", "never_returns"):
        wrong.append("not set aside")
    if found.starts > (1 if DEEDS[deed] else 0):
        wrong.append("ended by it again and again")
    if found.after_ms - found.before_ms > MAY_MOVE_MS:
        wrong.append("the others are late")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--only", choices=DEEDS, action="append")
    args = parser.parse_args()
    failed = False
    for deed in args.only or DEEDS:
        with tempfile.TemporaryDirectory() as folder:
            found = commit(deed, Path(folder), args.devices)
        wrong = faults(deed, found)
        failed |= bool(wrong)
        print(f"{deed:20}{found}   {', '.join(wrong) or 'ok'}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
