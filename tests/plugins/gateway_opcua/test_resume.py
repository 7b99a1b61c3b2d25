"""A connection that breaks off: the session and its subscriptions are taken up, and what the server kept is fetched."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.sdk import Kind
from gateway.sdk.quality import GOOD
from gateway_opcua.session import Session
from tests.plugins.gateway_opcua.peers import (
    Relay,
    free_port,
    start_asyncua,
)
from tests.plugins.gateway_opcua.watched import TAGS, Watched, until, watched


def newest(run: Watched) -> int:
    return int(run.series(0, Kind.DATA)[-1][1])


def told(run: Watched) -> list[str]:
    """Of losses and returns, after the first loss."""
    events = [line for _, line, _ in run.log.lines if line in ("device lost", "device back")]
    return events[1:] if events[:1] == ["device lost"] else events


def missing(run: Watched, since: int) -> set[int]:
    """Ticks from this one on that are not there, of any tag. (A busy server may miss one of its own by sampling.)"""
    found = set()
    for row in range(TAGS):
        numbers = {int(value) for _, value in run.series(row, Kind.DATA, Kind.HISTORY)}
        found |= set(range(since, max(numbers))) - numbers
    return found


@pytest.mark.parametrize("security", ["none", "sign_and_encrypt"])
async def test_what_the_server_queued_during_a_cut_arrives_without_a_new_session(
    way: tuple[Relay, str], tmp_path: Path, security: str
) -> None:
    relay, prefix = way
    options: dict[str, Any] = {
        "mode": "subscribe",
        "every": "50ms",
        "queue": 100,
        "history": "0s",
        "security": security,
    }
    async with watched(tmp_path, relay.port, prefix, **options) as run:
        counters = run.runner.adapter.counters
        await until(lambda: len(run.came) > 20)
        since = newest(run)
        for cut in (1, 2):
            await relay.stop()
            await asyncio.sleep(1.5)
            await relay.start()
            await until(lambda cut=cut: counters["subscriptions_taken_up_total"] == cut)  # type: ignore[misc]
            seen = len(run.came)
            await until(lambda seen=seen: len(run.came) > seen + 30)  # type: ignore[misc]
        assert missing(run, since) == set()
        assert counters["sessions_total"] == 1
        assert counters["sessions_resumed_total"] == 2
        last = np.concatenate([batch.status for _, batch in run.came[-5:]])
        assert (last == GOOD).all()
        for row in range(TAGS):
            live = run.series(row, Kind.DATA)
            assert live == sorted(live)


async def test_an_unchanged_tag_is_good_again_after_a_cut(way: tuple[Relay, str], tmp_path: Path) -> None:
    relay, prefix = way
    tags = {"still": {"node": f"{prefix}Double"}} if prefix else ["N15"]
    async with watched(tmp_path, relay.port, prefix, tags=tags, mode="subscribe", every="100ms") as run:
        await until(lambda: any(batch.kind is Kind.CONFIRM for _, batch in run.came))
        await relay.stop()
        await until(lambda: run.came[-1][1].kind is Kind.LOST)
        await relay.start()
        seen = len(run.came)
        await until(lambda: any(batch.kind is Kind.DATA for _, batch in run.came[seen:]))
        [again] = [batch for _, batch in run.came[seen:] if batch.kind is Kind.DATA]
        assert again.status.tolist() == [GOOD]
        assert run.runner.adapter.counters["sessions_resumed_total"] == 1


async def test_a_session_that_is_gone_leaves_its_subscriptions_to_the_next(
    way: tuple[Relay, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: Session) -> bool:
        self._forget()
        return False

    monkeypatch.setattr(Session, "_resume", refused)
    relay, prefix = way
    options: dict[str, Any] = {"mode": "subscribe", "every": "50ms", "queue": 100, "history": "0s"}
    async with watched(tmp_path, relay.port, prefix, security="sign_and_encrypt", **options) as run:
        await until(lambda: len(run.came) > 20)
        since = newest(run)
        await relay.stop()
        await asyncio.sleep(1)
        await relay.start()
        counters = run.runner.adapter.counters
        await until(lambda: counters["sessions_total"] == 2)
        seen = len(run.came)
        await until(lambda: len(run.came) > seen + 30)
        assert counters["subscriptions_taken_up_total"] == 1
        if prefix:  # asyncua's server takes the transfer and then publishes nothing: the silence is noticed
            assert missing(run, since) == set()
        else:
            await until(lambda: counters["sessions_total"] == 3)


async def test_the_backup_is_tried_where_a_server_does_not_answer(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    with start_asyncua(second):
        backup = f"opc.tcp://127.0.0.1:{second}"
        async with watched(tmp_path, first, tags=["N1"], every="100ms", backup=backup) as run:
            await until(lambda: bool(run.series(0, Kind.DATA)))
    assert run.runner.adapter.counters["servers_changed_total"] == 1


async def test_of_a_list_of_servers_each_has_its_turn(tmp_path: Path) -> None:
    first, second, third = free_port(), free_port(), free_port()
    with start_asyncua(third):
        backup = [f"opc.tcp://127.0.0.1:{second}", f"opc.tcp://127.0.0.1:{third}"]
        async with watched(tmp_path, first, tags=["N1"], every="100ms", backup=backup) as run:
            await until(lambda: bool(run.series(0, Kind.DATA)))
    assert run.runner.adapter.counters["servers_changed_total"] == 2


async def test_the_first_server_is_gone_back_to_when_it_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it says that it is not, the backup stays."""
    monkeypatch.setattr("gateway_opcua.homeward._LOOK", 1.0)
    first, second = free_port(), free_port()
    with start_asyncua(second):
        backup = f"opc.tcp://127.0.0.1:{second}"
        async with watched(tmp_path, first, tags=["N1"], every="100ms", backup=backup) as run:
            await until(lambda: bool(run.series(0, Kind.DATA)))
            with start_asyncua(first) as process:
                await asyncio.to_thread(process.tell, "level 199")
                await asyncio.sleep(5)
                assert told(run) == ["device back"]
                await asyncio.to_thread(process.tell, "level 200")
                await until(lambda: told(run) == ["device back", "device lost", "device back"])
                assert await asyncio.to_thread(process.count) == (1, 0)
                await asyncio.sleep(1)
                assert len(told(run)) == 3


async def test_the_first_server_is_tried_again_when_the_backup_is_gone(tmp_path: Path) -> None:
    first, second = free_port(), free_port()
    backup = f"opc.tcp://127.0.0.1:{second}"
    async with watched(tmp_path, first, tags=["N1"], mode="subscribe", every="100ms", backup=backup) as run:
        for port in (first, second, first):
            with start_asyncua(port):
                seen = len(run.came)
                await until(lambda seen=seen: any(b.kind is Kind.DATA for _, b in run.came[seen:]))  # type: ignore[misc]
            await until(lambda: bool(run.runner.lost))
