"""The line before one device: writes that wait for it, in the order in which they came, and bounded."""

import asyncio
from collections import deque

from gateway.operators.plant import Order
from gateway.stages.writing import Reason, WriteError


class Line:
    """Writes that wait for `device`; at most `most`."""

    def __init__(self, device: str, most: int) -> None:
        self._device, self._most = device, most
        self._orders: deque[Order] = deque()
        self._bell = asyncio.Event()

    def put(self, order: Order) -> None:
        """Stand at the end. Raises WriteError (BUSY) where there is no room."""
        if len(self._orders) >= self._most:
            text = f"{self._most} writes wait for {self._device} (writes.queue); ask again later"
            raise WriteError(Reason.BUSY, text)
        self._orders.append(order)
        self._bell.set()

    async def next(self) -> Order:
        """The first, when there is one."""
        while not self._orders:
            self._bell.clear()
            await self._bell.wait()
        return self._orders.popleft()

    def leave(self) -> list[Order]:
        """All that wait; nobody does then."""
        orders = list(self._orders)
        self._orders.clear()
        return orders
