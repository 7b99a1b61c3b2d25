"""What servers do over the years, each recovered from by itself and told once."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from asyncua.client.client import Client

from gateway.sdk import Kind, quality
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Relay, free_port, install_node_opcua, start_asyncua, start_node_opcua
from tests.plugins.gateway_opcua.watched import Watched, until, watched

FULL = os.environ.get("FIELDGATE_FULL") == "1"  # the counts of the acceptance
RESTARTS = 200 if FULL else 20
FIVE = [f"N{i}" for i in range(5)]


@pytest.fixture(params=["read", "subscribe"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def told(run: Watched, event: str) -> int:
    return [line for _, line, _ in run.log.lines].count(event)


def good(run: Watched, rows: int, since: int = 0) -> bool:
    """Whether every tag came good, from the `since`th batch on."""
    seen = np.zeros(rows, bool)
    for _, batch in run.came[since:]:
        if batch.kind is Kind.DATA:
            seen[np.arange(rows)[batch.rows][batch.status == 0]] = True
    return bool(seen.all())


async def lost(run: Watched) -> int:
    """Wait for the loss; how many batches there were by then."""
    await until(lambda: bool(run.runner.lost), 30)
    return len(run.came)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.slow
@pytest.mark.timeout(3000)
async def test_a_server_that_is_restarted_again_and_again_is_taken_up_each_time(tmp_path: Path, mode: str) -> None:
    """Line 3: all tags return, few sessions are tried, nothing is left over."""
    port, tasks, descriptors = free_port(), asyncio.all_tasks(), _descriptors()
    async with watched(tmp_path, port, tags=FIVE, mode=mode, every="100ms") as run:
        for _ in range(RESTARTS):
            since = len(run.came)
            with contextlib.ExitStack() as stack:
                await asyncio.to_thread(stack.enter_context, start_asyncua(port, 5))
                await until(lambda since=since: good(run, 5, since), 30)  # type: ignore[misc]
            await lost(run)
        assert RESTARTS <= run.runner.adapter.counters["session_attempts_total"] <= 2 * RESTARTS
        assert told(run, "device lost") == RESTARTS + 1
    await asyncio.sleep(0.1)
    assert asyncio.all_tasks() == tasks
    assert _descriptors() <= descriptors + 1


async def test_namespaces_in_another_order_after_a_restart(tmp_path: Path, mode: str) -> None:
    port = free_port()
    async with watched(tmp_path, port, tags=FIVE, mode=mode, every="100ms") as run:
        for others in (0, 3):
            since = len(run.came)
            with start_asyncua(port, namespaces=others):
                await until(lambda since=since: good(run, 5, since))  # type: ignore[misc]
            await lost(run)
        assert told(run, "the server refuses tags") == 0


@pytest.mark.timeout(300)
async def test_an_address_space_that_grows_late(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line 4: it has neither the namespace nor the nodes when we come, for a minute."""
    if not FULL:
        monkeypatch.setattr("gateway_opcua.reader._LOOK_UP", 0.5)
    port = free_port()
    tags = {"there": {"node": f"nsu={URI};s=N1"}, "late": {"node": "nsu=urn:late;s=Late"}}
    with start_asyncua(port) as process:
        async with watched(tmp_path, port, tags=tags, mode=mode, every="100ms", retry="500ms") as run:
            await until(lambda: bool(run.series(0, Kind.DATA)))
            await asyncio.sleep(60 if FULL else 1.5)
            await asyncio.to_thread(process.tell, "grow Late")
            await until(lambda: bool(run.series(1, Kind.DATA)), 130 if FULL else 15)
            assert told(run, "the server refuses tags") == 1
            assert told(run, "tags answer again") == 1
            assert told(run, "device lost") == 0


