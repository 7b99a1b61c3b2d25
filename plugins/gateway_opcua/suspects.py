"""The nodes that a server refuses: counted, named in the log once, and once more when they answer again."""

from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.sdk import Device, Log, Rows, quality
from gateway_opcua import status as codes

_NAMED: Final = 10  # names in one line of the log; the rest is a number


class Suspects:
    """Knows which rows have been told."""

    def __init__(self, devices: tuple[Device, ...], log: Log, counters: Counter[str]) -> None:
        self._names = {tag.row: f"{device.name}.{tag.name}" for device in devices for tag in device.tags}
        self._told = np.zeros(max(self._names) + 1, bool)
        self._log, self._counters = log, counters

    def look_at(self, rows: Rows, status: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Tell of the nodes among `rows` that turned wrong or right; the places in `status` of the wrong ones."""
        bad = quality.is_bad(status)
        told = self._told[rows]
        if told.any():
            self._forgive(_numbers(rows)[told & ~bad])
        if not bad.any():
            return np.empty(0, np.intp)
        wrong = np.flatnonzero(codes.is_wrong_node(status))
        self._accuse(_numbers(rows)[wrong], status[wrong])
        return wrong

    def refuse(self, rows: NDArray[np.uint32], status: NDArray[np.uint32]) -> None:
        """Tell of rows that the server refused, whatever the reason."""
        self._accuse(rows, status)

    def _accuse(self, rows: NDArray[np.uint32], status: NDArray[np.uint32]) -> None:
        fresh = ~self._told[rows]
        if not fresh.any():
            return
        self._told[rows] = True
        self._counters["nodes_refused_total"] += int(fresh.sum())
        reasons = sorted({codes.name(code) for code in status[fresh].tolist()})
        self._log.warning("the server refuses tags", **self._named(rows[fresh]), reasons=reasons)

    def _forgive(self, rows: NDArray[np.uint32]) -> None:
        if len(rows):
            self._told[rows] = False
            self._log.info("tags answer again", **self._named(rows))

    def _named(self, rows: NDArray[np.uint32]) -> dict[str, object]:
        names = [self._names[row] for row in rows[:_NAMED].tolist()]
        return {"count": len(rows), "tags": names}


def _numbers(rows: Rows) -> NDArray[np.uint32]:
    return np.arange(rows.start, rows.stop, dtype=np.uint32) if isinstance(rows, slice) else rows
