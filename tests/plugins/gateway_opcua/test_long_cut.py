"""No gap: two hours without the server are filled in whole from its history."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from gateway.sdk import Kind
from tests.plugins.gateway_opcua.deeds import FIRST
from tests.plugins.gateway_opcua.peers import free_port, relaying, start_asyncua
from tests.plugins.gateway_opcua.watched import TAGS, until, watched

HOURS = 2 * 3600  # s, a value a second


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", ["read", "subscribe"])
async def test_a_cut_of_two_hours_leaves_no_hole(tmp_path: Path, mode: str) -> None:
    """By the server's clock: its last value before the cut is two hours old; what came since lies in its history."""
    with start_asyncua(free_port()) as process:
        await asyncio.to_thread(process.tell, f"age {HOURS} {TAGS}")
        async with (
            relaying(process.port) as relay,
            watched(tmp_path, relay.port, mode=mode, every="500ms", history_rate=50_000) as run,
        ):
            await until(lambda: {value for row in range(TAGS) for _, value in run.series(row, Kind.DATA)} == {FIRST})
            await relay.stop()
            await until(lambda: bool(run.runner.lost))
            await asyncio.to_thread(process.tell, f"fill {HOURS} {TAGS}")
            await relay.start()
            await until(lambda: run.filled == 1, 60)
            await until(lambda: all(run.series(row, Kind.DATA)[-1][1] == FIRST + HOURS for row in range(TAGS)))
        for row in range(TAGS):
            past = run.series(row, Kind.HISTORY)
            steps = np.diff([time for time, _ in past])
            assert np.count_nonzero(steps <= 0) <= 1  # what a subscription still had comes before the archive
            assert {value for _, value in past} | {FIRST, FIRST + HOURS} == set(np.arange(HOURS + 1) + FIRST)
