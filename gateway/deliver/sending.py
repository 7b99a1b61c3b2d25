"""What goes to the broker over one connection after the other: the window, its accounts, and what is refused.

The window is ours; on a lost connection everything unacknowledged is sent again, in order, under the same id.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import orjson

from gateway.deliver.ear import Ear, Reply, properties
from gateway.deliver.event import SCHEMA, Class
from gateway.deliver.ledger import Record
from gateway.deliver.outbox import Outbox
from gateway.deliver.refusals import Refusals
from gateway.deliver.session import Offer, Session
from gateway.deliver.topics import Topics
from gateway.deliver.trail import Trail
from gateway.deliver.voice import Frame, Plain, Voice
from gateway.sdk import Clock, DisconnectedError, Log

_BURST: Final = 64  # messages that are sent in one turn of the loop
_FAILURE: Final = 0x80  # reason codes from here on are failures (MQTT 5 §2.4)
_SENT: Final = "sent"  # class of the topic that tells how far what was sent with QoS 0 has come


class Sending:
    """Empties the outbox into the session that there is.

    Args:
        outbox: where the messages are; its `on_accepted` becomes ours.
        topics: where to.
        gateway_id: name of the gateway.
        clock: for ages.
        log: one line when a message is refused.
        wait: seconds before a refused message is tried again, of how many tries were made.

    Attributes:
        ear: set before the first session, it hears requests.
        voice: what is said and how; set before the first session, too.
        connected: whether messages are sent; not while a session is being opened or closed.
        counters: what was sent, and what became of it.
        last_error: the last trouble; "" when there was none.
    """

    def __init__(
        self, outbox: Outbox, topics: Topics, gateway_id: str, clock: Clock, log: Log, wait: Callable[[int], float]
    ) -> None:
        self._outbox, self.topics, self._gateway, self._clock, self._log = outbox, topics, gateway_id, clock, log
        self.ear: Ear | None = None
        self.voice: Voice = Plain(topics, gateway_id, lambda: outbox.epoch, clock.wall_ns)
        self.connected = False
        self.counters: Counter[str] = Counter()
        self.last_error = self._refusal = ""
        self._session: Session | None = None
        self._offer = Offer(0, 0)
        self._flying: dict[int, tuple[Record | str, float]] = {}  # by message number, in order; of no record its topic
        self._trail = Trail(self._mark)
        self._refusals = Refusals(wait, self._resend, self._give_up)
        self._stopping, self._said = asyncio.Event(), asyncio.Event()
        self._goodbye = 0  # number of the message that says offline; `_said` when it is acknowledged
        self._again = False  # a further burst is scheduled
        outbox.on_accepted = self._pump

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

    def _oldest(self) -> float | None:
        """When the oldest message that is not acknowledged was sent; None where none is."""
        return next((sent for _, sent in self._flying.values()), None)

    def _take_back(self) -> None:
        """Everything that was under way goes back to the outbox, to be sent again."""
        self.connected = False
        self._flying.clear()
        self._trail.clear()
        self._refusals.clear()
        self._outbox.rewind()

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
        if self._goodbye and self._goodbye not in self._flying:
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
