"""The machine under the gateway: processor, memory, disk, and how far the flash is used up. Linux; blocks a little."""

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.ops.resources import allowed, charged

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_DAY: Final = 86400.0
_LEAST: Final = 0.5  # s; of less time the share of the processor says nothing
_LIFE: Final = "device/life_time"  # JEDEC eMMC 5.0, DEVICE_LIFE_TIME_EST: 0x01 is up to 10 % used, 0x0B beyond its life


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of the machine now: bytes, but for the processor; None where it is not known.

    Attributes:
        cpu: of this process, as a share of one core; `load` is the machine's, over a minute.
        memory: of this process.
        memory_share: how much of the memory is taken, 0 to 1: of the machine's, or, where the unit hides that
            (ProcSubset=pid), of what the unit may have (MemoryMax=).
        written: what this process has had written to disk.
        wear: see `wear`.
    """

    cpu: float | None
    cpus: int
    load: float
    memory: int | None
    memory_total: int
    memory_available: int | None
    memory_share: float | None
    disk_total: int
    disk_free: int
    written: int | None
    written_per_day: float | None
    wear: float | None


class Machine:
    """Figures between two looks: the share of the processor is of the time since the last one."""

    def __init__(self, state: Path) -> None:
        """`state`: the folder whose disk is looked at."""
        self._state = state
        self._began = self._looked = time.monotonic()
        self._used = _processor()
        self._share: float | None = None
        self._written = _written()

    def figures(self) -> Figures:
        """All of them, now."""
        disk, written = shutil.disk_usage(self._state), _written()
        total, available = os.sysconf("SC_PHYS_PAGES") * _PAGE, _available()
        return Figures(
            self._processor(), os.cpu_count() or 1, round(os.getloadavg()[0], 2), _resident(), total, available,
            share(total, available, charged(), allowed()), disk.total, disk.free, written, self._per_day(written),
            wear(Path("/sys/dev/block"), self._state.stat().st_dev),
        )  # fmt: skip

    def _processor(self) -> float | None:
        now = time.monotonic()
        if now - self._looked > _LEAST:
            used = _processor()
            self._share = round((used - self._used) / (now - self._looked), 4)
            self._used, self._looked = used, now
        return self._share

    def _per_day(self, written: int | None) -> float | None:
        if written is None or self._written is None:
            return None
        return round((written - self._written) / max(time.monotonic() - self._began, 1.0) * _DAY)


def share(total: int, available: int | None, taken: int | None, bound: int | None) -> float | None:
    """How much of the memory is taken, as far as one sees; None where one sees nothing. Bytes.

    Args:
        total: of the machine.
        available: of it; what would be free if it were asked for.
        taken: by our control group.
        bound: what that may have.
    """
    if available is not None:
        return round(1 - available / total, 3)
    return round(taken / bound, 3) if taken is not None and bound else None


def wear(devices: Path, number: int) -> float | None:
    """Share of its life that the flash with the device `number` has used, 0 to 1.1; None where it does not say."""
    name = devices / f"{os.major(number)}:{os.minor(number)}"
    for folder in (name, name / ".."):  # a partition, then the whole device
        text = _read(folder / _LIFE)
        used = [int(one, 16) for one in text.split()]
        if used:
            return max(used) / 10
    return None


def _processor() -> float:
    used = os.times()
    return used.user + used.system


def _resident() -> int | None:
    fields = _read(Path("/proc/self/statm")).split()
    return int(fields[1]) * _PAGE if fields else None


def _available() -> int | None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read(Path("/proc/meminfo")), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _written() -> int | None:
    """Bytes that this process has sent to the block layer (proc(5))."""
    found = re.search(r"^write_bytes: (\d+)", _read(Path("/proc/self/io")), re.MULTILINE)
    return int(found[1]) if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
