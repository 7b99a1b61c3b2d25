"""A connection that harms the others is stopped, told of, and comes back when it is let in; nobody else is."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from gateway.ingest.guarded import FloodError, Guarded, Valve
from gateway.ingest.runner import Retry, Surroundings
from gateway.ops.culprit import CONNECTION
from gateway.ops.health import Health, State
from gateway.ops.quarantine import Quarantine
from gateway.sdk import Adapter, Batch, DeviceConfig, Group, Kind, PolledAdapter, Sink, TagConfig, quality
from gateway.sdk.testing import Collector, FakeClock, LoopClock, SilentLog, connection, host


def device(**more: object) -> DeviceConfig:
    return DeviceConfig(device="d", adapter="x", tags={"a": TagConfig()}, **more)  # type: ignore[arg-type]


class Deeds(Adapter):
    """Does what it is told, once connected."""

    Config = DeviceConfig
    deed: Callable[[Sink], object] = staticmethod(lambda _sink: None)
    closed = 0

    async def connect(self) -> None:
        pass

    async def run(self, sink: Sink) -> None:
        self.heard = CONNECTION.get()
        sink(good(self.connection.groups[0]))
        self.deed(sink)
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed += 1


class Deaf(Deeds):
    """Does not let itself be ended."""

    free: asyncio.Event

    async def run(self, sink: Sink) -> None:
        self.free = asyncio.Event()
        sink(good(self.connection.groups[0]))
        for _ in range(20):  # or no test would end that fails
            with contextlib.suppress(asyncio.CancelledError):
                await self.free.wait()
                return


class Log(SilentLog):
    def exception(self, event: str, **fields: object) -> None:
        self.lines.append(("exception", event, fields))


def good(group: Group) -> Batch:
    return Batch.of(group, np.ones(len(group)), 1)


class Rig:
    """One guarded connection."""

    def __init__(self, folder: Path, kind: type[Adapter]) -> None:
        self.sink, self.log, self.health = Collector(), Log(), Health(FakeClock())
        self.quarantine = Quarantine(folder, FakeClock())
        around = Surroundings(LoopClock(), self.log, self.health, asyncio.Semaphore(1), retry=Retry(first=0.001))
        self.adapter = kind(connection(device()), host(folder))
        self.runner = Guarded(self.adapter, self.sink, around, self.quarantine)
        self.quarantine.told = lambda _name, _harm, _why, out: self.runner.look_again() if out else None

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.log.lines]


@contextlib.asynccontextmanager
async def running(folder: Path, kind: type[Adapter] = Deeds, *, aside: bool = False) -> AsyncIterator[Rig]:
    rig = Rig(folder, kind)
    if aside:
        rig.quarantine.strike("line", "kills", "was killed")
    task = asyncio.create_task(rig.runner.run())
    await asyncio.sleep(0.05)
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_a_plugin_does_is_done_for_its_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        assert rig.adapter.heard == "line"  # type: ignore[attr-defined]


async def test_a_connection_that_is_set_aside_is_closed_and_its_tags_are_out_of_service(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        assert rig.health.state("device d") is State.OK
        rig.quarantine.strike("line", "exits", "ended the process")
        await asyncio.sleep(0.05)
        part = rig.health.part("device d")
        assert part
        assert part.state is State.FAILED
        assert "ended the process" in part.why
        assert "fieldgate quarantine release 'line'" in part.remedy
        assert rig.sink.batches[-1].kind is Kind.LOST
        assert (rig.sink.batches[-1].status == quality.BAD_OUT_OF_SERVICE).all()
        assert rig.adapter.closed == 1  # type: ignore[attr-defined]
        assert list(rig.runner.lost) == [0]


async def test_it_comes_back_when_it_is_let_in_again(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        rig.quarantine.strike("line", "exits", "ended the process")
        await asyncio.sleep(0.05)
        rig.quarantine.release("line")
        rig.runner.look_again()
        await asyncio.sleep(0.05)
        assert rig.health.state("device d") is State.OK
        assert rig.sink.batches[-1].kind is Kind.DATA


async def test_what_was_set_aside_before_the_start_is_not_even_connected(tmp_path: Path) -> None:
    async with running(tmp_path, aside=True) as rig:
        assert rig.health.state("device d") is State.FAILED
        assert rig.runner.counters["connects_total"] == 0


async def test_what_does_not_let_itself_be_ended_is_left_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ingest.guarded._END_WITHIN", 0.05)
    async with running(tmp_path, Deaf) as rig:
        rig.quarantine.strike("line", "leaks", "leaks")
        await asyncio.sleep(0.2)
        assert rig.health.state("device d") is State.FAILED
        rig.adapter.free.set()  # type: ignore[attr-defined]


def _asks_for_the_end(_sink: Sink) -> None:
    raise SystemExit(3)


async def test_a_plugin_that_asks_for_the_end_does_not_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deeds, "deed", staticmethod(_asks_for_the_end))
    async with running(tmp_path) as rig:
        verdict = rig.quarantine.of("line")
        assert verdict
        assert verdict.harm == "exits"
        await asyncio.sleep(0.1)
        assert rig.health.state("device d") is State.FAILED


# -- floods ------------------------------------------------------------------------------------------------------------


def valve(folder: Path, clock: FakeClock, every: float = 1.0) -> tuple[Valve, Collector, Quarantine, Group]:
    line, sink, quarantine = connection(device(every=every)), Collector(), Quarantine(folder, clock)
    return Valve(line, sink, clock, quarantine), sink, quarantine, line.groups[0]


def test_what_the_configuration_explains_passes(tmp_path: Path) -> None:
    clock = FakeClock()
    gate, sink, quarantine, group = valve(tmp_path, clock, every=0.01)
    for _ in range(500):
        gate(good(group))
        clock.advance(0.01)
    assert len(sink.batches) == 500
    assert not quarantine.aside


def test_what_goes_beyond_is_dropped_and_counted_and_three_seconds_of_it_are_enough(tmp_path: Path) -> None:
    clock = FakeClock()
    gate, sink, quarantine, group = valve(tmp_path, clock)
    for second in range(3):
        assert not quarantine.aside, second
        for _ in range(gate.most + 100):
            gate(good(group))
        clock.advance(1.0)
    assert len(sink.batches) == 3 * gate.most
    assert gate.counters["readings_flooded_total"] == 300
    assert quarantine.aside["line"].harm == "floods"


def test_a_flood_without_end_gets_an_error_for_an_answer(tmp_path: Path) -> None:
    gate, sink, _, group = valve(tmp_path, FakeClock())
    batch = good(group)
    with pytest.raises(FloodError):
        deque(map(gate, repeat(batch, 1_000_000)), maxlen=0)
    assert len(sink.batches) == gate.most


def test_history_and_losses_are_no_flood(tmp_path: Path) -> None:
    gate, sink, quarantine, group = valve(tmp_path, FakeClock())
    batch = Batch.failed(group, quality.BAD_TIMEOUT, 1, Kind.LOST)
    for _ in range(3 * gate.most):
        gate(batch)
    assert len(sink.batches) == 3 * gate.most
    assert not quarantine.aside


# -- reads that do not return ------------------------------------------------------------------------------------------


class Slow(PolledAdapter):
    Config = DeviceConfig
    go: asyncio.Event

    async def connect(self) -> None:
        self.go = asyncio.Event()

    async def read(self, group: Group) -> Batch:
        await self.go.wait()
        return good(group)

    async def close(self) -> None:
        pass


async def test_a_read_that_does_not_return_is_told_of_once_and_all_is_well_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.ingest.guarded._SILENT", 0.0)
    rig = Rig(tmp_path, Slow)
    rig.adapter.connection = rig.runner.connection = connection(device(every=0.05))
    task = asyncio.create_task(rig.runner.run())
    await asyncio.sleep(0.2)
    for _ in range(3):
        rig.runner.patience()
    assert rig.events == ["read does not return"]
    assert rig.health.state("device d") is State.DEGRADED
    rig.adapter.go.set()  # type: ignore[attr-defined]
    await asyncio.sleep(0.02)
    rig.runner.patience()
    assert rig.health.state("device d") is State.OK
    task.cancel()
    await asyncio.wait([task])
