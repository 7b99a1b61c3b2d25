"""Trends for the page: of a tag from memory, of an asset from memory or, further back, from its recording on disk."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import numpy as np

from gateway.console.alarms import MS
from gateway.console.assets import find
from gateway.console.host import Host
from gateway.console.memory import Memory
from gateway.console.past import EVERY, F8, I8, Parts, Series
from gateway.console.rights import Refused
from gateway.models.recorder import RecordingMissingError, began, pieces
from gateway.running import Running

RECORDING: Final = "recording"  # folder of the state


class Trends:
    """Draws the past of what runs."""

    def __init__(self, host: Host, memory: Memory) -> None:
        self._host, self._memory = host, memory
        self._reading = asyncio.Lock()  # one recording at a time

    def tag(self, name: str, span: int, points: int) -> dict[str, Any]:
        """The last `span` seconds of a tag. Raises Refused (404)."""
        running = self._memory.running
        try:
            row = running.table.row(name)
        except KeyError:
            raise Refused(HTTPStatus.NOT_FOUND, "unknown", f"there is no tag '{name}'") from None
        time, values = self._memory.read(np.array([row]), self._now() - span * 1000)
        series = Series(time, points)
        drawn = series.of(values[:, 0])
        last = values[~np.isnan(values[:, 0]), 0][-1:].tolist()
        meant = running.meanings.text(row, last[0]) if last else ""
        told = {"name": name, "unit": running.meanings.unit(row), "text": meant}
        return {**told, "every": EVERY, "time": series.time, **drawn}

    async def asset(self, name: str, begin: int, end: int, points: int, *, live: bool) -> dict[str, Any]:
        """One asset between `begin` and `end`, Unix ms; `live`: as far as memory goes. Raises Refused (404)."""
        find(self._memory.running, name)
        first = await asyncio.to_thread(self._began, self._memory.running, name)
        oldest = self._memory.ring.oldest
        reach = {"from": min((one for one in (oldest, first) if one is not None), default=None), "to": self._now()}
        if not live and first is not None and (oldest is None or begin < oldest):
            async with self._reading:
                running = self._memory.running
                asset = find(running, name)
                found = await asyncio.to_thread(self._recorded, running, asset, begin, end, points)
            if found is not None:
                return reach | found
        running = self._memory.running  # another configuration may have taken over, with other columns
        return reach | self._remembered(running, find(running, name), begin, end, points)

    def _began(self, running: Running, name: str) -> int | None:
        if running.judging.recorder is None:
            return None
        try:
            first = began(self._host.state / RECORDING, name)
        except OSError:
            return None
        return None if first is None else first // MS

    def _recorded(self, running: Running, asset: int, begin: int, end: int, points: int) -> dict[str, Any] | None:
        """From the disk; None where there is nothing. The oldest segment may go while it is read."""
        name, tags = running.watch.names[asset], running.watch.configs[asset].tags
        span, folder = (begin * MS, end * MS), self._host.state / RECORDING
        try:
            total = sum(len(time) for time, _ in pieces(folder, name, tags, span))
            drawn = [_drawn(time, x, points, total) for time, x in pieces(folder, name, tags, span) if len(time)]
        except (RecordingMissingError, OSError):
            return None
        series = Parts([one for one, _ in drawn])
        none = [None] * len(series.time)
        columns = [series.joined([columns[i] for _, columns in drawn]) for i in range(len(tags))]
        return {
            "asset": name, "source": "recording", "time": series.time, "score": none, "threshold": none,
            "contributions": {}, "tags": _named(running, asset, columns),
        }  # fmt: skip

    def _remembered(self, running: Running, asset: int, begin: int, end: int, points: int) -> dict[str, Any]:
        columns = self._memory.columns(asset)
        every = np.concatenate([columns.tags, [columns.score, columns.limit], columns.shares])
        time, values = self._memory.read(every, begin)
        inside = time <= end
        series, values = Series(time[inside], points), values[inside]
        d = len(columns.tags)
        names = [running.table.names[row] for row in columns.tags.tolist()]
        return {
            "asset": running.watch.names[asset], "source": "memory", "time": series.time,
            "score": series.of(values[:, d])["value"], "threshold": series.of(values[:, d + 1])["value"],
            "contributions": {tag: series.of(values[:, d + 2 + i])["value"] for i, tag in enumerate(names)},
            "tags": _named(running, asset, [series.of(values[:, i]) for i in range(d)]),
        }  # fmt: skip

    def _now(self) -> int:
        return self._host.clock.wall_ns() // MS


def _drawn(time: I8, x: F8, points: int, total: int) -> tuple[Series, list[Mapping[str, F8]]]:
    """One piece of a recording, of `total` rows in all; what is kept of it is no longer than its share of `points`."""
    series = Series(time // MS, max(points * len(time) // max(total, 1), 1))
    return series, [series.of(np.asarray(column, float)) for column in x.T]


def _named(running: Running, asset: int, columns: Sequence[Mapping[str, F8]]) -> dict[str, Any]:
    """Columns of an asset's tags, in its order, by their names."""
    names, unit, rows = running.table.names, running.meanings.unit, running.watch.rows[asset]
    return {names[row]: {"unit": unit(row), **drawn} for row, drawn in zip(rows, columns, strict=True)}
