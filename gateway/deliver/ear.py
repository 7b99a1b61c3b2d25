"""Requests that come over MQTT, and the answers to them: MQTT 5 request and response (§4.10), a fixed topic on 3.1.1.

paho's network thread only appends to a bounded deque; the loop takes a burst in one call. Answers are not kept on disk:
what came of a request stands in the outbox as an event, and who has missed an answer asks again with the same id.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.deliver.topics import Topics, checked
from gateway.sdk import Log

COMMAND: Final = "command"
LARGEST: Final = 4096  # bytes of a request
PACKET: Final = 2**16  # bytes of a packet that an MQTT 5 broker may send us at all
_WAITING: Final = 100  # requests that wait for the loop, and answers that wait for the broker


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        content: the JSON table; None where it is none.
        answer_to: topic of the answer.
        correlation: what the answer must bear, so that the sender knows it.
        fault: why it cannot be taken at all; empty where it can.
    """

    content: dict[str, object] | None
    answer_to: str
    correlation: bytes | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request."""

    topic: str
    body: bytes
    correlation: bytes | None


Take = Callable[[Sequence[Request], int], None]
"""Takes requests on the loop, and how many had no room."""


class Ear:
    """Listens on {class} `command`, name `alarm`, and on other names that are added.

    Args:
        topics: the gateway's.
        take: takes requests to alarms.
        log: one line when the broker refuses the subscription.

    Attributes:
        listening: whether the broker has agreed to hand requests on.
    """

    def __init__(self, topics: Topics, take: Take, log: Log) -> None:
        self.topic = topics.of(COMMAND, "alarm")
        result = topics.of(COMMAND, "result")  # the same, where the template has no {name}
        self.result = result if result != self.topic else f"{self.topic}/result"
        self.replies: deque[Reply] = deque(maxlen=_WAITING)  # the eldest goes: its sender has given up first
        self._topics, self._takes, self._log = topics, {self.topic: take}, log
        self._heard: deque[MQTTMessage] = deque()
        self._no_room: Counter[str] = Counter()  # by topic; written in the network thread
        self._no_room_told: Counter[str] = Counter()  # on the loop
        self._posted = self.listening = False

    def add(self, name: str, take: Take) -> str:
        """Listen on {class} `command` with this name, too; the topic. Before the publisher runs."""
        topic = self._topics.of(COMMAND, name)
        topic = topic if topic != self.topic else f"{self.topic}/{name}"
        self._takes[topic] = take
        return topic

    def subscribe(self, client: Client) -> None:
        """Ask the broker for requests: not our own messages, and none that lie there retained."""
        self.listening = False
        if client.protocol == MQTTv5:
            options = SubscribeOptions(qos=1, noLocal=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            client.subscribe([(topic, options) for topic in self._takes])
        else:
            client.subscribe([(topic, 1) for topic in self._takes])

    def wants(self, topic: str) -> bool:
        """Whether a message on `topic` is a request."""
        return topic in self._takes

    def subscribed(self, codes: Sequence[ReasonCode]) -> None:
        """On the loop: what the broker says to it."""
        self.listening = not any(code.is_failure for code in codes)
        if not self.listening:
            topics = [topic for topic, code in zip(self._takes, codes, strict=False) if code.is_failure]
            self._log.warning("commands not subscribed", topic=", ".join(topics), reason=str(codes[0]))

    def keep(self, message: MQTTMessage) -> bool:
        """In the network thread: keep a message; True when the loop must be told that there is something."""
        if len(self._heard) >= _WAITING:
            self._no_room[message.topic] += 1
        else:
            message.payload = message.payload[: LARGEST + 1]  # of what is refused anyway nothing more is kept
            self._heard.append(message)
        posted, self._posted = self._posted, True
        return not posted

    def hand_over(self) -> None:
        """On the loop: take what was kept."""
        self._posted = False
        messages = [self._heard.popleft() for _ in range(len(self._heard))]
        for topic, take in self._takes.items():
            requests = [self._request(message) for message in messages if message.topic == topic]
            no_room = self._no_room[topic] - self._no_room_told[topic]
            self._no_room_told[topic] += no_room
            if requests or no_room:
                take(requests, no_room)

    def _request(self, message: MQTTMessage) -> Request:
        wanted = getattr(message.properties, "ResponseTopic", None)
        to = wanted if wanted is not None and self._may_answer_to(wanted) else self.result
        correlation = getattr(message.properties, "CorrelationData", None)
        content, fault = read(bytes(message.payload), retained=message.retain)
        return Request(content, to, correlation, fault)

    def _may_answer_to(self, topic: str) -> bool:
        try:
            return checked(topic) not in self._takes
        except ValueError:
            return False


def read(body: bytes, *, retained: bool = False) -> tuple[dict[str, object] | None, str]:
    """The JSON table in a message, or None and what is wrong with it."""
    if retained:
        return None, "a retained message is no command: it would come again with each connection"
    if len(body) > LARGEST:
        return None, f"a command has at most {LARGEST} bytes"
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return None, f"no JSON: {error}"
    return (content, "") if isinstance(content, dict) else (None, "a command is a JSON table")


def limits() -> Properties:
    """What an MQTT 5 broker is told when we connect."""
    told = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    told.MaximumPacketSize = PACKET
    return told


def properties(correlation: bytes | None) -> Properties | None:
    """What an MQTT 5 answer bears."""
    if correlation is None:
        return None
    bearing = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    bearing.CorrelationData = correlation
    return bearing
