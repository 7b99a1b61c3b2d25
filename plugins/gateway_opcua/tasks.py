"""Several endless jobs as one."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Never

from gateway.sdk import DisconnectedError


async def together(jobs: Iterable[Coroutine[Any, Any, None]]) -> Never:
    """Run `jobs`, which never end by themselves, until one fails; the others are cancelled and its error is raised.

    A bug is told before a lost connection, which may be its consequence.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as failures:
        raise min(_flat(failures), key=lambda error: isinstance(error, DisconnectedError)) from None
    raise RuntimeError("a job that never ends has ended")


def _flat(failures: ExceptionGroup[Exception]) -> list[Exception]:
    return [
        e for error in failures.exceptions for e in (_flat(error) if isinstance(error, ExceptionGroup) else [error])
    ]
