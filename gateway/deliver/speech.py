"""Which form telemetry takes and which voice the publisher has: what `mqtt.payload` chooses."""

from collections.abc import Sequence

from gateway.config.broker import MqttConfig
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.deliver.payloads.flat import FlatTelemetry
from gateway.deliver.payloads.homeassistant import discovery
from gateway.deliver.publisher import Publisher
from gateway.deliver.sparkplug.catalog import Catalog, Snapshot
from gateway.deliver.sparkplug.node import Address, EdgeNode
from gateway.deliver.sparkplug.telemetry import SparkplugTelemetry
from gateway.deliver.telemetry import Sends, Telemetry
from gateway.deliver.topics import Topics
from gateway.deliver.voice import Plain
from gateway.sdk import Clock, Log
from gateway.sdk.tags import TagTable


class Speech:
    """Telemetry and voice of one gateway, chosen together.

    Args:
        config: the broker; None: there is none, and what waits in the outbox is columnar.
        gateway: id of the gateway.
        table: its tags.
        outbox: where telemetry goes.
        clock: for timestamps.
        log: for what an operator must see.

    Attributes:
        topics: of the gateway.
        sends: tells of readings.
        node: the edge node, with `payload: sparkplug`.
    """

    def __init__(
        self, config: MqttConfig | None, gateway: str, table: TagTable, outbox: Outbox, clock: Clock, log: Log
    ) -> None:
        self._config = config = config or MqttConfig(url="mqtt://unset")
        self._gateway, self._table, self._outbox, self._clock = gateway, table, outbox, clock
        self.topics = Topics(config.topic, gateway)
        self.node: EdgeNode | None = None
        self.sends: Sends
        if config.payload == "sparkplug":
            self.sends, self.node = self._sparkplug(log)
        elif config.payload == "flat":
            self.sends = FlatTelemetry(table, outbox, self.topics.of)
        else:
            self.sends = Telemetry(gateway, table, outbox, self.topics.of)

    @property
    def bound(self) -> bool:
        """Whether the voice tells of what the table holds, so that another table needs another one."""
        return self.node is not None or self._config.homeassistant is not None

    def give(self, publisher: Publisher, image: Snapshot, assets: Sequence[str]) -> None:
        """Give `publisher` its voice, before it runs. `image` holds the last values, `assets` are the machines."""
        if self.node is not None:
            self.node.telemetry.image, self.node.line = image, publisher
            publisher.voice, self.node.counters = self.node, publisher.counters
        elif self._config.homeassistant is not None:
            told = discovery(self._config.homeassistant, self._gateway, self.topics, self._table, assets)
            publisher.voice = Plain(
                self.topics, self._gateway, lambda: self._outbox.epoch, self._clock.wall_ns, also=told
            )

    def _sparkplug(self, log: Log) -> tuple[SparkplugTelemetry, EdgeNode]:
        config = self._config.sparkplug
        address = Address(config.group, config.node or self._gateway)
        names = [device.name for device in self._table.devices]
        catalog = Catalog(self._table)
        topics = [address.topic("DDATA", name) for name in names]
        telemetry = SparkplugTelemetry(catalog, self._outbox, topics, told=config.datatypes)
        following = lambda: self._outbox.following(Class.TELEMETRY)  # noqa: E731 - as short as it can be said
        node = EdgeNode(address, names, telemetry, following, self._clock, log, primary=config.primary_host or "")
        return telemetry, node
