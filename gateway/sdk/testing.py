"""For the tests of adapters, ours and outsiders': a fake clock, a collecting sink, and the suite every adapter passes.

    class TestSine(AdapterContract):
        @pytest.fixture
        def rig(self, tmp_path): ...   # yields a Rig: a connection to a real counterpart

Needs pytest and pytest-asyncio (`asyncio_mode = "auto"`).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.sdk.adapter import API_VERSION, Adapter, Host
from gateway.sdk.batch import Batch, Kind
from gateway.sdk.config import DeviceConfig
from gateway.sdk.errors import DisconnectedError
from gateway.sdk.quality import is_bad, is_good
from gateway.sdk.tags import Connection, TagTable


class LoopClock:
    """The real clock of the running loop, for tests with real sockets."""

    def wall_ns(self) -> int:
        """Unix time in ns."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds, as the loop's `time()`."""
        return time.monotonic()

    async def sleep_until(self, due: float) -> None:
        """Sleep for real."""
        await asyncio.sleep(max(0.0, due - time.monotonic()))


class FakeClock:
    """A clock that a test moves by hand; `sleep_until` moves it at once. Simulates time, nothing else."""

    def __init__(self, wall_ns: int = 1_700_000_000_000_000_000, monotonic: float = 1000.0) -> None:
        self._wall, self._monotonic = wall_ns, monotonic

    def wall_ns(self) -> int:
        """Unix time in ns, as set."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds, as set."""
        return self._monotonic

    def advance(self, seconds: float, wall: float | None = None) -> None:
        """Let `seconds` pass; the wall clock moves by `wall` seconds instead when that is given (a step)."""
        self._monotonic += seconds
        self._wall += int((seconds if wall is None else wall) * 1e9)

    async def sleep_until(self, due: float) -> None:
        """Jump to `due`."""
        self.advance(max(0.0, due - self._monotonic))
        await asyncio.sleep(0)


class SilentLog:
    """A log that keeps its lines for the test to look at."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        """Keep it."""
        self.lines.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        """Keep it."""
        self.lines.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        """Keep it."""
        self.lines.append(("warning", event, fields))


def host(home: Path) -> Host:
    """Surroundings for an adapter under test."""
    return Host(LoopClock(), home, SilentLog())


def connection(*devices: DeviceConfig, name: str = "line", phase: float = 0.0) -> Connection:
    """A connection with the devices given, numbered as the gateway does."""
    return Connection(name, TagTable.build(devices).devices, phase)


@dataclass
class Collector:
    """A sink that keeps batches."""

    batches: list[Batch] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, batch: Batch) -> None:
        """Keep it."""
        self.batches.append(batch)
        self._arrived.set()

    async def until(self, condition: Callable[[Sequence[Batch]], bool], within: float = 5.0) -> None:
        """Wait until `condition` holds for the batches so far. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not condition(self.batches):
                self._arrived.clear()
                await self._arrived.wait()

    @property
    def data(self) -> list[Batch]:
        """The batches that carry readings."""
        return [batch for batch in self.batches if batch.kind is Kind.DATA and len(batch)]


@dataclass
class Rig:
    """A real counterpart and the configuration of a connection to it; periods of 100 ms suit the suite."""

    adapter: type[Adapter]
    connection: Connection
    home: Path
    start: Callable[[], Awaitable[None]]  # the counterpart begins to answer (again), on the same address
    stop: Callable[[], Awaitable[None]]  # it is gone: refuses, or its socket is closed


