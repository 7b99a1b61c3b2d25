"""How a gateway speaks on a connection: its will, its birth, what a record becomes, its goodbye.

The publisher owns connection, window and accounts; a voice owns the form. It is set before the publisher runs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import orjson
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from gateway.deliver.event import SCHEMA, Class, rfc3339
from gateway.deliver.ledger import Record
from gateway.deliver.topics import Topics

NOTHING: Final[frozenset[Class]] = frozenset()
SPARKPLUG: Final = "spBv1.0/"  # namespace of Sparkplug B (§4.1.1)


class Frame(NamedTuple):
    """One message as it goes over the wire."""

    topic: str
    body: bytes
    qos: int = 1
    retain: bool = False


class Hears(Protocol):
    """What listens on a connection. `keep` is called in the network thread, everything else on the loop."""

    def subscribe(self, client: Client) -> None:
        """The connection is there: ask for what is wanted."""

    def subscribed(self, codes: Sequence[ReasonCode]) -> None:
        """What the broker says to it."""

    def wants(self, topic: str) -> bool:
        """Whether a message on `topic` is for it."""

    def keep(self, message: MQTTMessage) -> bool:
        """Keep a message; True when the loop must be told that there is something."""

    def hand_over(self) -> None:
        """Take what was kept."""


class Line(Protocol):
    """What a voice may ask of the publisher."""

    def speak(self, frames: Iterable[Frame]) -> None:
        """Send now, where there is a connection, and go on with what waits."""

    def begin_anew(self, last: Frame) -> None:
        """Say `last`, disconnect, and connect again at once."""


class Voice(Protocol):
    """One way of speaking.

    Attributes:
        hears: what listens beside the ear for commands; None: nothing.
        leaves_will: at a goodbye, an MQTT 5 broker is to publish the will all the same.
    """

    hears: Hears | None
    leaves_will: bool

    def will(self) -> Frame:
        """What the broker says when we vanish; asked for before each attempt to connect."""

    def birth(self) -> Sequence[Frame]:
        """What is said first on a new connection."""

    def silent(self) -> frozenset[Class]:
        """Classes that may not be sent now."""

    def waits(self) -> str:
        """What is waited for before telemetry may be sent, in a sentence; "" when nothing is."""

    def frames(self, record: Record) -> Sequence[Frame]:
        """What `record` becomes, its own message with all that must go before and behind; none: it means nothing now.

        With QoS 0 in the first frame, the record is settled by the next message that the broker acknowledges.
        """

    def goodbye(self) -> Frame:
        """What is said last."""


class Plain:
    """Records as they are; birth, will and goodbye are the retained status (docs/messages.md).

    Args:
        topics: the gateway's.
        gateway: its id.
        epoch: gives the outbox's epoch.
        wall_ns: gives the wall time, Unix ns.
        more: gives what is said beside that while it is online.
    """

    hears: Hears | None = None
    leaves_will = False

    def __init__(
        self, topics: Topics, gateway: str, epoch: Callable[[], str], wall_ns: Callable[[], int],
        more: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:  # fmt: skip
        self._topic, self._gateway, self._epoch, self._wall_ns = topics.status, gateway, epoch, wall_ns
        self._more, self._said = more, {}  # type: Callable[[], Mapping[str, Any]], Mapping[str, Any]

    def will(self) -> Frame:
        """Offline, for the reason that we are lost."""
        return self._status("offline", reason="lost")

    def birth(self) -> Sequence[Frame]:
        """Online."""
        self._said = self._more()
        return [self._status("online", **self._said)]

    def news(self) -> Sequence[Frame]:
        """The same anew, where more is to be said, or other."""
        return () if self._more() == self._said else self.birth()

    def silent(self) -> frozenset[Class]:
        """None."""
        return NOTHING

    def waits(self) -> str:
        """For nothing."""
        return ""

    def frames(self, record: Record) -> Sequence[Frame]:
        """The record itself. What waits from a time as an edge node has no meaning on its own: nothing."""
        return () if record.topic.startswith(SPARKPLUG) else (Frame(record.topic, record.body),)

    def goodbye(self) -> Frame:
        """Offline, because we were told to stop."""
        return self._status("offline", reason="stopped")

    def _status(self, state: str, **fields: Any) -> Frame:
        message = {"schema": SCHEMA, "gateway": self._gateway, "state": state, "epoch": self._epoch()}
        body = orjson.dumps(message | fields | {"time": rfc3339(self._wall_ns())})
        return Frame(self._topic, body, retain=True)
