"""Where scans become batches: all that were answered in one turn of the event loop, one layout at a time.

A single device costs what it must; five hundred of one profile are decoded in one pass over one array.
"""

import asyncio
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
    """Whose batches they are."""

    __slots__ = ()

    def deliver(self, batch: Batch) -> None:
        """Take a batch of one of its scans."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """What was to be delivered failed."""
        raise NotImplementedError


class Outlet:
    """Gathers the scans of all connections of one event loop until the end of its turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[Decoder, list[tuple[Scan, Receiver]]] = {}

    @classmethod
    def of_loop(cls) -> "Outlet":
        """The one of the running loop."""
        loop = asyncio.get_running_loop()
        outlet = _OUTLETS.get(loop)
        if outlet is None:
            outlet = _OUTLETS[loop] = cls(loop)
        return outlet

    def add(self, scan: Scan, receiver: Receiver) -> None:
        """Deliver `scan` as it stands now, at the end of this turn."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.setdefault(scan.decoder, []).append((scan, receiver))

    def flush(self) -> None:
        """Deliver what is waiting."""
        waiting, self._waiting = self._waiting, {}
        for members in waiting.values():
            with Forward(partial(_fail, members)):
                made = batches([scan for scan, _ in members])
                for (_, receiver), batch in zip(members, made, strict=True):
                    receiver.deliver(batch)


def _fail(members: Sequence[tuple[Scan, Receiver]], error: BaseException) -> None:
    for _, receiver in members:
        receiver.fail(error)
