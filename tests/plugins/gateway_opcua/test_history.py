"""No gap: what was missed during an outage is read from the history of real servers, beside what is live."""

import asyncio
import os
import time
from pathlib import Path

import numpy as np
import pytest

from gateway.sdk import Gap, Kind
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import (
    Process,
    Relay,
    free_port,
    start_asyncua,
)
from tests.plugins.gateway_opcua.rigs import device, running
from tests.plugins.gateway_opcua.watched import TAGS, Watched, until, watched

FULL = os.environ.get("FIELDGATE_FULL") == "1"  # the figures of the acceptance
CUT = 600.0 if FULL else 60.0  # s


def nothing_missing(run: Watched, since: int = 0) -> int:
    """Every tick of every tag, from `since` on, came once, history in the order of time. How many were history."""
    past = 0
    for row in range(TAGS):
        live, history = run.series(row, Kind.DATA), run.series(row, Kind.HISTORY)
        every = {int(value) for _, value in live} | {int(value) for _, value in history}
        numbers = sorted(number for number in every if number >= since)
        assert set(range(numbers[0], numbers[-1] + 1)) - set(numbers) == set()
        times = np.array([time for time, _ in history])
        assert np.count_nonzero(np.diff(times) < 0) <= 1  # first what the server had queued, then its archive
        assert len({value for _, value in live} & {value for _, value in history}) <= 1  # what holds now, once more
        assert len(history) == len({value for _, value in history})
        past += len(history)
    return past


@pytest.mark.parametrize("mode", ["read", "subscribe"])
async def test_an_outage_leaves_no_gap(way: tuple[Relay, str], tmp_path: Path, mode: str) -> None:
    relay, prefix = way
    begin = prefix or f"nsu={URI};s="
    tags = {f"N{i}": {"node": f"{begin}N{i}", "sample": "0s"} for i in range(TAGS)}  # none is missed by sampling
    async with watched(tmp_path, relay.port, tags=tags, mode=mode, every="50ms", queue=10) as run:
        await until(lambda: len(run.came) > 40)
        since = int(run.series(0, Kind.DATA)[-1][1])  # between first read and subscription one may be missed
        await relay.stop()
        await asyncio.sleep(3)
        await relay.start()
        await until(lambda: run.filled == 1)
        await asyncio.sleep(0.5)  # what was read once may have overtaken what is being published
        assert nothing_missing(run, since) >= 15 * TAGS  # of a subscription, the rest was in the server's queue
        assert run.runner.counters["readings_backfilled_total"] >= 15 * TAGS


async def test_what_was_missed_while_the_gateway_was_off_is_filled_in(way: tuple[Relay, str], tmp_path: Path) -> None:
    relay, prefix = way
    async with watched(tmp_path, relay.port, prefix, every="50ms") as before:
        await until(lambda: len(before.came) > 20 and before.runner._backfill is not None)
        await until(lambda: bool(before.runner._backfill._memories))  # type: ignore[union-attr]
    await asyncio.sleep(1)
    async with watched(tmp_path, relay.port, prefix, every="50ms") as after:
        await until(lambda: after.filled == 1)
        after.came[:0] = before.came
        assert nothing_missing(after) >= 9 * TAGS


async def test_a_second_outage_while_the_first_is_filled_leaves_no_gap(way: tuple[Relay, str], tmp_path: Path) -> None:
    """Slowly, so that it is cut off under way; what was under way may then come twice."""
    relay, prefix = way
    async with watched(tmp_path, relay.port, prefix, every="50ms", history_rate=300) as run:
        await until(lambda: len(run.came) > 20)
        for _ in range(2):
            await relay.stop()
            await asyncio.sleep(2)
            await relay.start()
            await until(lambda: any(batch.kind is Kind.HISTORY for _, batch in run.came))
        await until(lambda: run.filled >= 2)
        for row in range(TAGS):
            numbers = sorted({int(value) for _, value in run.series(row, Kind.DATA, Kind.HISTORY)})
            assert numbers == list(range(numbers[0], numbers[-1] + 1))


