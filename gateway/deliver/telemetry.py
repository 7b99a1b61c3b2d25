"""Readings on their way out: the message of one device and scan, put into the outbox."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.event import Class
from gateway.deliver.payloads.columnar import Columnar
from gateway.sdk.tags import TagTable
from gateway.stages.condition import Readings


class OutboxPort(Protocol):
    """What the pipeline needs of the outbox."""

    epoch: str

    def reserve(self, cls: Class) -> int:
        """The next sequence number of a class."""

    def put(self, cls: Class, sequence: int, topic: str, body: bytes, readings: int) -> None:
        """Take a message; never blocks."""


class Sends(Protocol):
    """Tells of readings, in whatever form."""

    def send(  # noqa: PLR0913 - what a message is made of
        self,
        device: int,
        part: Readings,
        other: dict[int, object],
        received: int,
        *,
        readings: int | None = None,
        historical: bool = False,
        served: NDArray[np.int64] | None = None,
    ) -> None:
        """Put what tells of `part` into the outbox; see `Telemetry.send`."""


class Telemetry:
    """Tells of the readings of one table. `doubt` gives why the clock is not to be trusted now; empty: it is."""

    def __init__(
        self, gateway: str, table: TagTable, outbox: OutboxPort, topic: Callable[[Class, str], str],
        doubt: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self._names = [device.name for device in table.devices]
        self._columnar = Columnar(gateway, table, doubt)
        self._outbox, self._topic = outbox, topic

    def send(  # noqa: PLR0913 - what a message is made of
        self,
        device: int,
        part: Readings,
        other: dict[int, object],
        received: int,
        *,
        readings: int | None = None,
        historical: bool = False,
        served: NDArray[np.int64] | None = None,
    ) -> None:
        """Send one message.

        Args:
            device: id of the device.
            part: its conditioned readings, one at least.
            other: values that are no numbers, by row.
            received: when they came, Unix ns.
            readings: how many of them count as read; all unless given.
            historical: they were missed and read later; rows may repeat.
            served: server time of each, Unix ns, 0 where it is not known; None where nobody asked for it.
        """
        outbox = self._outbox
        sequence = outbox.reserve(Class.TELEMETRY)
        body = self._columnar.encode(
            device, part.rows, part.value, part.time, part.status, other, outbox.epoch, sequence, received,
            historical=historical, served=served,
        )  # fmt: skip
        topic = self._topic(Class.TELEMETRY, self._names[device])
        outbox.put(Class.TELEMETRY, sequence, topic, body, len(part) if readings is None else readings)
