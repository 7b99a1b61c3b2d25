"""A line that is opened for each job and closed behind it: for devices that have one connection, and others need it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.sdk import DisconnectedError
from gateway_modbus.frames import Request
from gateway_modbus.link import Done, Link


class Visits:
    """Stands for a link; nothing is open between two jobs."""

    def __init__(self, enter: Callable[[], Awaitable[Link]]) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()  # why, once a visit failed
        self._enter = enter
        self._door = asyncio.Lock()  # one at a time, in the order in which they came
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, requests: Sequence[Request], done: Done) -> None:
        """As `Link.begin`."""
        task = asyncio.get_running_loop().create_task(self._begin(requests, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def read(self, requests: Sequence[Request]) -> list[int]:
        """As `Link.read`. Raises DisconnectedError."""
        async with self._door:
            link = await self._enter()
            try:
                return await link.read(requests)
            finally:
                await link.close()

    async def close(self) -> None:
        """End the visit that is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self.closed.done():
            self.closed.set_result("the connection was closed")

    async def _begin(self, requests: Sequence[Request], done: Done) -> None:
        try:
            outcomes = await self.read(requests)
        except DisconnectedError as error:
            if not self.closed.done():
                self.closed.set_result(str(error))
            done(None)
        else:
            done(outcomes)
