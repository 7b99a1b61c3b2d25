"""What hosts say to an edge node: commands (NCMD, DCMD), and whether the primary host is there (STATE).

paho's network thread only appends to a bounded deque; the loop takes a burst in one call.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from gateway.deliver.sparkplug.reading import Metric, read
from gateway.sdk import Log

NCMD, DCMD, REBIRTH = "NCMD", "DCMD", "Node Control/Rebirth"
LARGEST: Final = 2**16  # bytes of a command
_WAITING: Final = 100  # messages that wait for the loop


@dataclass(frozen=True, slots=True)
class Command:
    """What a host wants written: `device` is empty where it goes to the node itself."""

    device: str
    metrics: tuple[Metric, ...]

    @property
    def rebirth(self) -> bool:
        """Whether it asks for new births."""
        return not self.device and any(one.name == REBIRTH and one.value is True for one in self.metrics)


class PrimaryHost:
    """Whether the primary host is online, by what it said last (§5.2, §5.4).

    Attributes:
        online: what it is now.
        since: when it said so, Unix ms; an older word does not count.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.online = False
        self.since = -1

    def hear(self, body: bytes) -> bool:
        """Take a STATE message. True when it counts: it is one, and not older than the last."""
        try:
            said = orjson.loads(body)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(said, dict):
            return False
        online, timestamp = said.get("online"), said.get("timestamp")
        if not isinstance(online, bool) or type(timestamp) is not int or timestamp < self.since:
            return False
        self.online, self.since = online, timestamp
        return True


class Listener:
    """Subscribes to commands and, with a primary host, to its state.

    Args:
        commands: topics of NCMD, and of DCMD with a wildcard.
        primary: the primary host; "": none.
        command: called on the loop with each command.
        state: called on the loop with what the primary host says.
        dropped: called on the loop with how many messages had no room, or were no payload.
        log: one line when the broker refuses a subscription.
    """

    def __init__(
        self,
        commands: Sequence[str],
        primary: str,
        command: Callable[[Command], None],
        state: Callable[[bytes], None],
        dropped: Callable[[int], None],
        log: Log,
    ) -> None:
        self._state_topic = f"spBv1.0/STATE/{primary}" if primary else ""
        self.topics = [*([self._state_topic] if primary else []), *commands]
        self._prefixes = tuple(topic.removesuffix("/+") for topic in commands)
        self._command, self._state, self._dropped, self._log = command, state, dropped, log
        self._heard: deque[tuple[str, bytes, bool]] = deque()
        self._posted = False
        self._no_room = self._no_room_told = 0  # written in the network thread; on the loop

    def subscribe(self, client: Client) -> None:
        """With QoS 1, in one packet, before anything is published (§5.2)."""
        client.subscribe([(topic, 1) for topic in self.topics])

    def subscribed(self, codes: Sequence[ReasonCode]) -> None:
        """What the broker says to it."""
        for topic, code in zip(self.topics, codes, strict=False):
            if code.is_failure:
                self._log.warning("not subscribed", topic=topic, reason=str(code))

    def wants(self, topic: str) -> bool:
        """Whether a message on `topic` is for us."""
        return topic == self._state_topic or topic.startswith(self._prefixes)

    def keep(self, message: MQTTMessage) -> bool:
        """In the network thread: keep a message; True when the loop must be told that there is something."""
        if len(self._heard) >= _WAITING or len(message.payload) > LARGEST:
            self._no_room += 1
        else:
            self._heard.append((message.topic, bytes(message.payload), message.retain))
        posted, self._posted = self._posted, True
        return not posted

    def hand_over(self) -> None:
        """On the loop: take what was kept. A retained command would come again with each connection: it is none."""
        self._posted = False
        no_room = self._no_room - self._no_room_told
        if no_room:
            self._no_room_told += no_room
            self._dropped(no_room)
        for topic, body, retained in [self._heard.popleft() for _ in range(len(self._heard))]:
            if topic == self._state_topic:
                self._state(body)
            elif not retained:
                self._take(topic, body)

    def _take(self, topic: str, body: bytes) -> None:
        try:
            metrics = read(body).metrics
        except ValueError:
            self._dropped(1)
            return
        kind, *rest = topic.removeprefix("spBv1.0/").split("/")[1:]
        self._command(Command(rest[1] if kind == DCMD and len(rest) > 1 else "", metrics))
