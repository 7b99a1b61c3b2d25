"""The way to the broker of what runs: the publisher, what it hears, and what it tells of devices."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.deliver.dialling import Dialling
from gateway.deliver.event import rfc3339
from gateway.deliver.legend import Frames, Legend
from gateway.deliver.publisher import Publisher
from gateway.deliver.voice import Plain
from gateway.operators.desk import Desk
from gateway.operators.devices import DeviceStates
from gateway.operators.writing import Parts, Writing
from gateway.running import Lasting, Running
from gateway.sdk import Clock, Log
from gateway.state.edition import Told


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
        legend: tells what values mean; None where there is no broker.
        status: tells which configuration runs, beside that the gateway is online; None for an edge node.
    """

    def __init__(self, lasting: Lasting, clock: Clock, log: Log, heard: Heard) -> None:
        self._outbox, self._health, self._edition = lasting.outbox, lasting.outside.health, lasting.edition
        self._clock, self._log, self._heard = clock, log, heard
        self.publisher: Publisher | None = None
        self.devices: DeviceStates | None = None
        self.legend: Legend | None = None
        self.status: Plain | None = None

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
            self.publisher = self.devices = self.legend = self.status = None
            self._make(running)
            return
        if self.devices is not None:
            self.devices.go_on(running.table, running.pipeline.image)
        if self.legend is not None:
            self.legend.go_on(*_explained(running))

    def tell(self) -> None:
        """Tell the broker what it does not know yet of devices and of what their values mean; once a second."""
        for one in (self.devices, self.legend):
            if one is not None:
                one.tell()
        if self.status and self.publisher and self.publisher.connected:
            self.publisher.speak(self.status.news())

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
        running.speech.give(self.publisher, running.pipeline.image)
        self.legend = Legend(self.publisher, *_explained(running))
        if root.mqtt.commands:
            self._heard.desk.listen(self.publisher)
        self._heard.writing.listen(self.publisher)
        if running.speech.node is None:
            self.status = self.publisher.voice = self._voice(self.publisher, root.gateway.id)
            self.devices = DeviceStates(
                running.table, running.pipeline.image, self._health, self._clock, root.gateway.id, self.publisher
            )

    def _voice(self, publisher: Publisher, gateway: str) -> Plain:
        return Plain(
            publisher.topics, gateway, lambda: self._outbox.epoch, self._clock.wall_ns, lambda: said(self._edition.now)
        )


def said(now: Told | None) -> Mapping[str, Any]:
    """Which configuration runs, as the status message says it; empty before that is known."""
    if now is None:
        return {}
    since = {"since": rfc3339(int(now.since * 1e9))} if now.since else {}
    return {"configuration": {"number": now.number, "digest": now.digest, **since, "differs": now.differs}}


def _explained(running: Running) -> tuple[Frames, Callable[[], int]]:
    """What a legend of it says, and how much of that is known."""
    meanings = running.meanings
    return partial(running.speech.explained, running.watch.names), lambda: meanings.known
