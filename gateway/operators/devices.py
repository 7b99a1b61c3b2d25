"""How each device is, in the words of NAMUR NE 107, retained on a topic of its own: class `status`, name the device.

What is retained outlives the gateway; whether it is still there says its own status (docs/messages.md).
"""

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import orjson

from gateway.deliver.event import SCHEMA, rfc3339
from gateway.deliver.publisher import Publisher
from gateway.deliver.voice import Frame
from gateway.ingest.image import Image
from gateway.ops.health import Health, Part, State
from gateway.sdk import Clock, TagTable
from gateway.sdk.quality import UNCERTAIN

STATUS: Final = "status"
_AT_ONCE: Final = 50  # frames: they are no records, and the window must not be full of them


class Ne107(StrEnum):
    """Status signals of NAMUR NE 107; good where none is due."""

    GOOD = "good"
    FAILURE = "failure"
    FUNCTION_CHECK = "function-check"
    OUT_OF_SPECIFICATION = "out-of-specification"
    MAINTENANCE = "maintenance-required"  # of an asset, one of whose sensors is at fault; no device says so


class Standing(NamedTuple):
    """How a device is, and what is to be said of it."""

    state: Ne107
    text: str


class DeviceStates:
    """Tells what has changed.

    Args:
        table: the devices and their tags.
        image: the last value of every tag.
        health: what is known of the devices.
        clock: for timestamps.
        gateway: id of the gateway.
        publisher: who tells of them.
    """

    def __init__(
        self, table: TagTable, image: Image, health: Health, clock: Clock, gateway: str, publisher: Publisher
    ) -> None:
        self._health, self._clock = health, clock
        self._gateway, self._publisher = gateway, publisher
        self._topics = topics = publisher.topics
        # without {name} in the template all devices would have the gateway's own topic
        self._possible = topics.of(STATUS, "a") != topics.of(STATUS, "b")
        self._since: dict[str, tuple[Ne107, int]] = {}  # by device
        self._told: dict[str, Standing] = {}  # on this connection
        self._gone: list[str] = []  # devices that are no more, of which the broker still says something
        self._connection = 0
        self.go_on(table, image)

    def go_on(self, table: TagTable, image: Image) -> None:
        """From now on with the devices of another configuration; what is retained of those that are gone goes, too."""
        self._table, self._image = table, image
        names = {device.name for device in table.devices}
        self._mute = {name for name in names if self._topics.of(STATUS, name) == self._topics.status}
        self._gone = [*(set(self._gone) - names), *(self._since.keys() - names)]
        for name in self._gone:
            self._since.pop(name, None)
            self._told.pop(name, None)

    def tell(self) -> None:
        """Tell a broker that is there what it does not know yet; once a second."""
        if self._publisher.connected and self._possible:
            self._publisher.speak(self.frames(self._publisher.counters["connects"], _AT_ONCE))

    def frames(self, connection: int, most: int) -> list[Frame]:
        """What is to be said now: what has changed, or all on a new connection; the rest at the next call.

        Args:
            connection: number of the connection to the broker.
            most: frames at once.
        """
        if connection != self._connection:
            self._connection, self._told = connection, {}
        gone, self._gone = self._gone[:most], self._gone[most:]
        fresh = []
        for device, standing in zip(self._table.devices, self.standings(), strict=True):
            if device.name in self._mute:
                continue
            told = self._told.get(device.name)
            news = told is None or told.state is not standing.state
            if news or (standing.state is Ne107.FAILURE and told != standing):
                fresh.append((device.name, standing))
        empty = [Frame(self._topics.of(STATUS, name), b"", retain=True) for name in gone]
        return empty + [self._frame(name, standing) for name, standing in fresh[: most - len(empty)]]

    def standings(self) -> list[Standing]:
        """Every device, in the order of the table."""
        return standings(self._table, self._image, self._health)

    def _frame(self, name: str, standing: Standing) -> Frame:
        now = self._clock.wall_ns()
        state, since = self._since.get(name, (standing.state, now))
        if state is not standing.state:
            since = now
        self._since[name], self._told[name] = (standing.state, since), standing
        message = {
            "schema": SCHEMA, "gateway": self._gateway, "device": name, "state": standing.state.value,
            "text": standing.text, "since": rfc3339(since),
        }  # fmt: skip
        return Frame(self._topics.of(STATUS, name), orjson.dumps(message), retain=True)


def standings(table: TagTable, image: Image, health: Health) -> list[Standing]:
    """How every device of `table` is, in its order; read from any thread."""
    poor = table.device[image.status >= UNCERTAIN]
    bad = np.bincount(poor, minlength=len(table.devices)).tolist()
    return [
        _standing(health.part(f"device {device.name}"), len(device.tags), count)
        for device, count in zip(table.devices, bad, strict=True)
    ]


def _standing(part: Part | None, tags: int, bad: int) -> Standing:
    if part is None or part.state is State.STARTING:
        return Standing(Ne107.FUNCTION_CHECK, "it has not been heard from yet")
    if part.state is not State.OK:
        return Standing(Ne107.FAILURE, "; ".join(filter(None, (part.why, part.remedy))))
    if bad:
        return Standing(Ne107.OUT_OF_SPECIFICATION, f"{bad} of its {tags} tags are not good")
    return Standing(Ne107.GOOD, "")
