"""What was sent with QoS 0, until the broker has answered something that followed it with QoS 1.

A broker takes the bytes of one connection in their order (MQTT 5 §4.6), so the answer to a later message stands for the
earlier ones: so what Sparkplug wants sent with QoS 0 is delivered or accounted for like everything else.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.deliver.ledger import Record

_SOON: Final = 0.1  # s until a mark follows what nothing else has followed


class Trail:
    """Records behind which an answer is awaited.

    Args:
        mark: sends something with QoS 1; given the last sequence that was sent with QoS 0.
    """

    def __init__(self, mark: Callable[[int], None]) -> None:
        self._mark = mark
        self._bare: list[Record] = []  # nothing with QoS 1 has followed yet
        self._before: dict[int, list[Record]] = {}  # by number of the message that followed
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._bare) + sum(map(len, self._before.values()))

    def add(self, record: Record) -> None:
        """`record` was sent with QoS 0."""
        self._bare.append(record)

    def follow(self, number: int) -> None:
        """Message `number` was sent with QoS 1."""
        if self._bare:
            self._before[number], self._bare = self._bare, []

    def answered(self, number: int) -> list[Record]:
        """The broker has come as far as message `number`: what is settled by that."""
        return self._before.pop(number, [])

    def settle(self, most: int) -> None:
        """See that a mark follows: soon, or now if `most` wait; one at a time, each behind the answer to the last."""
        if self._before or not self._bare:
            return
        if len(self._bare) >= most:
            self._now()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self._now)

    def clear(self) -> None:
        """The connection is gone, and with it what will be answered."""
        self._bare, self._before = [], {}
        self._stop()

    def _now(self) -> None:
        self._stop()
        if self._bare:
            self._mark(self._bare[-1].sequence)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
