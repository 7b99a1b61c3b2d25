"""From the outbox to the broker, at least once: a message leaves the outbox when the broker has acknowledged it.

The window is ours; on a lost connection everything unacknowledged is sent again, in order, under the same id.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import orjson

from gateway.config.broker import MqttConfig
from gateway.deliver.dialling import Dialling
from gateway.deliver.ear import Ear, Reply, properties
from gateway.deliver.event import SCHEMA, Class
from gateway.deliver.ledger import Record
from gateway.deliver.outbox import Outbox
from gateway.deliver.refusals import Refusals
from gateway.deliver.session import Offer, Session
from gateway.deliver.topics import Topics
from gateway.deliver.trail import Trail
from gateway.deliver.voice import Frame, Plain, Voice
from gateway.deliver.waits import first_of
from gateway.sdk import Clock, ConfigError, DisconnectedError, Log

_BURST: Final = 64  # messages that are sent in one turn of the loop
_FAILURE: Final = 0x80  # reason codes from here on are failures (MQTT 5 §2.4)
_WATCH: Final = 1.0  # s; how often the oldest unacknowledged message is looked at
_SENT: Final = "sent"  # class of the topic that tells how far what was sent with QoS 0 has come


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
        self._dialling = Dialling(config, jitter)
        self._outbox, self._config, self._gateway = outbox, config, gateway_id
        self._clock, self._log = clock, log
        self._executor = ThreadPoolExecutor(1, "mqtt-connect")
        self._session: Session | None = None
        self.ear: Ear | None = None  # set before `run`, it hears requests
        self.voice: Voice = Plain(self.topics, gateway_id, lambda: outbox.epoch, clock.wall_ns)  # set before `run`, too
        self._offer = Offer(config.window, 0)
        self._flying: dict[int, tuple[Record | str, float]] = {}  # by message number, in order; of no record its topic
        self._trail = Trail(self._mark)
        self._refusals = Refusals(self._dialling.wait, self._resend, self._give_up)
        self._stopping, self._said = asyncio.Event(), asyncio.Event()
        self._goodbye = 0  # number of the message that says offline; `_said` when it is acknowledged
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
                self._goodbye = self._send(session, self.voice.goodbye())
                await first_of(self._clock, session.lost.wait(), self._said.wait(), seconds=within)
            except DisconnectedError as error:
                self.last_error = str(error)
        await session.leave(within if self.connected else 0.0, will=self.voice.leaves_will)

    @property
    def trouble(self) -> str:
        """Why nothing is sent, or not all; "" when all is well."""
        return self.voice.waits() if self.connected else self.last_error or "not reached yet"

    def reply(self, reply: Reply) -> None:
        """Answer a request, now or as soon as there is room; of too many that wait the eldest is dropped."""
        if self.ear is not None:
            self.counters["replies"] += 1
            self.ear.replies.append(reply)
            self._pump()

    def speak(self, frames: Iterable[Frame]) -> None:
        """Send `frames` now, where there is a connection, and go on with what waits."""
        if self._session is None or not self.connected:
            return
        with suppress(DisconnectedError):  # `_watch` sees it
            self._say(self._session, frames)
        self._pump()

    def begin_anew(self, last: Frame) -> None:
        """Say `last`, disconnect, and connect again at once."""
        if self._session is not None and self.connected:
            self.connected = False
            self._dialling.again()
            with suppress(DisconnectedError):
                self._send(self._session, last)
            self._session.depart(will=self.voice.leaves_will)

    async def _connect(self) -> None:
        """One attempt, and the birth message behind it."""
        self.counters["attempts"] += 1
        self._dialling.begins()
        config = self._dialling.config
        client_id = self._config.client_id or f"fieldgate-{self._gateway}"
        ears = [ear for ear in (self.voice.hears, self.ear) if ear is not None]
        session = Session(config, client_id, self.voice.will(), self._executor, self._acknowledged, ears)
        self._session = session
        self._offer = await session.open()
        if self._stopping.is_set():
            raise DisconnectedError("stopped")
        self.connected, self._since = True, self._clock.monotonic()
        self._say(session, self.voice.birth())
        self.counters["connects"] += 1
        self._log.info("broker connected", url=config.url)
        self._pump()

    async def _watch(self) -> None:
        """Until the connection is lost. A broker that takes messages and never acknowledges is lost, too."""
        session = self._session
        assert session is not None  # noqa: S101 - _connect succeeded
        patience = 2 * self._config.keepalive
        while not session.lost.is_set() and not self._stopping.is_set():
            await first_of(self._clock, session.lost.wait(), self._stopping.wait(), seconds=_WATCH)
            sent = next((sent for _, sent in self._flying.values()), None)
            if sent is not None and self._clock.monotonic() - sent > patience:
                session.abort("no PUBACK")
            self._look_for_renewal(session)
        if self._stopping.is_set():
            await session.lost.wait()  # `stop` sees to it
            return
        raise DisconnectedError(session.reason)

    def _look_for_renewal(self, session: Session) -> None:
        """Certificates that were renewed on disk are used without a restart; what was under way is sent again."""
        try:
            if self._dialling.renewed():
                self.counters["renewals"] += 1
                self._dialling.again()
                session.depart(will=False)
        except ConfigError as error:
            self._log.warning("certificates not usable", reason=str(error))

    def _note_loss(self, reason: str) -> None:
        if self._stopping.is_set():
            return
        self.counters["losses" if self.connected else "failures"] += 1
        if self.connected:
            self._dialling.lost(self._clock.monotonic() - self._since)
        else:
            self._dialling.failed()
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
        self._trail.clear()
        self._refusals.clear()
        self._outbox.rewind()

    async def _pause(self) -> None:
        wait = self._dialling.pause()
        if not self._stopping.is_set() and wait:
            await first_of(self._clock, self._stopping.wait(), seconds=wait)

    def _pump(self) -> None:
        """Send what the window allows. Called whenever there is something new, or room."""
        session = self._session
        if session is None or not self.connected or self._again or self._stopping.is_set():
            return
        try:
            self._send_replies(session)
            records = self._outbox.take(min(_BURST, self._room()), self._open_classes())
            for record in records:
                self._publish(session, record)
            self._trail.settle(self._offer.window // 2)
        except DisconnectedError:
            return  # the session is lost: `_watch` sees it, and what was taken goes back
        if len(records) == _BURST:
            self._again = True
            asyncio.get_running_loop().call_soon(self._pump_again)

    def _send_replies(self, session: Session) -> None:
        """Somebody waits for them: they go first."""
        while self.ear is not None and self.ear.replies and self._room() > 0:
            reply = self.ear.replies.popleft()
            if self._offer.takes(reply.topic, reply.body + (reply.correlation or b"")):
                mid = session.publish(Frame(reply.topic, reply.body), properties(reply.correlation))
                self._flying[mid] = (reply.topic, self._clock.monotonic())

    def _pump_again(self) -> None:
        self._again = False
        self._pump()

    def _open_classes(self) -> list[Class]:
        """All but those that must wait, and those of which many are refused: they must not shut the window."""
        most, silent = max(1, self._offer.window // 4), self.voice.silent()
        return [cls for cls in Class if self._refusals.waiting(cls) < most and cls not in silent]

    def _room(self) -> int:
        """How many messages may still be sent."""
        return max(0, self._offer.window - len(self._flying) - len(self._trail))

    def _publish(self, session: Session, record: Record) -> None:
        frames = self.voice.frames(record)
        if not frames:
            self.last_error = f"{record.topic}: of another configuration, or in another form than `mqtt.payload` says"
            self._give_up(record, "unknown")
            return
        try:
            for frame in frames:
                self._send(session, frame, record)
        except ValueError as error:
            self.last_error = f"{record.topic}: {error}"
            self._give_up(record)
            return
        self.counters["published"] += 1
        if not frames[0].qos:
            self._trail.add(record)

    def _send(self, session: Session, frame: Frame, record: Record | None = None) -> int:
        """Raises ValueError when MQTT forbids the topic, or the broker takes nothing so large: it would cut us off."""
        if not self._offer.takes(frame.topic, frame.body):
            raise ValueError("larger than the broker takes")
        mid = session.publish(frame)
        if frame.qos:
            self._flying[mid] = (record or frame.topic, self._clock.monotonic())
            self._trail.follow(mid)
        return mid

    def _say(self, session: Session, frames: Iterable[Frame]) -> None:
        """Send what is no record. What the broker does not take is left out, and seen in `last_error`."""
        for frame in frames:
            try:
                self._send(session, frame)
            except ValueError as error:
                self.last_error = f"{frame.topic}: {error}"

    def _mark(self, last: int) -> None:
        """Say with QoS 1 how far what was sent with QoS 0 has come."""
        told = {"schema": SCHEMA, "gateway": self._gateway, "epoch": self._outbox.epoch, "sequence": last}
        self.speak([Frame(self.topics.of(_SENT, self._gateway), orjson.dumps(told))])

    def _acknowledged(self, acks: list[tuple[int, int]]) -> None:
        """A burst of PUBACKs."""
        for mid, code in acks:
            for sent in self._trail.answered(mid):  # even where this one is refused: the broker has come so far
                self._outbox.ack(sent.cls, sent.sequence)
                self.counters["acked"] += 1
            said, _ = self._flying.pop(mid, ("", 0.0))
            record = said if isinstance(said, Record) else None
            if code >= _FAILURE:
                self._refused(record, said if isinstance(said, str) else said.topic, code)
            elif record is not None:
                self._outbox.ack(record.cls, record.sequence)
                self._refusals.settled(record)
                self.counters["acked"] += 1
        if self._goodbye not in self._flying:
            self._said.set()
        self._pump()

    def _refused(self, record: Record | None, topic: str, code: int) -> None:
        """The broker took the message and will not have it, for instance 0x87: not authorised."""
        self.counters["refused"] += 1
        reason = f"{topic}: refused with 0x{code:02X}"
        if reason != self._refusal:
            self._log.warning("message refused", topic=topic, code=f"0x{code:02X}")
        self.last_error = self._refusal = reason
        if record is not None:
            self._refusals.note(record)

    def _give_up(self, record: Record, reason: str = "refused") -> None:
        self._refusals.settled(record)
        self.counters["dropped"] += self._outbox.drop(record.cls, record.sequence, reason)

    def _resend(self, record: Record) -> None:
        """Send a refused message once more; when the window is full just then, a little later."""
        if self._session is None or not self.connected:
            return
        if not self._room():
            self._refusals.later(record, 0)
            return
        try:
            self._publish(self._session, record)
        except DisconnectedError:
            return
