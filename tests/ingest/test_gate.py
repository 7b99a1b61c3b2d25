"""Batches that come together are worked on together; what waits is bounded; a turn that fails ends nothing."""

import asyncio
from collections.abc import Sequence

from gateway.ingest.gate import Gate
from gateway.sdk import Batch, DeviceConfig, TagConfig, TagTable
from gateway.sdk.testing import LoopClock, SilentLog

GROUP = TagTable.build([DeviceConfig(device="d", adapter="x", tags={"a": TagConfig(), "b": TagConfig()})]).groups[0]


def batch() -> Batch:
    return Batch.failed(GROUP, 0x800A0000, 1)


class Work:
    """Keeps the turns it was given; fails on the turns it is told to."""

    def __init__(self, fail: bool = False) -> None:
        self.turns: list[int] = []
        self.fail = fail

    def __call__(self, batches: Sequence[Batch], _now: int) -> None:
        self.turns.append(len(batches))
        if self.fail:
            raise ZeroDivisionError


async def test_a_batch_after_a_pause_is_worked_on_at_once():
    work = Work()
    gate = Gate(work, LoopClock(), SilentLog(), tick=60.0, limit=10**6)
    gate(batch())
    await asyncio.sleep(0.01)
    assert work.turns == [1]


async def test_batches_within_a_tick_share_a_turn():
    work = Work()
    gate = Gate(work, LoopClock(), SilentLog(), tick=0.2, limit=10**6)
    gate(batch())
    await asyncio.sleep(0.01)
    for _ in range(5):
        gate(batch())
    await asyncio.sleep(0.4)
    assert work.turns == [1, 5]
    assert gate.turns == 2


async def test_beyond_the_limit_the_oldest_goes_and_is_counted():
    work = Work()
    gate = Gate(work, LoopClock(), SilentLog(), tick=60.0, limit=1000)
    for _ in range(5):
        gate(batch())
    gate.turn()
    assert work.turns == [2]
    assert gate.counters["readings_dropped_total"] == 6


async def test_a_turn_that_fails_is_counted_and_the_next_goes_on():
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
