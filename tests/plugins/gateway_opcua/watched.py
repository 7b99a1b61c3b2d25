"""A whole connection under test: runner, adapter, and what came, each with the instant at which it came."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gateway.ingest.runner import Retry, Runner, Surroundings
from gateway.ops.health import Health
from gateway.sdk import Batch, Kind
from gateway.sdk.quality import UNCERTAIN
from gateway.sdk.testing import SilentLog, connection, host
from gateway_opcua.adapter import OpcuaAdapter
from tests.plugins.gateway_opcua.rigs import device

TAGS = 10
Tags = list[str] | dict[str, dict[str, Any]]


class Log(SilentLog):
    def exception(self, event: str, **fields: Any) -> None:
        self.lines.append(("exception", event, fields))


@dataclass
class Watched:
    """A whole connection: runner, adapter and what came, with the instant at which it came."""

    runner: Runner
    task: asyncio.Task[None]
    log: SilentLog
    came: list[tuple[float, Batch]] = field(default_factory=list)

    def series(self, row: int, *kinds: Kind) -> list[tuple[int, float]]:
        """(source time, value) of one tag, good ones, in the order in which they came; an overflow may be flagged."""
        found: list[tuple[int, float]] = []
        for _, batch in self.came:
            if batch.kind in kinds and len(batch):
                rows = np.arange(1000)[batch.rows] if isinstance(batch.rows, slice) else batch.rows
                at = np.flatnonzero((rows == row) & (batch.status < UNCERTAIN))
                found += zip(batch.time[at].tolist(), batch.value[at].tolist(), strict=True)
        return found

    @property
    def filled(self) -> int:
        return self.runner.counters["gaps_filled_total"]


@contextlib.asynccontextmanager
async def watched(
    home: Path, port: int, prefix: str = "", tags: Tags | None = None, **options: Any
) -> AsyncIterator[Watched]:
    """The ticking tags unless others are named; `prefix` begins their node ids where they are not asyncua's."""
    if tags is None:
        tags = {f"N{i}": {"node": f"{prefix}N{i}"} for i in range(TAGS)} if prefix else [f"N{i}" for i in range(TAGS)]
    line = connection(device(port, tags, **{"timeout": "2s"} | options))
    log = Log()
    surroundings = replace(host(home), log=log)
    clock = surroundings.clock
    around = Surroundings(clock, log, Health(clock), asyncio.Semaphore(5), retry=Retry(first=0.2))
    came: list[tuple[float, Batch]] = []
    runner = Runner(OpcuaAdapter(line, surroundings), lambda b: came.append((time.monotonic(), b)), around)
    run = Watched(runner, asyncio.create_task(runner.run()), log, came)
    try:
        yield run
    finally:
        run.task.cancel()
        await asyncio.wait([run.task])
        await runner.adapter.close()


async def until(condition: Callable[[], bool], within: float = 15.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - the code under test must not know of tests
            await asyncio.sleep(0.02)