@pytest.mark.timeout(300)
async def test_a_server_that_is_stopped_beyond_every_lifetime(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line 4: its session and its subscriptions are gone when it goes on."""
    if not FULL:
        monkeypatch.setattr("gateway_opcua.session._BEAT", 0.5)
        monkeypatch.setattr("gateway_opcua.session._SESSION_TIMEOUT", 3000)
        monkeypatch.setattr("gateway_opcua.subscriptions._LIFETIME", 2.0)
    port = free_port()
    with start_asyncua(port) as process:
        async with watched(tmp_path, port, tags=FIVE, mode=mode, every="100ms", timeout="500ms") as run:
            await until(lambda: good(run, 5))
            process.popen.send_signal(signal.SIGSTOP)
            await lost(run)
            await asyncio.sleep(70 if FULL else 4)
            since = len(run.came)
            process.popen.send_signal(signal.SIGCONT)
            await until(lambda: good(run, 5, since), 60)
            assert told(run, "device lost") == 1
            assert told(run, "device back") == 1


async def test_a_blackhole_is_told_within_the_bound(tmp_path: Path, mode: str) -> None:
    """Line 7: nothing comes any more and nothing is closed. Read: three timeouts; subscribe: the keep-alive twice."""
    port = free_port()
    with start_asyncua(port) as process:
        relay = Relay(process.port, free_port())
        await relay.start()
        try:
            async with watched(tmp_path, relay.port, tags=FIVE, mode=mode, every="100ms", timeout="500ms") as run:
                await until(lambda: good(run, 5))
                relay.hold = True
                began = time.monotonic()
                await lost(run)
                assert time.monotonic() - began < 3 * 0.5 + 1.0
                await asyncio.sleep(1)
                relay.hold = False
                since = len(run.came)
                await until(lambda: good(run, 5, since), 30)
                assert told(run, "device lost") == 1
        finally:
            await relay.stop()


async def test_a_server_whose_sessions_are_all_taken_is_waited_for(tmp_path: Path, mode: str) -> None:
    if reason := install_node_opcua():
        pytest.skip(f"node-opcua: {reason}")
    port = free_port()
    tags = {f"N{i}": {"node": f"ns=1;s=N{i}"} for i in range(5)}
    with start_node_opcua(port, sessions=2):
        others = [Client(f"opc.tcp://127.0.0.1:{port}") for _ in range(2)]
        for other in others:
            await other.connect()
        async with watched(tmp_path, port, tags=tags, mode=mode, every="100ms") as run:
            await until(lambda: told(run, "device lost") == 1)
            [why] = [fields["why"] for _, event, fields in run.log.lines if event == "device lost"]
            assert "no free session" in why
            await asyncio.sleep(4)
            assert run.runner.adapter.counters["session_attempts_total"] <= 3
            await others[0].disconnect()
            await until(lambda: good(run, 5), 30)
            assert told(run, "device lost") == 1
        await others[1].disconnect()


async def test_a_node_that_is_removed_and_comes_back(tmp_path: Path) -> None:
    """Read; that a subscription is told of it by the server, `test_node_opcua` shows."""
    port = free_port()
    with start_asyncua(port) as process:
        async with watched(tmp_path, port, tags=["N1", "N2"], every="100ms") as run:
            await until(lambda: good(run, 2))
            await asyncio.to_thread(process.tell, "delete N2")
            await until(lambda: run.came[-1][1].status.max() >= quality.BAD)
            since = len(run.came)
            await asyncio.to_thread(process.tell, "add N2")
            await until(lambda: good(run, 2, since))
            assert told(run, "the server refuses tags") == 1


async def test_one_bad_node_of_a_thousand_is_named_and_flows_as_soon_as_it_exists(tmp_path: Path, mode: str) -> None:
    """Line 5."""
    port = free_port()
    tags = [f"N{i}" for i in range(500)] + ["Ghost"] + [f"N{i}" for i in range(500, 999)]
    with start_asyncua(port, 999) as process:
        async with watched(tmp_path, port, tags=tags, mode=mode, every="200ms", retry="300ms") as run:
            await until(lambda: told(run, "the server refuses tags") == 1, 30)
            [named] = [fields for _, event, fields in run.log.lines if event == "the server refuses tags"]
            assert (named["tags"], named["reasons"]) == (["heater.Ghost"], ["BadNodeIdUnknown"])
            seen = np.zeros(1000, bool)
            for _, batch in run.came:
                if batch.kind is Kind.DATA:
                    seen[np.arange(1000)[batch.rows][batch.status == 0]] = True
            assert np.flatnonzero(~seen).tolist() == [500]
            await asyncio.to_thread(process.tell, "add Ghost")
            await until(lambda: bool(run.series(500, Kind.DATA)), 30)
            assert told(run, "the server refuses tags") == 1
            assert told(run, "device lost") == 0
