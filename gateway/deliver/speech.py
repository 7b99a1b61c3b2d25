"""Which form telemetry takes and which voice the publisher has: what `mqtt.payload` chooses."""

from collections.abc import Callable, Iterator, Sequence

from gateway.config.broker import MqttConfig
from gateway.deliver.event import Class
from gateway.deliver.metadata import metadata
from gateway.deliver.outbox import Outbox
from gateway.deliver.payloads.flat import FlatTelemetry
from gateway.deliver.payloads.homeassistant import discovery
from gateway.deliver.publisher import Publisher
from gateway.deliver.sparkplug.catalog import Catalog, Snapshot
from gateway.deliver.sparkplug.node import Address, EdgeNode
from gateway.deliver.sparkplug.telemetry import SparkplugTelemetry
from gateway.deliver.telemetry import Sends, Telemetry
from gateway.deliver.topics import Topics
from gateway.deliver.voice import Frame
from gateway.sdk import Clock, Log
from gateway.sdk.tags import TagTable
from gateway.stages.meaning import Meanings


class Speech:
    """Telemetry and voice of one gateway, chosen together.

    Args:
        config: the broker; None: there is none, and what waits in the outbox is columnar.
        gateway: id of the gateway.
        table: its tags.
        outbox: where telemetry goes.
        clock: for timestamps.
        log: for what an operator must see.
        doubt: gives why the clock is not to be trusted now; empty: it is.
        meanings: of the tags; as configured unless given.

    Attributes:
        topics: of the gateway.
        sends: tells of readings.
        node: the edge node, with `payload: sparkplug`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a gateway speaks of, and with
        self, config: MqttConfig | None, gateway: str, table: TagTable, outbox: Outbox, clock: Clock, log: Log,
        doubt: Callable[[], str] = str, meanings: Meanings | None = None,
    ) -> None:  # fmt: skip
        self._config = config = config or MqttConfig(url="mqtt://unset")
        self._gateway, self._table, self._outbox, self._clock = gateway, table, outbox, clock
        self._meanings = meanings or Meanings(table)
        self.topics = Topics(config.topic, gateway)
        self.node: EdgeNode | None = None
        self.sends: Sends
        if config.payload == "sparkplug":
            self.sends, self.node = self._sparkplug(log)
            self.node.doubt = doubt
        elif config.payload == "flat":
            self.sends = FlatTelemetry(table, outbox, self.topics.of, doubt)
        else:
            self.sends = Telemetry(gateway, table, outbox, self.topics.of, doubt)

    @property
    def bound(self) -> bool:
        """Whether the voice tells of what the table holds, so that another table needs another one."""
        return self.node is not None

    def give(self, publisher: Publisher, image: Snapshot) -> None:
        """Give `publisher` its voice, before it runs. `image` holds the last values."""
        if self.node is not None:
            self.node.telemetry.image, self.node.line = image, publisher
            publisher.voice, self.node.counters = self.node, publisher.counters

    def explained(self, assets: Sequence[str]) -> Iterator[Frame]:
        """What is said of the values beside them, as far as it is known; an edge node says it in its births."""
        config = self._config
        if config.metadata and self.node is None:
            yield from metadata(self._gateway, self.topics, self._table, self._meanings)
        if config.homeassistant is not None:
            unit = self._meanings.unit
            yield from discovery(config.homeassistant, self._gateway, self.topics, self._table, assets, unit)

    def _sparkplug(self, log: Log) -> tuple[SparkplugTelemetry, EdgeNode]:
        config = self._config.sparkplug
        address = Address(config.group, config.node or self._gateway)
        names = [device.name for device in self._table.devices]
        catalog = Catalog(self._table, self._meanings.unit)
        topics = [address.topic("DDATA", name) for name in names]
        telemetry = SparkplugTelemetry(catalog, self._outbox, topics, told=config.datatypes)
        following = lambda: self._outbox.following(Class.TELEMETRY)  # noqa: E731 - as short as it can be said
        node = EdgeNode(address, names, telemetry, following, self._clock, log, primary=config.primary_host or "")
        return telemetry, node
