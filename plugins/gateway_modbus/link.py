"""One connection to Modbus units: one request in flight, a callback per answer, jobs in the order in which they came.

Requests are encoded once; in Modbus TCP only the transaction id changes. A reply to a request that was given up is
known, counted and dropped: it never becomes the value of another register. By its transaction id, or see `owed`.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from gateway.sdk import DisconnectedError
from gateway_modbus.alarm import NEVER, Alarm
from gateway_modbus.faults import GOOD, SHORT, SILENT, TIMEOUT
from gateway_modbus.frames import DATA, EXCEPTION_CODE, UNIT, GarbageError, Request, Verdict, cut, judge
from gateway_modbus.manners import Manners, Wire
from gateway_modbus.owed import Owed

REMEMBERED: Final = 64  # requests given up whose late answers are still known as such
OUT_OF_TURN: Final = 256  # frames nobody asked for, between two answers, that end the connection
AT_ONCE: Final = 2048  # bytes that framings without transaction ids look at in one piece; no honest line brings more
FULL_TURN: Final = 0x10000  # transaction ids

_OUT_OF_TURN: Final = frozenset({Verdict.LATE, Verdict.ALIEN})
_NOT_THIS: Final = _OUT_OF_TURN | {Verdict.SHORT}
COUNTERS: Final = MappingProxyType(
    {
        Verdict.LATE: "answers_late_total",
        Verdict.ALIEN: "answers_alien_total",
        Verdict.SHORT: "answers_short_total",
    }
)

Done = Callable[[list[int] | None], None]


class Link(asyncio.Protocol):
    """Reads requests one after the other. Made for one connection; a link that is lost is never used again."""

    def __init__(self, counters: Counter[str], transaction: int = 0, manners: Manners | None = None) -> None:
        self.transaction = transaction
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()  # why, once it is lost
        self._manners = manners or Manners()
        self._framing = self._manners.framing
        self._patient = not self._framing.tells
        # without a transaction id, a wrong amount of data may be another request's: it answers nothing
        self._dropped = _OUT_OF_TURN if self._framing.tells else _NOT_THIS
        self._wire: Wire
        self._counters = counters
        self._stream = b""
        self._given_up: deque[bytes] = deque(maxlen=REMEMBERED)  # transaction ids
        self._owed = Owed()  # where there are none
        self._probing = False  # what is in flight is a probe, ahead of the request
        self._out_of_turn = 0
        self._waker = Alarm.of_loop().waker(self._woken)
        self._quiet_since = 0.0
        self._jobs: deque[tuple[Sequence[Request], Done]] = deque()  # those that wait for their turn
        self._done: Done | None = None  # who is told of the job under way; None where there is none
        self._requests: Sequence[Request] = ()
        self._outcomes: list[int] = []
        self._request: Request | None = None  # the one in flight
        self._sent = b""  # in Modbus TCP's form; empty where nothing is in flight
        self._good = b""  # how a good answer begins

    def begin(self, requests: Sequence[Request], done: Done) -> None:
        """Ask `requests` in turn, when all that came before is over; good payloads go where they belong.

        Args:
            requests: one or more; nothing of anybody else comes between them.
            done: called with the outcomes (`faults`) of the first ones: a silence ends the job, and what stands behind
                is not asked. Called with None when the connection is lost.
        """
        if self.closed.done():
            done(None)
        elif self._done is not None:
            self._jobs.append((requests, done))
        else:
            self._requests, self._done, self._outcomes = requests, done, []
            request = requests[0]
            if self._patient or request.delay:
                self._wait(request)
            else:
                self._send(request)

    async def read(self, requests: Sequence[Request]) -> list[int]:
        """As `begin`; returns the outcomes. Raises DisconnectedError when the connection is lost."""
        if not requests:
            return []
        waiter: asyncio.Future[list[int] | None] = asyncio.get_running_loop().create_future()

        def done(outcomes: list[int] | None) -> None:
            if not waiter.done():
                waiter.set_result(outcomes)

        self.begin(requests, done)
        try:
            outcomes = await waiter
        finally:
            self._withdraw(done)
        if outcomes is None:
            raise DisconnectedError(self.closed.result())
        return outcomes

    async def close(self) -> None:
        """Close, politely first: many devices keep a slot for a connection that was not closed by FIN."""
        self._wire.close()
        done, _ = await asyncio.wait((self.closed,), timeout=1.0)
        if not done:
            self._wire.abort()
            self.lost("the connection was closed")

    # --- what the wire tells --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport | Wire) -> None:
        """Take the wire."""
        self._wire = transport  # type: ignore[assignment] # asyncio gives its base type, and a transport that writes

    def data_received(self, data: bytes) -> None:
        """Take what came: nearly always one whole good answer."""
        request = self._request
        if request is None or data[:DATA] != self._good or len(data) != request.length or self._stream:
            self._receive(data)
            return
        request.store(data[DATA:])
        if request.delay:
            self._quiet_since = time.monotonic()
        if self._probing or len(self._requests) > 1:
            self._finish(GOOD)
        else:  # the whole job
            self._request, self._sent, self._out_of_turn = None, b"", 0
            self._over([GOOD])

    def datagram_received(self, data: bytes) -> None:
        """Take one datagram. What is no Modbus is dropped: anybody may send one, and the next may be the answer."""
        self._stream = b""
        try:
            cut(data)
        except GarbageError:
            self._counters["garbage_total"] += 1
        else:
            self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits is told."""
        self.lost(str(exc) if exc else "the connection was closed")

    def lost(self, why: str) -> None:
        """The connection is no more."""
        if self.closed.done():
            return
        self.closed.set_result(why)
        self._wire.abort()
        self._waker.retire()
        self._request, self._sent = None, b""
        jobs, self._jobs = [(self._requests, self._done), *self._jobs], deque()
        self._done = None
        for _, done in jobs:
            if done is not None:
                done(None)

    def _receive(self, data: bytes) -> None:
        self._quiet_since = time.monotonic()
        stream = self._stream + data
        if not self._framing.tells and len(stream) > AT_ONCE:
            self._counters["garbage_total"] += 1
            stream = stream[-AT_ONCE:]
        try:
            frames, self._stream, dropped = self._framing.cut(stream, self._sent)
        except GarbageError as error:
            self._counters["garbage_total"] += 1
            self.lost(str(error))
            return
        self._counters["garbage_total"] += dropped > 0
        asked = self._sent
        for frame in frames:
            if self._sent is asked:
                self._answer(frame)
            else:  # it came before the request that is in flight now, so it does not answer that
                self._drop(judge(frame, b"", 0, self._given_up), frame)

    def _answer(self, frame: bytes) -> None:
        request = self._request
        verdict = judge(frame, self._sent, request.size if request else 0, self._given_up)
        if request is None or verdict in self._dropped:
            self._drop(verdict, frame)
        elif verdict is Verdict.GOOD:
            request.store(frame[request.begins :])
            self._finish(GOOD)
        elif verdict is Verdict.EXCEPTION:
            self._counters["exceptions_total"] += 1
            self._finish(frame[EXCEPTION_CODE] or SHORT)  # 0 is no exception code
        else:
            self._counters["answers_short_total"] += 1
            self._finish(SHORT)

    def _drop(self, verdict: Verdict, frame: bytes) -> None:
        owed = self._count(verdict, frame)
        self._out_of_turn += 1
        if self._out_of_turn > OUT_OF_TURN:
            self.lost(f"more than {OUT_OF_TURN} answers to nothing that was asked")
        elif owed and self._done is not None and not self._sent:
            self._next()  # it may be what the next request waits for

    def _count(self, verdict: Verdict, frame: bytes) -> bool:
        """Count an answer that is dropped. Whether it was owed."""
        owed = bool(self._owed) and self._owed.paid(frame)
        self._counters[COUNTERS[Verdict.LATE if owed else verdict]] += 1
        return owed

    # --- one job --------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        """Send the next request."""
        self._wait(self._requests[len(self._outcomes)])

    def _wait(self, request: Request) -> None:
        """Send `request`, after its pause."""
        free_at = self._quiet_since + max(request.delay, self._manners.silence)
        if self._owed:
            free_at = max(free_at, self._owed.until(request.tail[4]))
        if free_at > time.monotonic():
            self._waker.at(free_at)
        elif self._patient:
            self._send_unnumbered(request)
        else:
            self._send(request)

    def _send(self, request: Request) -> None:
        self.transaction = (self.transaction + 1) % FULL_TURN
        number = self.transaction.to_bytes(2, "big")
        self._sent, self._good = number + request.tail, number + request.head
        self._request = request
        self._counters["requests_total"] += 1
        self._wire.write(self._sent)
        waker, deadline = self._waker, time.monotonic() + request.timeout
        if deadline < waker.armed:
            waker.at(deadline)
        else:
            waker.when = deadline

    def _send_unnumbered(self, request: Request) -> None:
        stale, self._stream = self._stream + self._wire.drain(), b""
        for frame in self._framing.cut(stale[-AT_ONCE:], b"")[0]:
            self._count(Verdict.ALIEN, frame)
        probe = self._owed.probe(request)
        self._request, self._probing = probe or request, probe is not None
        self._sent = b"\0\0" + self._request.tail
        wired = self._framing.wrap(self._sent)
        self._counters["requests_total"] += 1
        self._wire.write(wired)
        transfer = (len(wired) + self._request.length) * self._manners.byte_time
        self._waker.at(time.monotonic() + request.timeout + transfer)

    def _finish(self, outcome: int) -> None:
        """The request in flight is over; ask the next one, or tell whoever asked."""
        sent, self._request, self._sent, self._out_of_turn = self._sent, None, b"", 0
        if self._probing:  # it was answered, else it would have been given up
            self._probing = False
            self._owed.clear(sent[UNIT])
            self._next()
            return
        outcomes = self._outcomes
        outcomes.append(outcome)
        if len(outcomes) < len(self._requests) and outcome not in SILENT:
            self._next()
        else:
            self._over(outcomes)

    def _over(self, outcomes: list[int]) -> None:
        done, self._done, self._waker.when = self._done, None, NEVER
        if self._jobs:
            self.begin(*self._jobs.popleft())
        if done is not None:
            done(outcomes)

    def _withdraw(self, done: Done) -> None:
        """Nobody waits for the job of `done` any more; the answer to its request in flight may still come."""
        self._jobs = deque(job for job in self._jobs if job[1] is not done)
        if self._done is done:
            self._give_up()
            self._over([])

    def _give_up(self) -> None:
        if self._request is not None and self._framing.tells:
            self._given_up.append(self._sent[:2])
        elif self._request is not None:
            self._owed.note(self._request, time.monotonic() + self._manners.patience * self._request.timeout)
        self._request, self._sent, self._probing = None, b"", False

    def _woken(self) -> None:
        if self._request is not None:
            self._counters["timeouts_total"] += 1
            self._quiet_since = time.monotonic()
            self._give_up()
            self._finish(TIMEOUT)
        elif self._done is not None:
            self._next()
