"""The gateway as the console sees it: what it reads, from its own thread, and how it has something done."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from gateway.changes import Changes
from gateway.console.rights import Refused
from gateway.deliver.outbox import Outbox
from gateway.operators.desk import Desk
from gateway.ops.health import Health
from gateway.running import Running
from gateway.sdk.clock import Clock

_WITHIN: Final = 10.0  # s for the gateway's loop to do what an operator has asked for
_T = TypeVar("_T")


class Host(Protocol):
    """What the console needs of `gateway.app.Gateway`."""

    clock: Clock
    log: Any
    state: Path
    health: Health
    outbox: Outbox
    desk: Desk

    @property
    def running(self) -> Running:
        """What runs of the configuration."""

    changes: Changes | None


def now(host: Host) -> Running:
    """What runs now, whole: while another configuration takes over, what ran before.

    After a reload it is another object: whoever lives longer than a call asks anew.
    """
    running = host.running
    return running.former or running


def changes_of(host: Host) -> Changes:
    """Its changes. Raises Refused (501) where it has none."""
    if host.changes is None:
        raise Refused(
            HTTPStatus.NOT_IMPLEMENTED, "no-reload", "this gateway takes up a configuration by a restart only"
        )
    return host.changes


class Loop:
    """The gateway's own loop: the only place where anything of the gateway is changed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: set[Future[Any]] = set()  # a loop itself holds its tasks weakly

    async def do(self, work: Callable[[], Awaitable[_T]], within: float = _WITHIN) -> _T:
        """Have `work` done there; what it gives or raises. Raises Refused when it is not done in time.

        It is never left half done: whoever waits may go, the work goes on.
        """
        future = asyncio.run_coroutine_threadsafe(_begun(work), self._loop)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        waiting = asyncio.wrap_future(future)
        waiting.add_done_callback(_looked_at)
        done, _ = await asyncio.wait([waiting], timeout=within)  # cancels nothing
        if not done:
            text = (
                f"the gateway has not done it within {within:g} s, and goes on with it; look again whether it is done"
            )
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", text)
        return waiting.result()


def _looked_at(late: asyncio.Future[Any]) -> None:
    """What came too late is nobody's fault."""
    if not late.cancelled():
        late.exception()


async def _begun(work: Callable[[], Awaitable[_T]]) -> _T:
    return await work()
