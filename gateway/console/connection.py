"""One connection of a page: bounded in number and in time, for whoever connects and says nothing holds a place.

Many addresses and one address are bounded apart, so that one machine that misbehaves does not shut out all others
(slow requests: OWASP, Denial of Service Cheat Sheet; 408: RFC 9110 §15.5.9).
"""

import asyncio
import socket
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST: Final = 256  # at once; a page takes one for its stream and a few for a moment
OF_ONE: Final = 64  # of one address
HEAD: Final = 10.0  # s for the head of a request, the next on a kept connection as well
BODY: Final = 10.0  # s for its body; then it is answered with 408 (calls.py)
HANDSHAKE: Final = 10.0  # s for that of TLS, which comes before all of it; asyncio's own are 60
_LATE: Final = 2.0  # s more, until whoever has no answer coming is cut off
_WAITED: Final = {h11.IDLE: HEAD, h11.SEND_BODY: BODY + _LATE}


class PromptLoop(asyncio.SelectorEventLoop):
    """A loop on which nobody takes long to agree on TLS; uvicorn has no setting for it."""

    async def create_server(self, *given: Any, **named: Any) -> asyncio.Server:
        """As asyncio's."""
        if named.get("ssl") is not None:
            named["ssl_handshake_timeout"] = HANDSHAKE
        return await super().create_server(*given, **named)


class Places(socket.socket):
    """A socket that listens, with so many places: one too many is closed unread, before TLS.

    Attributes:
        refused: how many were one too many.
    """

    def __init__(self, bound: socket.socket) -> None:
        """Takes the place of `bound`."""
        super().__init__(bound.family, bound.type, bound.proto, fileno=bound.detach())
        self._taken: list[tuple[socket.socket, str]] = []
        self.refused = 0

    @property
    def taken(self) -> int:
        """How many places are taken; from any thread."""
        return sum(one.fileno() != -1 for one, _ in self._taken)

    def accept(self) -> tuple[socket.socket, Any]:
        """The next that connects. Raises ConnectionAbortedError for one too many, as for one that has gone."""
        taken, address = super().accept()
        self._taken = [one for one in self._taken if one[0].fileno() != -1]
        own = sum(host == address[0] for _, host in self._taken)
        if len(self._taken) >= MOST or own >= OF_ONE:
            taken.close()
            self.refused += 1
            raise ConnectionAbortedError
        self._taken.append((taken, address[0]))
        return taken, address


class Connection(H11Protocol):
    """What uvicorn makes of each connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.app_state = {**self.app_state, "cut": self._cut}  # for a stream whose page reads no longer
        self._timer: asyncio.TimerHandle | None = None
        self._awaited: Any = None  # what the timer is for

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected, by TLS where that is spoken: a request must come."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self._stop()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Something has come."""
        super().handle_events()
        self._wait()

    def on_response_complete(self) -> None:
        """An answer is sent; on a kept connection the next request may come."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        """The time for what is awaited runs from when it is awaited first: a byte now and then does not lengthen it."""
        awaited = self.conn.their_state
        if awaited is self._awaited:
            return
        self._stop()
        self._awaited = awaited
        if awaited in _WAITED and not self.transport.is_closing():
            self._timer = self.loop.call_later(_WAITED[awaited], self._cut)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        self.transport.abort()