async def test_no_history_is_asked_for_where_the_option_says_so(way: tuple[Relay, str], tmp_path: Path) -> None:
    relay, prefix = way
    async with watched(tmp_path, relay.port, prefix, every="50ms", history="0s") as run:
        await until(lambda: len(run.came) > 20)
        await relay.stop()
        await asyncio.sleep(0.5)
        await relay.start()
        seen = len(run.came)
        await until(lambda: len(run.came) > seen + 40)
        assert not [batch for _, batch in run.came if batch.kind is Kind.HISTORY]
        assert not (tmp_path / "history").exists()


async def test_the_public_way_reads_history_too(
    way: tuple[Relay, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.channel.TOUCHED", ("not_there",))
    await test_an_outage_leaves_no_gap(way, tmp_path, "read")


@pytest.mark.parametrize("answer", [100, 10_000])
async def test_many_values_come_in_pieces_however_the_server_goes_on(
    ticking: tuple[Process, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    """node-opcua goes on by continuation points, asyncua cuts an answer short and says nothing."""
    monkeypatch.setattr("gateway_opcua.history._ANSWER", answer)
    monkeypatch.setattr("gateway_opcua.history._FIRST_WIDTH", 10_000_000_000)
    monkeypatch.setattr("gateway_opcua.history._PIECE", 7)
    process, prefix = ticking
    began = time.time_ns()
    await asyncio.sleep(3)
    tags = [f"{prefix}N{i}" for i in range(TAGS)]
    async with running(tmp_path, device(process.port, tags)) as run:
        [memory] = await run.adapter.remembers()
        assert memory.rows.tolist() == list(range(TAGS))
        n = len(memory.rows)
        gap = Gap(0, memory.rows, np.full(n, began), np.full(n, began + 3 * 10**9))
        batches = [batch async for batch in run.adapter.missed(gap)]
    times = np.concatenate([batch.time for batch in batches])
    assert (np.diff(times) >= 0).all()
    assert max(len(batch) for batch in batches) <= 7
    for row in range(TAGS):
        numbers = np.concatenate([batch.value[batch.rows == row] for batch in batches])
        assert numbers.tolist() == list(range(int(numbers[0]), int(numbers[0]) + len(numbers)))
        assert len(numbers) >= 28


async def test_a_window_with_too_much_in_it_is_asked_anew_in_parts(
    ticking: tuple[Process, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.history._MAX_VALUES", 50)
    monkeypatch.setattr("gateway_opcua.history._ANSWER", 30)
    process, prefix = ticking
    began = time.time_ns()
    await asyncio.sleep(2)
    async with running(tmp_path, device(process.port, [f"{prefix}N0", f"{prefix}N1"])) as run:
        gap = Gap(0, np.arange(2, dtype=np.uint32), np.full(2, began), np.full(2, began + 2 * 10**9))
        batches = [batch async for batch in run.adapter.missed(gap)]
    for row in (0, 1):
        numbers = np.concatenate([batch.value[batch.rows == row] for batch in batches])
        assert numbers.tolist() == list(range(int(numbers[0]), int(numbers[0]) + len(numbers)))
        assert len(numbers) >= 18


async def test_a_server_without_history_is_not_asked_for_it(asyncua_server: Process, tmp_path: Path) -> None:
    async with running(tmp_path, device(asyncua_server.port, ["N1", "Ghost"])) as run:
        assert await run.adapter.remembers() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_long_cut_at_ten_tags_a_second_leaves_no_gap_and_live_is_never_late(tmp_path: Path) -> None:
    """Line 8: FIELDGATE_FULL=1 for its ten minutes."""
    with start_asyncua(free_port()) as process:
        process.tell(f"tick 1 {TAGS}")
        relay = Relay(process.port, free_port())
        await relay.start()
        try:
            async with watched(tmp_path, relay.port, every="400ms", history_rate=200) as run:
                await until(lambda: len(run.came) > 3)
                await relay.stop()
                await asyncio.sleep(CUT)
                await relay.start()
                await until(lambda: run.filled == 1, 120)  # the next attempt may be half a minute away
                seen = len(run.came)
                await until(lambda: len(run.came) > seen + 2)
                back = next(at for at, batch in run.came if batch.kind is Kind.HISTORY)
                live = [at for at, batch in run.came if batch.kind is Kind.DATA and at > back - 1]
                assert nothing_missing(run) >= (CUT - 3) * TAGS
                assert max(np.diff(live)) < 1.0
        finally:
            await relay.stop()
