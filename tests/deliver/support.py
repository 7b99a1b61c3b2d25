"""What the tests of delivery share: an outbox stepped by hand, and an oracle of what was accepted."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from gateway.config.schema import OutboxConfig
from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.deliver.recovery import Recovery
from gateway.ops.files import Files
from gateway.sdk.testing import FakeClock
from tests.deliver.brokers import WITHIN

FOLDER = Path("/outbox")
BIG = 2**30


def config(  # noqa: PLR0913, PLR0917 - as many as there are limits
    budget: int = BIG,
    segment: int = 2**16,
    memory: int = 2**20,
    max_age: float = 1e12,
    free: int = 0,
    ballast: int = 0,
    thin: float = 0.0,
) -> OutboxConfig:
    """Limits, small where a test wants them small; the least that a person may write does not bind a test."""
    return OutboxConfig.model_construct(
        budget=budget, segment=segment, memory=memory, max_age=max_age, free=free, ballast=ballast, thin=thin
    )


def opened(files: Files, clock: FakeClock, limits: OutboxConfig | None = None) -> tuple[Outbox, Recovery]:
    """An outbox without a thread: a test calls `step`."""
    outbox = Outbox(files, FOLDER, limits or config(), clock)
    return outbox, outbox.open()


def body(cls: Class, sequence: int) -> bytes:
    """The content that belongs to an id."""
    return f"{cls}/{sequence}/".encode() * (1 + sequence % 20)


def put(outbox: Outbox, cls: Class, rng: random.Random, most: int = 200) -> tuple[str, Class, int, bytes]:
    """Put one record of random content; gives its id and content."""
    sequence = outbox.reserve(cls)
    content = rng.randbytes(rng.randrange(1, most)).hex().encode()
    outbox.put(cls, sequence, f"t/{cls}", content, rng.randrange(50))
    return outbox.epoch, cls, sequence, content


def assert_balanced(outbox: Outbox) -> None:
    """Nothing is unaccounted for, in any class."""
    for cls, stats in outbox.stats().classes.items():
        assert stats.balances, f"{cls}: {stats}"


def drain(outbox: Outbox, limit: int = 1000) -> list[Record]:
    """Take and acknowledge everything; asserts the order within each class."""
    got: list[Record] = []
    last = dict.fromkeys(Class, 0)
    for _ in range(10_000):
        outbox.take(0)  # asks for what is on disk
        outbox.step()
        records = outbox.take(limit)
        for record in records:
            assert record.sequence > last[record.cls]
            last[record.cls] = record.sequence
            assert outbox.ack(record.cls, record.sequence)
        got += records
        if not records and not any(lane.behind for lane in outbox._lanes.values()):
            return got
    raise AssertionError("never empty")


async def until(condition: Callable[[], object], what: str, tell: Callable[[], object], within: float = WITHIN) -> None:
    """Poll in the loop; `tell` says how things stand when it takes too long."""
    try:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what}: {tell()}") from None


@contextlib.asynccontextmanager
async def running(outbox: Outbox, publisher: Publisher) -> AsyncIterator[None]:
    """Both with their threads; in the end all books balance."""
    outbox.start()
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        await publisher.stop()
        done, _ = await asyncio.wait([task], timeout=WITHIN)
        assert done, "run goes on after stop"
        task.result()
        assert await outbox.close(WITHIN)
        assert_balanced(outbox)
