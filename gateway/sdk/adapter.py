"""The door for adapters: one class, three methods. The runner owns everything else.

Back-off, the circuit breaker, counters, log lines, sequence numbers and staleness are the runner's. An adapter opens a
connection, brings batches from it until it is lost, and closes it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from gateway.sdk.batch import Batch, Sink
from gateway.sdk.clock import Clock
from gateway.sdk.config import DeviceConfig
from gateway.sdk.events import Tell, unheard
from gateway.sdk.schedule import Schedule
from gateway.sdk.tags import Connection, Group

API_VERSION = 1
READ_WITHIN = 30.0  # s; reads are to be quicker, this is the last bound


class Log(Protocol):
    """Structured log: an event in few words, and key=value. Never per reading."""

    def debug(self, event: str, **fields: Any) -> Any:
        """For a developer."""

    def info(self, event: str, **fields: Any) -> Any:
        """A change of state that an operator may look for."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Something that is wrong and that the gateway lives with."""


@dataclass(frozen=True)
class Host:
    """What an adapter is given of its surroundings, and nothing more."""

    clock: Clock
    home: Path  # a folder of the adapter's own that survives restarts: certificates, limits learnt
    log: Log
    tell: Tell = unheard  # what happens in a device, for the plant


class Adapter(ABC):
    """Reads the devices of one connection.

    Life: `__init__` → (`connect` → `run` → `close`)*. All calls come from one task; `close` may come at any time.
    """

    Config: ClassVar[type[DeviceConfig]]
    api_version: ClassVar[int] = API_VERSION

    def __init__(self, connection: Connection, host: Host) -> None:
        """Keep what is given. No I/O here. Raise ConfigError for what the table alone cannot refuse."""
        self.connection = connection
        self.host = host
        self.counters: Counter[str] = Counter()  # shown in the metrics by name; snake_case, only ever counted up

    @abstractmethod
    async def connect(self) -> None:
        """Open the connection, in bounded time. Raises DisconnectedError when the other side is away."""

    @abstractmethod
    async def run(self, sink: Sink) -> None:
        """Bring batches into `sink` until the connection is lost: then raise DisconnectedError. Never returns.

        One device of several on the connection that fails gives `Batch.failed` and is tried again: the others go on.
        """

    def gauges(self) -> Mapping[str, float]:
        """What stands now, for the metrics: names that end in `_standing`. Asked from another thread: only look."""
        return {}

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything. Safe at any time, and twice. Never raises for a connection that is already gone."""


class PolledAdapter(Adapter):
    """For whoever only has a `read`: the schedule is done here.

    Attributes:
        asked: since when a read is under way, monotonic seconds; None while none is.
    """

    asked: float | None = None

    @abstractmethod
    async def read(self, group: Group) -> Batch:
        """Read one scan group now, in bounded time. Raises DisconnectedError when the connection is lost."""

    async def run(self, sink: Sink) -> None:
        """Read every group at its period, one at a time, each in its turn. Raises TimeoutError for one without end."""
        clock = self.host.clock
        schedule = Schedule(self.connection.groups, self.connection.phase, clock.monotonic())
        while True:
            due, group = schedule.pop()
            await clock.sleep_until(due)
            sink(await self._read(group))
            before = schedule.overdue
            schedule.push(group, due, clock.monotonic())
            self.counters["polls_overdue_total"] += schedule.overdue - before

    async def _read(self, group: Group) -> Batch:
        self.asked = self.host.clock.monotonic()
        try:
            async with asyncio.timeout(READ_WITHIN):
                return await self.read(group)
        finally:
            self.asked = None
