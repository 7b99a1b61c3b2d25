"""Whether a folder survives the machine, or the container, that it lies in: not in memory, nor in a layer."""

import os
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")  # visible behind ProcSubset=pid
_WHY: Final = {
    "tmpfs": "in memory: it is gone with the next boot",
    "ramfs": "in memory: it is gone with the next boot",
    "overlay": "in the layer of a container: it is gone with the container",
}


def volatile(folder: Path, mounts: Path = _MOUNTS) -> str:
    """Why what is kept in `folder` will be lost, in a sentence; "" where nothing speaks for that. Blocks.

    The last mount at the longest path that leads to it counts (proc(5), /proc/pid/mountinfo: point is the fifth field,
    the type stands behind the hyphen).
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    there = os.path.realpath(folder)
    found, depth = "", -1
    for fields in (line.split() for line in lines):
        point = fields[4].encode().decode("unicode_escape")
        if _leads(point, there) and len(point) >= depth:
            found, depth = fields[fields.index("-") + 1], len(point)
    return f"{folder} lies {_WHY[found]}" if found in _WHY else ""


def _leads(point: str, there: str) -> bool:
    return there == point or there.startswith(point.rstrip("/") + "/")
