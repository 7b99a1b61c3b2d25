"""Virtual time, as the benches use it: it passes at once, in order, and waits for threads and sockets."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from bench.virtual import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


def test_an_hour_passes_at_once_and_in_order(loop: VirtualLoop) -> None:
    seen, begun, started = [], loop.now, time.monotonic()

    async def after(seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((seconds, round(loop.now - begun, 6)))

    loop.run_until_complete(_all(after, (3600, 0.7, 60)))
    assert seen == [(0.7, 0.7), (60, 60), (3600, 3600)]
    assert time.monotonic() - started < 600


def test_what_is_due_within_a_grain_is_done_together() -> None:
    loop = VirtualLoop(grain=0.1)
    turns: dict[float, list[float]] = {}

    async def after(seconds: float) -> None:
        await asyncio.sleep(seconds)
        turns.setdefault(loop.now, []).append(seconds)

    loop.run_until_complete(_all(after, (0.01, 0.05, 0.09, 0.19)))
    loop.close()
    assert list(turns.values()) == [[0.01, 0.05, 0.09], [0.19]]


def test_time_stands_while_an_executor_works(loop: VirtualLoop) -> None:
    async def work() -> None:
        begun = loop.now
        await asyncio.to_thread(time.sleep, 0.05)
        assert loop.now == begun

    loop.run_until_complete(_beside(work))


def test_time_stands_while_a_thread_is_busy_and_its_call_is_heard(loop: VirtualLoop) -> None:
    async def work() -> None:
        begun, heard = loop.now, asyncio.Event()
        loop.busy = lambda: not heard.is_set()
        threading.Timer(0.05, loop.call_soon_threadsafe, (heard.set,)).start()
        await heard.wait()
        assert loop.now == begun

    loop.run_until_complete(_beside(work))


def test_what_a_socket_has_is_heard_before_time_passes(loop: VirtualLoop) -> None:
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)

        async def work() -> None:
            begun = loop.now
            here.send(b"x")
            assert await loop.sock_recv(there, 1) == b"x"
            assert loop.now == begun

        loop.run_until_complete(_beside(work))


async def _all(job: Callable[[float], Awaitable[None]], values: tuple[float, ...]) -> None:
    await asyncio.gather(*(job(value) for value in values))


async def _beside(work: Callable[[], Awaitable[None]]) -> None:
    """`work`, while something else would let time pass."""
    other = asyncio.create_task(asyncio.sleep(3600))
    await work()
    other.cancel()
