"""Waiting for the first of several things, in bounded time."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.sdk import Clock


async def first_of(clock: Clock, *waits: Coroutine[Any, Any, Any], seconds: float) -> None:
    """Until one of `waits` is over, `seconds` at most; the others are cancelled."""
    due = clock.monotonic() + seconds
    tasks = [asyncio.ensure_future(wait) for wait in (*waits, clock.sleep_until(due))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
