"""What the gateway has begun it ends, whoever waits for it."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from gateway.console.host import Loop
from gateway.console.rights import Refused
from tests.console.plant import soon


@pytest.fixture
def other() -> Iterator[asyncio.AbstractEventLoop]:
    """The gateway's loop, on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Work:
    """Takes as long as it is let, and says how it ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.go = loop, asyncio.Event()
        self.begun, self.ended, self.how = threading.Event(), threading.Event(), ""

    async def __call__(self) -> str:
        self.begun.set()
        try:
            await self.go.wait()
            self.how = "done"
        except asyncio.CancelledError:
            self.how = "cut short"
            raise
        finally:
            self.ended.set()
        return self.how

    async def end(self) -> str:
        self.loop.call_soon_threadsafe(self.go.set)
        assert await asyncio.to_thread(self.ended.wait, 5.0)
        return self.how


async def test_what_takes_too_long_goes_on_and_the_answer_says_so(other: asyncio.AbstractEventLoop) -> None:
    work = Work(other)
    with pytest.raises(Refused, match="goes on with it") as error:
        await Loop(other).do(work, 0.05)
    assert error.value.reason == "busy"
    assert not work.ended.wait(0.1)
    assert await work.end() == "done"


async def test_the_end_of_who_waits_is_not_the_end_of_the_work(other: asyncio.AbstractEventLoop) -> None:
    loop, work = Loop(other), Work(other)
    waiting = asyncio.create_task(loop.do(work))
    assert await asyncio.to_thread(work.begun.wait, 5.0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert len(loop._under_way) == 1, "somebody holds it"
    assert not work.ended.wait(0.1)
    assert await work.end() == "done"
    await soon(lambda: not loop._under_way, "it is let go")


async def test_what_it_gives_or_raises_is_the_answer(other: asyncio.AbstractEventLoop) -> None:
    async def wrong() -> str:
        raise ValueError("wrong")

    async def right() -> str:
        return "right"

    assert await Loop(other).do(right) == "right"
    with pytest.raises(ValueError, match="wrong"):
        await Loop(other).do(wrong)