class AdapterContract:
    """What every adapter owes. Subclass it and give a `rig` fixture; the counterpart is running when it is yielded."""

    within = 8.0  # seconds that one step may take

    @contextlib.asynccontextmanager
    async def running(self, rig: Rig) -> AsyncIterator[tuple[Adapter, Collector, asyncio.Task[None]]]:
        """A connected adapter with its `run` in a task."""
        adapter, sink = rig.adapter(rig.connection, host(rig.home)), Collector()
        await asyncio.wait_for(adapter.connect(), self.within)
        task = asyncio.create_task(adapter.run(sink))
        try:
            yield adapter, sink, task
        finally:
            task.cancel()
            await asyncio.wait([task])
            await asyncio.wait_for(adapter.close(), self.within)

    async def test_declares_itself(self, rig: Rig) -> None:
        """The adapter names its API version and a Config in which every option has its sentence."""
        assert rig.adapter.api_version == API_VERSION
        schema = rig.adapter.Config.model_json_schema()
        tables = [schema, *schema.get("$defs", {}).values()]
        bare = [
            f"{t['title']}.{n}" for t in tables for n, p in t.get("properties", {}).items() if not p.get("description")
        ]
        assert not bare, f"options without a sentence: {bare}"

    async def test_construction_does_no_io(self, rig: Rig) -> None:
        """With the counterpart gone, an adapter can still be made and closed."""
        await rig.stop()
        adapter = rig.adapter(rig.connection, host(rig.home))
        await adapter.close()

    async def test_reads_every_tag(self, rig: Rig) -> None:
        """Every tag of every device arrives, well formed, good, more than once."""
        rows = sum(len(group) for group in rig.connection.groups)
        async with self.running(rig) as (_, sink, _task):
            await sink.until(lambda _: _seen(sink, rows).all() and len(sink.data) > 1, self.within)
            for batch in sink.data:
                _well_formed(batch)

    async def test_absent_device_is_disconnected(self, rig: Rig) -> None:
        """A connection to nothing says so by DisconnectedError, in bounded time."""
        await rig.stop()
        adapter = rig.adapter(rig.connection, host(rig.home))
        with pytest.raises(DisconnectedError):
            await asyncio.wait_for(adapter.connect(), self.within)
        await adapter.close()

    async def test_loss_ends_run_and_never_gives_a_number(self, rig: Rig) -> None:
        """When the counterpart goes away, `run` raises DisconnectedError, and bad values are NaN."""
        async with self.running(rig) as (_, sink, task):
            await sink.until(lambda _: bool(sink.data), self.within)
            await rig.stop()
            with pytest.raises(DisconnectedError):
                await asyncio.wait_for(asyncio.shield(task), self.within)
            for batch in sink.data:
                _well_formed(batch)

    async def test_same_adapter_connects_again(self, rig: Rig) -> None:
        """After a loss, close and connect bring the same adapter back."""
        adapter, sink = rig.adapter(rig.connection, host(rig.home)), Collector()
        for _ in range(2):
            await rig.start()
            await asyncio.wait_for(adapter.connect(), self.within)
            task = asyncio.create_task(adapter.run(sink))
            seen = len(sink.data)
            await sink.until(lambda _, seen=seen: len(sink.data) > seen, self.within)  # type: ignore[misc]
            await rig.stop()
            with pytest.raises(DisconnectedError):
                await asyncio.wait_for(task, self.within)
            await adapter.close()

    async def test_close_twice_and_no_task_left(self, rig: Rig) -> None:
        """Close is safe twice, and nothing of the adapter runs on."""
        before = asyncio.all_tasks()
        async with self.running(rig) as (adapter, sink, _):
            await sink.until(lambda _: bool(sink.data), self.within)
        await adapter.close()
        async with asyncio.timeout(2.0):
            while left := [task for task in asyncio.all_tasks() - before if not task.done()]:
                await asyncio.wait(left, timeout=0.1)
        assert not left

    async def test_cancelled_run_closes(self, rig: Rig) -> None:
        """`run` can be cancelled at any time and ends promptly."""
        async with self.running(rig) as (_, _sink, task):
            await asyncio.sleep(0.05)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=2.0)
            assert done


def _seen(sink: Collector, rows: int) -> Any:
    """Mask of the rows that came with a good value."""
    seen = np.zeros(rows, bool)
    for batch in sink.data:
        seen[batch.rows] |= is_good(batch.status)
    return seen


def _well_formed(batch: Batch) -> None:
    """Columns have their types and one length; a bad value is no number; times are Unix ns."""
    n = batch.rows.stop - batch.rows.start if isinstance(batch.rows, slice) else len(batch.rows)
    assert batch.value.shape == batch.time.shape == batch.status.shape == (n,)
    for column, kind in ((batch.value, np.float64), (batch.time, np.int64), (batch.status, np.uint32)):
        assert column.dtype == np.dtype(kind)
    assert np.isnan(batch.value[is_bad(batch.status)]).all()
    assert batch.received > 1_500_000_000 * 1_000_000_000
