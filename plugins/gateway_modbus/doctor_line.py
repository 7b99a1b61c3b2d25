"""The line that `doctor` looks through: one connection of its own, reads only, every answer with its time."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway_modbus import pdu
from gateway_modbus.endpoint import Endpoint
from gateway_modbus.faults import GOOD, SHORT, SILENT, TIMEOUT
from gateway_modbus.frames import ANY, Request
from gateway_modbus.frames import request as encode
from gateway_modbus.link import Link
from gateway_modbus.manners import Manners
from gateway_modbus.opening import open_link

PATIENCE: Final = 3.0  # s; longer than any device that is alive
MARGIN, LEAST = 4.0, 0.25  # times the slowest answer, and s, after which a request counts as ignored


@dataclass
class Line:
    """A connection to one unit, and how long its answers take."""

    endpoint: Endpoint
    delay: float = 0.0  # s before each request
    times: list[float] = field(default_factory=list)  # s of every answer
    _quiet_since: float = 0.0
    _link: Link | None = None

    async def open(self) -> None:
        """Connect. Raises DisconnectedError."""

        def make(manners: Manners) -> Link:
            return Link(Counter(), 0, manners)

        self._link = await open_link(self.endpoint, make, PATIENCE)

    async def close(self) -> None:
        """Hang up; safe twice."""
        link, self._link = self._link, None
        if link is not None and not link.closed.done():
            await link.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._link is not None and not self._link.closed.done()

    @property
    def patience(self) -> float:
        """Seconds after which a request counts as ignored, by what has been seen of this device."""
        return min(PATIENCE, max(LEAST, MARGIN * max(self.times))) if self.times else PATIENCE

    async def ask(self, request: bytes, unit: int | None = None) -> tuple[int, bytes]:
        """Send one PDU that reads. The outcome (`faults`), and of a good one what stands behind its function code.

        Raises:
            DisconnectedError: the connection is lost.
        """
        if not self.connected:
            await self.open()
        assert self._link is not None  # noqa: S101 - for the type checker: `open` has set it, or raised
        got: list[bytes] = []
        whom = self.endpoint.unit if unit is None else unit
        await asyncio.sleep(max(0.0, self._quiet_since + self.delay - time.monotonic()))
        begun = time.monotonic()
        (outcome,) = await self._link.read([Request(encode(whom, request), ANY, got.append, self.patience)])
        self._quiet_since = time.monotonic()
        if outcome not in SILENT:
            self.times.append(self._quiet_since - begun)
        return outcome, got[0] if got else b""

    async def read(self, function: int, start: int, count: int) -> tuple[int, bytes]:
        """Read by function 1 to 4. As `ask`, with the data only; another amount of it is SHORT."""
        outcome, payload = await self.ask(pdu.read(function, start, count))
        if outcome != GOOD:
            return outcome, b""
        size = -(-count // 8) if function in _BITS else 2 * count
        whole = len(payload) == 1 + size and payload[0] == size
        return (GOOD, payload[1:]) if whole else (SHORT, b"")


_BITS: Final = frozenset({1, 2})
_WORDS: Final[Mapping[int, str]] = {
    GOOD: "answers", TIMEOUT: "silence", SHORT: "an answer of another length", 1: "exception 1, no such function",
    2: "exception 2, no such address", 3: "exception 3, no such amount", 4: "exception 4, the device failed",
    6: "exception 6, busy", 10: "exception 10, the gateway has no path to the unit",
    11: "exception 11, the gateway gets no answer from the unit",
}  # fmt: skip


def words(outcome: int) -> str:
    """An outcome for people."""
    return _WORDS.get(outcome, f"exception {outcome}")
