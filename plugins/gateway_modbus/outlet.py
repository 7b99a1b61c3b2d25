"""Where scans become batches: all that were answered in one turn of the event loop, one layout at a time.

A single device costs what it must; five hundred of one profile are decoded in one pass over one array.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Final, Self
from weakref import WeakKeyDictionary

from gateway.sdk import Batch
from gateway_modbus.decode import Decoder
from gateway_modbus.scan import Scan, batches

_OUTLETS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, "Outlet"]] = WeakKeyDictionary()


class Forward:
    """Hands an error of a callback to whoever waits for it: a callback has no caller that could know what to do."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Callable[[BaseException], None]) -> None:
        self._tell = tell

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if error is not None:
            self._tell(error)
        return error is not None


class Receiver:
    """Who has scans to be delivered."""

    __slots__ = ("scan", "sink")

    scan: Scan  # the one that waits for delivery
    sink: Callable[[Batch], None]  # where its batch goes

    def go_on(self) -> None:
        """All that was to be delivered in this turn is."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """What was to be delivered failed."""
        raise NotImplementedError


class Outlet:
    """Gathers the scans of all connections of one event loop until the end of its turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Receiver] = []

    @classmethod
    def of_loop(cls) -> "Outlet":
        """The one of the running loop."""
        loop = asyncio.get_running_loop()
        outlet = _OUTLETS.get(loop)
        if outlet is None:
            outlet = _OUTLETS[loop] = cls(loop)
        return outlet

    def add(self, receiver: Receiver) -> None:
        """Deliver the scan of `receiver` as it stands, at the end of this turn; then it goes on."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(receiver)

    def flush(self) -> None:
        """Deliver what is waiting."""
        waiting, self._waiting = self._waiting, []
        cohorts: defaultdict[Decoder, list[Receiver]] = defaultdict(list)
        for receiver in waiting:
            cohorts[receiver.scan.decoder].append(receiver)
        for members in cohorts.values():
            with Forward(partial(_fail, members)):
                made = batches([receiver.scan for receiver in members])
                for receiver, batch in zip(members, made, strict=True):
                    receiver.sink(batch)
        # what is due again goes out together: the other sides are woken once, not one by one
        for receiver in waiting:
            receiver.go_on()


def _fail(members: Sequence[Receiver], error: BaseException) -> None:
    for receiver in members:
        receiver.fail(error)
