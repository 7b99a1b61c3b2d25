"""The runner: one line lost, one line back; back-off with a bound; a bug of one adapter stays its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from gateway.ingest.runner import Retry, Runner, Surroundings
from gateway.ops.health import Health, State
from gateway.sdk import Adapter, Batch, DeviceConfig, DisconnectedError, Kind, Sink, TagConfig, quality
from gateway.sdk.testing import Collector, FakeClock, SilentLog, connection, host


class Script(Adapter):
    """An adapter that follows a script: `refuse` at connect, `scan` n batches, then `lose`, `break` or `stay`."""

    Config = DeviceConfig
    steps: list[str]

    async def connect(self) -> None:
        if self.steps and self.steps[0] == "refuse":
            self.steps.pop(0)
            raise DisconnectedError("refused")

    async def run(self, sink: Sink) -> None:
        while self.steps:
            step = self.steps.pop(0)
            if step == "lose":
                raise DisconnectedError("gone")
            if step == "break":
                raise ZeroDivisionError
            group = self.connection.groups[0]
            if step == "bad":
                sink(Batch.failed(group, quality.BAD_TIMEOUT, 1))
            else:
                sink(Batch.of(group, np.ones(len(group)), 1))
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


class Log(SilentLog):
    def exception(self, event: str, **fields: object) -> None:
        self.lines.append(("exception", event, fields))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]


@contextlib.asynccontextmanager
async def playing(tmp_path: Path, *steps: str) -> AsyncIterator[tuple[Runner, Collector, Log, Health]]:
    adapter = Script(connection(DeviceConfig(device="d", adapter="x", tags={"a": TagConfig()})), host(tmp_path))
    adapter.steps = list(steps)
    log, health, sink = Log(), Health(FakeClock()), Collector()
    around = Surroundings(FakeClock(), log, health, asyncio.Semaphore(1), draw=lambda: 0.0, retry=Retry(first=0.001))
    runner = Runner(adapter, sink, around)
    task = asyncio.create_task(runner.run())
    for _ in range(500):
        await asyncio.sleep(0.01)
        if not adapter.steps:
            break
    await asyncio.sleep(0.02)
    yield runner, sink, log, health
    task.cancel()
    await asyncio.wait([task])


async def test_one_line_lost_and_one_line_back(tmp_path: Path) -> None:
    async with playing(tmp_path, "scan", "lose", "refuse", "refuse", "scan", "scan") as (runner, sink, log, health):
        assert log.events == ["device lost", "device back"]
        assert health.state("device d") is State.OK
        assert runner.counters["losses_total"] == 1
        kinds = [batch.kind for batch in sink.batches]
        assert kinds.count(Kind.DATA) == 3


async def test_a_loss_turns_every_tag_bad(tmp_path: Path) -> None:
    async with playing(tmp_path, "scan", "lose", "refuse") as (_, sink, _log, _health):
        lost = [batch for batch in sink.batches if batch.kind is Kind.LOST]
        assert lost
        assert (lost[0].status == quality.BAD_NOT_CONNECTED).all()


async def test_a_device_that_only_gives_bad_scans_is_lost_while_the_line_lives(tmp_path: Path) -> None:
    async with playing(tmp_path, "scan", "bad", "bad", "scan") as (runner, _, log, _health):
        assert log.events == ["device lost", "device back"]
        assert runner.counters["losses_total"] == 0
        assert runner.counters["scans_failed_total"] == 2


async def test_a_bug_of_the_adapter_is_counted_and_tried_again(tmp_path: Path) -> None:
    async with playing(tmp_path, "break", "scan") as (runner, _, log, health):
        assert "adapter fault" in log.events
        assert runner.counters["faults_total"] == 1
        assert health.state("device d") is State.OK


async def test_batches_are_numbered(tmp_path: Path) -> None:
    async with playing(tmp_path, "scan", "scan", "scan") as (_, sink, _log, _health):
        assert [batch.sequence for batch in sink.batches] == [1, 2, 3]


@pytest.mark.parametrize(("away", "cap"), [(0.0, 1.0), (5.0, 1.0), (60.0, 6.0), (1e9, 30.0)])
def test_back_off_is_full_jitter_up_to_a_cap_that_grows_with_the_absence(away: float, cap: float) -> None:
    retry = Retry()
    assert retry.wait(away, 0, 0.0) == 0.05
    assert retry.wait(away, 0, 0.999) == pytest.approx(cap, rel=0.01)


def test_the_breaker_opens_after_a_few_faults_in_a_row() -> None:
    assert Retry().wait(5, 5, 0.5) == 300.0


async def test_the_absence_counts_from_the_first_failure_until_the_connection_has_settled(tmp_path: Path) -> None:
    """What connects and dies at once is as much away as what refuses; ten good seconds end it."""
    clock, absences = FakeClock(), list[float]()

    class Patience(Retry):
        def wait(self, away: float, faults: int, draw: float) -> float:  # noqa: ARG002 - as Retry
            absences.append(away)
            clock.advance(4.0)
            return 0.0

    class Flapping(Script):
        async def run(self, sink: Sink) -> None:
            if self.steps and self.steps[0] == "stay":
                self.steps.pop(0)
                clock.advance(11.0)
                raise DisconnectedError("gone after a while")
            await super().run(sink)

    adapter = Flapping(connection(DeviceConfig(device="d", adapter="x", tags={"a": TagConfig()})), host(tmp_path))
    adapter.steps = ["refuse", "refuse", "lose", "stay", "refuse"]
    around = Surroundings(clock, Log(), Health(clock), asyncio.Semaphore(1), draw=lambda: 0.0, retry=Patience())
    task = asyncio.create_task(Runner(adapter, Collector(), around).run())
    for _ in range(500):
        await asyncio.sleep(0.01)
        if len(absences) == 5:
            break
    task.cancel()
    assert absences == [0.0, 4.0, 8.0, 0.0, 4.0]


async def test_one_bad_tag_in_a_message_of_a_subscription_makes_no_lost_device(tmp_path: Path) -> None:
    class Pushed(Script):
        async def run(self, sink: Sink) -> None:
            for rows in ([0], [1], [0, 1]):
                some = np.array(rows, np.uint32)
                bad = np.full(len(some), quality.BAD_NODE_ID_UNKNOWN, np.uint32)
                sink(Batch(0, -1, some, np.full(len(some), np.nan), np.ones(len(some), np.int64), bad, 1))
                lost.append(bool(runner.lost))
            await asyncio.Event().wait()

    lost: list[bool] = []
    tags = {name: TagConfig() for name in "ab"}
    adapter = Pushed(connection(DeviceConfig(device="d", adapter="x", tags=tags)), host(tmp_path))
    adapter.steps = []
    around = Surroundings(FakeClock(), Log(), Health(FakeClock()), asyncio.Semaphore(1))
    runner = Runner(adapter, Collector(), around)
    task = asyncio.create_task(runner.run())
    await asyncio.sleep(0.05)
    assert lost == [False, False, True]
    task.cancel()
    await asyncio.wait([task])
