"""What the process takes: memory, descriptors, tasks, threads. Told once when one is beyond its bound, and once after.

Read from /proc/self, which the unit leaves visible (ProcSubset=pid); elsewhere a figure that cannot be had is 0.
"""

import os
import re
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_BACK: Final = 0.9  # of a bound, under which a figure is within it again
_SPAN: Final = 10  # looks over which growth is judged
_MIB: Final = 2**20
GROUPS: Final = Path("/sys/fs/cgroup")

NAMES: Final = {
    "process_resident_bytes": "memory",
    "process_descriptors": "descriptors",
    "process_tasks": "tasks",
    "process_threads": "threads",
}


@dataclass(frozen=True, slots=True)
class Crossing:
    """A figure has gone beyond its bound, or is within it again."""

    name: str
    value: int
    bound: int
    beyond: bool

    def __str__(self) -> str:
        unit, size = (" MiB", _MIB) if self.name == "process_resident_bytes" else ("", 1)
        side = "beyond" if self.beyond else "within"
        return f"{NAMES[self.name]}: {self.value // size}{unit}, {side} its bound of {self.bound // size}{unit}"


class Resources:
    """The figures of this process against their bounds; looked at once a second."""

    def __init__(self, bounds: Mapping[str, int]) -> None:
        """`bounds` by name of the figure."""
        self.figures: dict[str, int] = dict.fromkeys(NAMES, 0)
        self.beyond: dict[str, Crossing] = {}
        self._bounds = bounds
        self._memory: deque[int] = deque(maxlen=_SPAN)

    def look(self, figures: dict[str, int]) -> list[Crossing]:
        """Take new figures; what has crossed its bound since the last look."""
        self.figures = figures
        self._memory.append(self.figures["process_resident_bytes"])
        crossings = []
        for name, bound in self._bounds.items():
            value, was = self.figures[name], name in self.beyond
            if value > bound or (was and value > _BACK * bound):
                crossing = self.beyond[name] = Crossing(name, value, bound, beyond=True)
                crossings += [] if was else [crossing]
            elif self.beyond.pop(name, None):
                crossings.append(Crossing(name, value, bound, beyond=False))
        return crossings

    @property
    def growth(self) -> float:
        """Bytes a look by which memory has grown, over the last few; 0 before there are as many."""
        full = len(self._memory) == _SPAN
        return (self._memory[-1] - self._memory[0]) / (_SPAN - 1) if full else 0.0


def measured(tasks: int) -> dict[str, int]:
    """All figures now; `tasks` is known on the loop's thread only. Reads files."""
    figures = dict.fromkeys(NAMES, 0)
    with suppress(OSError):
        figures["process_resident_bytes"] = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        figures["process_descriptors"] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    return figures | {"process_tasks": tasks, "process_threads": threading.active_count()}


def allowed(groups: Path = GROUPS) -> int | None:
    """Bytes that the control group lets us have (MemoryMax of the unit); None where nothing is said."""
    group = _group(groups)
    folders = [group, *group.parents] if group else []
    return min((int(text) for one in folders if (text := _read(one / "memory.max")).isdigit()), default=None)


def charged(groups: Path = GROUPS) -> int | None:
    """Bytes that the control group is charged with, but for what the kernel would give back at once; None: not said.

    It is what memory.max is held against (Linux, cgroup-v2.rst, "Memory Interface Files"), workers of models included.
    """
    group = _group(groups)
    current = _read(group / "memory.current") if group else ""
    if group is None or not current.isdigit():
        return None
    given_back = re.search(r"^inactive_file (\d+)", _read(group / "memory.stat"), re.MULTILINE)
    return int(current) - (int(given_back[1]) if given_back else 0)


def _group(groups: Path) -> Path | None:
    """The folder of our control group, of version 2."""
    found = re.search(r"^0::/?(.*)", _read(Path("/proc/self/cgroup")), re.MULTILINE)
    return groups / found[1] if found else None


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text().strip()
    return ""
