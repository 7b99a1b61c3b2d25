"""Batches that come together are worked on together; what waits is bounded; a turn that fails ends nothing."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.ingest.gate import Gate
from gateway.sdk import Batch, DeviceConfig, TagConfig, TagTable
from gateway.sdk.testing import FakeClock, LoopClock, SilentLog

GROUP = TagTable.build([DeviceConfig(device="d", adapter="x", tags={"a": TagConfig(), "b": TagConfig()})]).groups[0]


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """No guard here: the work of these tests takes its time."""


def batch() -> Batch:
    return Batch.failed(GROUP, 0x800A0000, 1)


class Work:
    """Keeps the turns it was given; fails on the turns it is told to."""

    def __init__(self, *, fail: bool = False, takes: float = 0.0) -> None:
        self.turns: list[int] = []
        self.fail, self.takes = fail, takes

    def __call__(self, batches: Sequence[Batch], _now: int) -> None:
        self.turns.append(len(batches))
        time.sleep(self.takes)
        if self.fail:
            raise ZeroDivisionError


async def test_a_batch_after_a_pause_is_worked_on_at_once() -> None:
    work = Work()
    gate = Gate(work, LoopClock(), SilentLog(), tick=60.0, limit=10**6)
    gate(batch())
    await asyncio.sleep(0.01)
    assert work.turns == [1]


async def test_what_an_alarm_without_delay_watches_does_not_wait_for_the_tick() -> None:
    work = Work(takes=0.005)
    gate = Gate(work, LoopClock(), SilentLog(), tick=60.0, limit=10**6, prompt={1})
    other, watched = batch(), replace(batch(), device=1)
    gate(other)
    await asyncio.sleep(0.01)
    gate(other)  # rests 40 times the turn
    gate(watched)  # rests 4 times, and takes the other along
    await asyncio.sleep(0.06)
    assert work.turns == [1, 2]
    gate(other)
    await asyncio.sleep(0.06)
    assert work.turns == [1, 2]


async def test_after_a_long_turn_what_comes_within_a_tick_shares_the_next() -> None:
    work = Work(takes=0.05)
    gate = Gate(work, LoopClock(), SilentLog(), tick=0.2, limit=10**6)
    gate(batch())
    await asyncio.sleep(0.1)
    for _ in range(5):
        gate(batch())
        await asyncio.sleep(0)
    assert work.turns == [1]
    await asyncio.sleep(0.4)
    assert work.turns == [1, 5]
    assert gate.turns == 2


async def test_after_a_short_turn_the_next_does_not_wait_for_the_tick() -> None:
    work = Work()
    # a clock in which the work takes no time; the loop's own is behind others just after a start of the machine
    gate = Gate(work, FakeClock(monotonic=0.0), SilentLog(), tick=60.0, limit=10**6)
    gate(batch())
    await asyncio.sleep(0.01)
    gate(batch())
    await asyncio.sleep(0.01)
    assert work.turns == [1, 1]


async def test_beyond_the_limit_the_oldest_goes_and_is_counted() -> None:
    work = Work()
    gate = Gate(work, LoopClock(), SilentLog(), tick=60.0, limit=1000)
    for _ in range(5):
        gate(batch())
    gate.turn()
    assert work.turns == [2]
    assert gate.counters["readings_dropped_total"] == 6


async def test_a_turn_that_fails_is_counted_and_the_next_goes_on() -> None:
    log, work = SilentLog(), Work(fail=True)
    log.exception = log.warning  # type: ignore[attr-defined]
    gate = Gate(work, LoopClock(), log, tick=0.001, limit=10**6)
    gate(batch())
    gate.turn()
    work.fail = False
    gate(batch())
    gate.turn()
    assert work.turns == [1, 1]
    assert gate.counters["turns_failed_total"] == 1
    assert gate.counters["readings_failed_total"] == 2


async def test_while_it_is_held_batches_gather_and_can_be_flushed() -> None:
    work = Work()
    gate = Gate(work, LoopClock(), SilentLog(), tick=0.001, limit=10**6)
    gate.hold()
    gate(batch())
    gate(batch())
    await asyncio.sleep(0.05)
    assert work.turns == []
    gate.flush()
    assert work.turns == [2]
    gate(batch())
    await asyncio.sleep(0.05)
    assert work.turns == [2]
    gate.release()
    await asyncio.sleep(0.05)
    assert work.turns == [2, 1]
