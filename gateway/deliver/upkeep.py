"""What is done for delivery beside the sending: health that is told, and a last moment for what is under way."""

import asyncio

from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.ops.health import Health, State
from gateway.sdk.clock import Clock


def report(health: Health, outbox: Outbox, publisher: Publisher | None) -> None:
    """Note how outbox and broker are doing."""
    stats = outbox.stats()
    health.report(
        "outbox", State.FAILED if stats.failed else State.OK, stats.last_error if stats.failed else "",
        "check the disk: it is full, read-only or broken" if stats.failed else "",
    )  # fmt: skip
    if publisher:
        away = publisher.trouble
        health.report(
            "broker", State.DEGRADED if away else State.OK, away,
            "check the broker and the network; what is to be sent waits on disk" if away else "",
        )  # fmt: skip


async def drain(outbox: Outbox, publisher: Publisher, clock: Clock, within: float) -> None:
    """Give a broker that is there `within` seconds to take what is under way; what stays is on disk."""
    until = clock.monotonic() + within
    while publisher.connected and clock.monotonic() < until:
        if not any(queue.queued.records + queue.waiting.records for queue in outbox.stats().classes.values()):
            return
        await asyncio.sleep(0.02)
