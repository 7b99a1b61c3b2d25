"""The way to the broker of what runs: the publisher, what it hears, and what it tells of devices."""

import random
from dataclasses import dataclass

from gateway.deliver.dialling import Dialling
from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.operators.desk import Desk
from gateway.operators.devices import DeviceStates
from gateway.operators.writing import Parts, Writing
from gateway.ops.health import Health
from gateway.running import Running
from gateway.sdk import Clock, Log


@dataclass(frozen=True)
class Heard:
    """Who hears what comes over MQTT."""

    desk: Desk
    writing: Writing


class Outlet:
    """Made anew when another broker is configured, or its voice tells of what a table holds.

    Attributes:
        publisher: None where there is no broker.
        devices: tells of devices; None for an edge node, which speaks of them by births and deaths.
    """

    def __init__(self, outbox: Outbox, clock: Clock, log: Log, health: Health, heard: Heard) -> None:
        self._outbox, self._clock, self._log, self._health, self._heard = outbox, clock, log, health, heard
        self.publisher: Publisher | None = None
        self.devices: DeviceStates | None = None

    def differs(self, old: Running, new: Running) -> bool:
        """Whether the publisher of the one cannot serve the other."""
        return old.configuration.root.mqtt != new.configuration.root.mqtt or new.speech.bound

    def try_out(self, running: Running) -> None:
        """Raises ConfigError where no publisher can be made for what is to run. Reads certificates."""
        if running.configuration.root.mqtt is not None:
            Dialling(running.configuration.root.mqtt, random.random)

    def go_on(self, running: Running, *, anew: bool) -> None:
        """From now on for what runs; with another publisher where `anew`."""
        if anew:
            self.publisher = self.devices = None
            self._make(running)
        elif self.devices is not None:
            self.devices.go_on(running.table, running.pipeline.image)

    def parts(self) -> Parts:
        """What the supervisor is to run."""
        return [("publisher", self.publisher.run)] if self.publisher else []

    async def stop(self) -> None:
        """Say goodbye to the broker."""
        if self.publisher:
            await self.publisher.stop()

    def _make(self, running: Running) -> None:
        root = running.configuration.root
        if root.mqtt is None:
            return
        self.publisher = Publisher(self._outbox, root.mqtt, root.gateway.id, self._clock, self._log)
        running.speech.give(self.publisher, running.pipeline.image, running.watch.names)
        if root.mqtt.commands:
            self._heard.desk.listen(self.publisher)
        self._heard.writing.listen(self.publisher)
        if running.speech.node is None:
            self.devices = DeviceStates(
                running.table, running.pipeline.image, self._health, self._clock, root.gateway.id, self.publisher
            )
