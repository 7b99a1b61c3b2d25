"""From the outbox to the broker, at least once: a message leaves the outbox when the broker has acknowledged it.

The window is ours; on a lost connection everything unacknowledged is sent again, in order, under the same id.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import orjson

from gateway.config.schema import MqttConfig
from gateway.deliver.ear import Ear, Reply, properties
from gateway.deliver.event import SCHEMA, Class, rfc3339
from gateway.deliver.ledger import Record
from gateway.deliver.outbox import Outbox
from gateway.deliver.session import Offer, Session
from gateway.deliver.tls import tls_context
from gateway.deliver.topics import Topics
from gateway.sdk import Clock, DisconnectedError, Log

_BURST: Final = 64  # messages that are sent in one turn of the loop
_FAILURE: Final = 0x80  # reason codes from here on are failures (MQTT 5 §2.4)
_TRIES: Final = 5  # of a message that the broker refuses
_REMEMBERED: Final = 10_000  # messages whose refusals are counted
_FIRST_WAIT: Final = 1.0  # s; doubled at each attempt, then jittered over the whole
_STEADY: Final = 10.0  # s; a connection that lasted so long is no flapping: back-off begins anew
_WATCH: Final = 1.0  # s; how often the oldest unacknowledged message is looked at


class Publisher:
    """Keeps a connection to the broker, and the outbox empty.

    Args:
        outbox: where the messages are; its `on_accepted` becomes ours.
        config: the broker.
        gateway_id: name of the gateway.
        clock: for waiting.
        log: one line when the broker is lost, one when it is back.
        jitter: gives a number in [0, 1).

    Raises:
        ConfigError: the topic or a certificate cannot be used.
    """

    def __init__(
        self,
        outbox: Outbox,
        config: MqttConfig,
        gateway_id: str,
        clock: Clock,
        log: Log,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.topics = Topics(config.topic, gateway_id)
        if config.url.startswith("mqtts:"):
            tls_context(config)
        self._outbox, self._config, self._gateway = outbox, config, gateway_id
        self._clock, self._log, self._jitter = clock, log, jitter
        self._executor = ThreadPoolExecutor(1, "mqtt-connect")
        self._session: Session | None = None
        self.ear: Ear | None = None  # set before `run`, it hears requests
        self._offer = Offer(config.window, 0)
        self._flying: dict[int, tuple[Record | None, float]] = {}  # by message number, in the order of sending
        self._retrying: Counter[Class] = Counter()
        self._tries: Counter[tuple[Class, int]] = Counter()
        self._timers: set[asyncio.TimerHandle] = set()
        self._stopping, self._said = asyncio.Event(), asyncio.Event()
        self._goodbye = 0  # number of the message that says offline; `_said` when it is acknowledged
        self._attempt = 0
        self._since = 0.0  # when the connection was made
        self._again = False  # a further burst is scheduled
        self.connected = False
        self.counters: Counter[str] = Counter()
        self.last_error = self._refusal = ""
        outbox.on_accepted = self._pump

    async def run(self) -> None:
        """Connect, publish, reconnect, until cancelled or stopped. Cancelled, the broker publishes the will."""
        try:
            while not self._stopping.is_set():
                try:
                    await self._connect()
                    await self._watch()
                except DisconnectedError as error:
                    self._note_loss(str(error))
                finally:
                    self._forget_connection()
                await self._pause()
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def stop(self, within: float = 2.0) -> None:
        """Say goodbye: publish `offline`, wait for its PUBACK, disconnect. `run` then returns."""
        self._stopping.set()
        session = self._session
        if session is None:
            return
        if self.connected:
            try:
                offline = self._status("offline", reason="stopped")
                self._goodbye = self._send(session, self.topics.status, offline, retain=True)
                await self._first_of(session.lost.wait(), self._said.wait(), seconds=within)
            except DisconnectedError as error:
                self.last_error = str(error)
        await session.leave(within if self.connected else 0.0)

    def reply(self, reply: Reply) -> None:
        """Answer a request, now or as soon as there is room; of too many that wait the eldest is dropped."""
        if self.ear is not None:
            self.counters["replies"] += 1
            self.ear.replies.append(reply)
            self._pump()

    async def _connect(self) -> None:
        """One attempt, and the birth message behind it."""
        self.counters["attempts"] += 1
        will = self._status("offline", reason="lost")
        client_id = self._config.client_id or f"fieldgate-{self._gateway}"
        said = (self.topics.status, will)
        session = Session(self._config, client_id, said, self._executor, self._acknowledged, self.ear)
        self._session = session
        self._offer = await session.open()
        if self._stopping.is_set():
            raise DisconnectedError("stopped")
        self._send(session, self.topics.status, self._status("online"), retain=True)
        self.connected, self._since = True, self._clock.monotonic()
        self.counters["connects"] += 1
        self._log.info("broker connected", url=self._config.url)
        self._pump()

    async def _watch(self) -> None:
        """Until the connection is lost. A broker that takes messages and never acknowledges is lost, too."""
        session = self._session
        assert session is not None  # noqa: S101 - _connect succeeded
        patience = 2 * self._config.keepalive
        while not session.lost.is_set() and not self._stopping.is_set():
            await self._first_of(session.lost.wait(), self._stopping.wait(), seconds=_WATCH)
            sent = next((sent for _, sent in self._flying.values()), None)
            if sent is not None and self._clock.monotonic() - sent > patience:
                session.abort("no PUBACK")
        if self._stopping.is_set():
            await session.lost.wait()  # `stop` sees to it
            return
        raise DisconnectedError(session.reason)

    def _note_loss(self, reason: str) -> None:
        if self._stopping.is_set():
            return
        self.counters["losses" if self.connected else "failures"] += 1
        if self.connected and self._clock.monotonic() - self._since > _STEADY:
            self._attempt = 0
        if self.connected or reason != self.last_error:
            self._log.warning("broker lost" if self.connected else "broker unreachable", reason=reason)
        self.last_error = reason

    def _forget_connection(self) -> None:
        """Everything that was under way goes back to the outbox, to be sent again."""
        self.connected = False
        if self._session is not None:
            self._session.abort("closed")
        self._session = None
        self._flying.clear()
        self._retrying.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._outbox.rewind()

    async def _pause(self) -> None:
        """Back-off with full jitter: anything from nothing to a wait that doubles up to `reconnect_max`."""
        wait = self._jitter() * min(self._config.reconnect_max, _FIRST_WAIT * 2 ** min(self._attempt, 30))
        self._attempt += 1
        if not self._stopping.is_set():
            await self._first_of(self._stopping.wait(), seconds=wait)

    async def _first_of(self, *waits: Coroutine[Any, Any, Any], seconds: float) -> None:
        """Until one of `waits` is over, `seconds` at most."""
        due = self._clock.monotonic() + seconds
        tasks = [asyncio.ensure_future(wait) for wait in (*waits, self._clock.sleep_until(due))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _pump(self) -> None:
        """Send what the window allows. Called whenever there is something new, or room."""
        session = self._session
        if session is None or not self.connected or self._again or self._stopping.is_set():
            return
        try:
            self._send_replies(session)
            records = self._outbox.take(min(_BURST, self._offer.window - len(self._flying)), self._open_classes())
            for record in records:
                self._publish(session, record)
        except DisconnectedError:
            return  # the session is lost: `_watch` sees it, and what was taken goes back
        if len(records) == _BURST:
            self._again = True
            asyncio.get_running_loop().call_soon(self._pump_again)

    def _send_replies(self, session: Session) -> None:
        """Somebody waits for them: they go first."""
        while self.ear is not None and self.ear.replies and len(self._flying) < self._offer.window:
            reply = self.ear.replies.popleft()
            if self._offer.takes(reply.topic, reply.body + (reply.correlation or b"")):
                mid = session.publish(reply.topic, reply.body, properties=properties(reply.correlation))
                self._flying[mid] = (None, self._clock.monotonic())

    def _pump_again(self) -> None:
        self._again = False
        self._pump()

    def _open_classes(self) -> list[Class]:
        """All but those of which many are refused: they must not shut the window for the others."""
        most = max(1, self._offer.window // 4)
        return [cls for cls in Class if self._retrying[cls] < most]

    def _publish(self, session: Session, record: Record) -> None:
        if not self._offer.takes(record.topic, record.body):  # sending it would cost the connection, again and again
            self.last_error = f"{record.topic}: larger than the broker takes"
            self._give_up(record)
            return
        try:
            self._send(session, record.topic, record.body, record=record)
        except ValueError as error:  # a topic that MQTT forbids
            self.last_error = f"{record.topic}: {error}"
            self._give_up(record)
        else:
            self.counters["published"] += 1

    def _send(
        self, session: Session, topic: str, body: bytes, *, record: Record | None = None, retain: bool = False
    ) -> int:
        mid = session.publish(topic, body, retain=retain)
        self._flying[mid] = (record, self._clock.monotonic())
        return mid

    def _acknowledged(self, acks: list[tuple[int, int]]) -> None:
        """A burst of PUBACKs."""
        for mid, code in acks:
            record, _ = self._flying.pop(mid, (None, 0.0))
            if code >= _FAILURE:
                self._refused(record, code)
            elif record is not None:
                self._outbox.ack(record.cls, record.sequence)
                self._tries.pop((record.cls, record.sequence), None)
                self.counters["acked"] += 1
        if self._goodbye not in self._flying:
            self._said.set()
        self._pump()

    def _refused(self, record: Record | None, code: int) -> None:
        """The broker took the message and will not have it, for instance 0x87: not authorised."""
        self.counters["refused"] += 1
        topic = record.topic if record else self.topics.status
        reason = f"{topic}: refused with 0x{code:02X}"
        if reason != self._refusal:
            self._log.warning("message refused", topic=topic, code=f"0x{code:02X}")
        self.last_error = self._refusal = reason
        if record is None:
            return
        if len(self._tries) > _REMEMBERED:
            self._tries.clear()
        key = (record.cls, record.sequence)
        self._tries[key] += 1
        if self._tries[key] >= _TRIES:
            self._give_up(record)
        else:
            self._retry_later(record, self._tries[key])

    def _give_up(self, record: Record) -> None:
        self._tries.pop((record.cls, record.sequence), None)
        self.counters["dropped"] += self._outbox.drop(record.cls, record.sequence, "refused")

    def _retry_later(self, record: Record, tries: int) -> None:
        wait = self._jitter() * min(self._config.reconnect_max, _FIRST_WAIT * 2**tries)
        self._retrying[record.cls] += 1

        def again() -> None:
            self._timers.discard(timer)
            self._retrying[record.cls] -= 1
            self._resend(record)

        timer = asyncio.get_running_loop().call_later(wait, again)
        self._timers.add(timer)

    def _resend(self, record: Record) -> None:
        """Send a refused message once more; when the window is full just then, a little later."""
        if self._session is None or not self.connected:
            return
        if len(self._flying) >= self._offer.window:
            self._retry_later(record, 0)
            return
        try:
            self._publish(self._session, record)
        except DisconnectedError:
            return

    def _status(self, state: str, **fields: str) -> bytes:
        message = {"schema": SCHEMA, "gateway": self._gateway, "state": state, "epoch": self._outbox.epoch}
        return orjson.dumps(message | fields | {"time": rfc3339(self._clock.wall_ns())})
