"""Whoever holds the loop is named; a plugin that does is stopped, the gateway's own code never."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.ops.culprit import CONNECTION, Plugins
from gateway.ops.stall import BlockedError, Hold, StallWatch
from tests.ops.plugged import plugin

BOUND = 0.2
WITHIN = 2.0  # s to be named, as the whole gateway promises it with its bound of 1 s


@pytest.fixture
def villain(tmp_path: Path) -> Iterator[Any]:
    with plugin(tmp_path) as module:
        yield module


class Watch:
    """A watch under way, and what it has said."""

    def __init__(self, *connections: str) -> None:
        self.began: list[tuple[float, Hold]] = []
        self.ended: list[Hold] = []
        plugins = Plugins()
        for connection in connections:
            plugins.know("villain", connection, "villain")
        self.stall = StallWatch(plugins, self._began, self.ended.append, BOUND)

    def _began(self, hold: Hold) -> None:
        self.began.append((time.monotonic(), hold))


@contextlib.asynccontextmanager
async def watching(*connections: str) -> AsyncIterator[Watch]:
    watch = Watch(*connections)
    task = asyncio.create_task(watch.stall.run())
    await asyncio.sleep(2 * BOUND)
    try:
        yield watch
    finally:
        await asyncio.sleep(2 * BOUND)  # the thread sees that the loop goes on
        task.cancel()
        await asyncio.wait([task])


async def test_a_loop_that_runs_is_no_news(villain: Any) -> None:
    async with watching("press") as watch:
        for _ in range(10):
            villain.blocks(BOUND / 10)
            await asyncio.sleep(0.01)
    assert not watch.began


@pytest.mark.parametrize("deed", ["blocks", "spins", "computes"])
async def test_a_plugin_that_holds_the_loop_is_named_and_stopped(villain: Any, deed: str) -> None:
    async with watching("press", "oven") as watch:
        CONNECTION.set("press")
        since = time.monotonic()
        with pytest.raises(BlockedError):
            getattr(villain, deed)(30.0)
        held = time.monotonic() - since
    named, hold = watch.began[0]  # a machine that stands still in between begins it anew
    assert named - since < WITHIN
    assert (hold.connection, hold.adapter) == ("press", "villain")
    assert any("villain.py:" in line and line.endswith(f" {deed}") for line in hold.stack)
    assert held < 2 * WITHIN
    assert watch.ended[0].seconds >= BOUND


async def test_a_task_of_a_plugin_works_for_its_connection(villain: Any) -> None:
    async with watching("press", "oven") as watch:
        CONNECTION.set("oven")
        task = asyncio.create_task(villain.blocks_later(30.0))
        CONNECTION.set("press")
        with pytest.raises(BlockedError):
            await task
    assert watch.began[0][1].connection == "oven"


async def test_without_a_context_a_plugin_with_one_connection_is_known_by_its_code(villain: Any) -> None:
    async with watching("press") as watch:
        with pytest.raises(BlockedError):
            villain.blocks(30.0)
    assert watch.began[0][1].connection == "press"


@pytest.mark.usefixtures("villain")
async def test_code_of_others_is_named_and_left_alone() -> None:
    async with watching("press") as watch:
        CONNECTION.set("press")
        _spins(4 * BOUND)
    [(_, hold)] = watch.began
    assert (hold.connection, hold.adapter) == ("", "")
    assert hold.where.endswith("_spins")


async def test_the_gateway_is_not_interrupted_where_a_plugin_has_called_it(
    villain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a plugin hands over is worked on by our code: an error in the midst of it would be ours."""
    async with watching("press") as watch:
        monkeypatch.setattr("gateway.ops.culprit._OURS", __file__)
        villain.hands_over(_spins, 4 * BOUND)
    assert watch.began[0][1].adapter == ""


def _spins(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def test_a_plugin_that_swallows_the_error_is_named_all_the_same(villain: Any) -> None:
    async with watching("press") as watch:
        villain.swallows(6 * BOUND)
    assert len(watch.began) == 1
    assert watch.ended[0].seconds >= 4 * BOUND


async def test_the_handler_that_was_there_is_there_again() -> None:
    before = signal.getsignal(signal.SIGURG)
    async with watching():
        assert signal.getsignal(signal.SIGURG) != before
    assert signal.getsignal(signal.SIGURG) == before
