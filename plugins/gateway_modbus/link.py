"""One TCP connection to Modbus units: one request in flight, a callback per answer, one timer, one future per scan.

Requests are encoded once and only the transaction id changes. A reply to a request that was given up is known by its
id, counted and dropped: it never becomes the value of another register. A stream that is no Modbus is cut off.
"""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, cast

from gateway.sdk import DisconnectedError
from gateway_modbus.faults import GOOD, SHORT, SILENT, TIMEOUT
from gateway_modbus.frames import DATA, EXCEPTION_CODE, GarbageError, Request, Verdict, cut, judge

REMEMBERED: Final = 64  # requests given up whose late answers are still known as such
OUT_OF_TURN: Final = 256  # frames nobody asked for, between two answers, that end the connection
DEAD_PEER_MS: Final = 10_000  # unacknowledged bytes end the connection: RFC 5482, tcp(7)
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))


class Link(asyncio.Protocol):
    """Reads requests one after the other. Made by `create_connection`; a link that is lost is never used again."""

    def __init__(self, counters: Counter[str], transaction: int = 0) -> None:
        self.transaction = transaction
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()  # why, once it is lost
        self._loop = self.closed.get_loop()
        self._transport: asyncio.Transport
        self._counters = counters
        self._stream = b""
        self._given_up: deque[bytes] = deque(maxlen=REMEMBERED)
        self._out_of_turn = 0
        self._sent = b""  # the request in flight
        self._requests: Sequence[Request] = ()
        self._outcomes: list[int] = []
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wake = 0.0  # when the timer matters: the deadline of the request in flight, or the end of a pause
        self._quiet_since = 0.0

    async def read(self, requests: Sequence[Request]) -> list[int]:
        """Ask `requests` in turn; good payloads go where they belong.

        Returns:
            The outcomes (`faults`) of the first ones: a silence ends the scan, and what stands behind is not asked.

        Raises:
            DisconnectedError: the connection is lost.
        """
        if not self.closed.done() and requests:
            self._requests, self._outcomes = requests, []
            self._done = self._loop.create_future()
            self._next()
            try:
                await self._done
            finally:
                self._done = None
                self._give_up()
        if self.closed.done():
            raise DisconnectedError(self.closed.result())
        return self._outcomes

    async def close(self) -> None:
        """Close, politely first: many devices keep a slot for a connection that was not closed by FIN."""
        self._transport.close()
        done, _ = await asyncio.wait((self.closed,), timeout=1.0)
        if not done:
            self._transport.abort()
            await self.closed

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and let the kernel watch over it."""
        self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (*_KEEPALIVE, (socket.TCP_USER_TIMEOUT, DEAD_PEER_MS), (socket.TCP_NODELAY, 1)):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        """Cut what came into frames and judge each."""
        try:
            frames, self._stream = cut(self._stream + data if self._stream else data)
        except GarbageError as error:
            self._counters["garbage_total"] += 1
            self._lost(str(error))
            return
        for frame in frames:
            self._answer(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told."""
        self._lost(str(exc) if exc else "the connection was closed")

    # --- one request ----------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Send the next request, after its pause."""
        free_at = self._quiet_since + self._requests[len(self._outcomes)].delay
        if free_at > self._loop.time():
            self._wake_at(free_at)
        else:
            self._send()

    def _send(self) -> None:
        request = self._requests[len(self._outcomes)]
        self.transaction = (self.transaction + 1) & 0xFFFF
        # a new object each time: the transport may still hold the former one
        self._sent = self.transaction.to_bytes(2, "big") + request.tail
        self._transport.write(self._sent)
        self._counters["requests_total"] += 1
        self._wake_at(self._loop.time() + request.timeout)

    def _answer(self, frame: bytes) -> None:
        request = self._requests[len(self._outcomes)] if self._sent else None
        verdict = judge(frame, self._sent, request.size if request else 0, self._given_up)
        if request is None or verdict in (Verdict.LATE, Verdict.ALIEN):
            self._drop(verdict)
        elif verdict is Verdict.GOOD:
            request.store(frame[DATA:])
            self._finish(GOOD)
        elif verdict is Verdict.EXCEPTION:
            self._counters["exceptions_total"] += 1
            self._finish(frame[EXCEPTION_CODE] or SHORT)  # 0 is no exception code
        else:
            self._counters["answers_short_total"] += 1
            self._finish(SHORT)

    def _drop(self, verdict: Verdict) -> None:
        self._counters["answers_late_total" if verdict is Verdict.LATE else "answers_alien_total"] += 1
        self._out_of_turn += 1
        if self._out_of_turn > OUT_OF_TURN:
            self._lost(f"more than {OUT_OF_TURN} answers to nothing that was asked")

    def _finish(self, outcome: int) -> None:
        """The request in flight is over; ask the next one, or wake who waits."""
        self._sent = b""
        self._quiet_since = self._loop.time()
        self._out_of_turn = 0
        self._outcomes.append(outcome)
        if outcome not in SILENT and len(self._outcomes) < len(self._requests):
            self._next()
        elif self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _give_up(self) -> None:
        """Nobody waits for the request in flight any more; its answer may still come."""
        if self._sent:
            self._given_up.append(self._sent[:2])
            self._sent = b""
        self._requests = ()

    # --- the one timer --------------------------------------------------------------------------------------------

    def _wake_at(self, instant: float) -> None:
        """Have `_woken` called at `instant`. A timer that is due earlier is left alone: it will look again."""
        self._wake = instant
        if self._timer is not None and self._timer.when() > instant:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(instant, self._woken)

    def _woken(self) -> None:
        self._timer = None
        if not self._requests or self.closed.done():
            return
        if self._loop.time() < self._wake:
            self._wake_at(self._wake)
        elif self._sent:
            self._counters["timeouts_total"] += 1
            self._given_up.append(self._sent[:2])
            self._finish(TIMEOUT)
        else:
            self._send()

    def _lost(self, why: str) -> None:
        if not self.closed.done():
            self.closed.set_result(why)
            self._transport.abort()
        self._give_up()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._done is not None and not self._done.done():
            self._done.set_result(None)
