"""Readings on their way into the outbox, as metrics without sequence number and time of sending: those come later.

body = flags u1 · fingerprint of the catalog u4 · metrics, as they stand in a payload
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.event import Class
from gateway.deliver.sparkplug.catalog import Catalog, Snapshot
from gateway.deliver.sparkplug.columns import Encoder
from gateway.deliver.sparkplug.reading import read
from gateway.deliver.telemetry import OutboxPort
from gateway.sdk.quality import BAD
from gateway.stages.condition import Readings

_HEAD: Final = struct.Struct("<BI")
_LOST, _PAST = 1, 2  # the device was lost with it; its readings were historical from the first


class Stored(NamedTuple):
    """A body as it lay in the outbox."""

    lost: bool
    past: bool
    fingerprint: int
    metrics: bytes


def stored(body: bytes) -> Stored:
    """What `body` holds."""
    flags, fingerprint = _HEAD.unpack_from(body)
    return Stored(bool(flags & _LOST), bool(flags & _PAST), fingerprint, body[_HEAD.size :])


def shown(body: bytes) -> list[dict[str, Any]]:
    """The metrics in `body`, for a person: alias, time and value, which may be unsigned for want of a datatype."""
    return [
        {"alias": one.alias, "timestamp": one.timestamp, "value": one.value}
        for one in read(stored(body).metrics, most=len(body)).metrics
    ]


class SparkplugTelemetry:
    """Tells of the readings of one catalog.

    Args:
        catalog: of the tags.
        outbox: where the messages go.
        topics: DDATA topic of each device.
        told: name the datatype in each metric.

    Attributes:
        catalog: as given.
        image: the last values; set before the first reading.
        last: by device, the sequence of its last message in this run.
    """

    image: Snapshot

    def __init__(self, catalog: Catalog, outbox: OutboxPort, topics: Sequence[str], *, told: bool) -> None:
        self.catalog, self._outbox, self._topics = catalog, outbox, topics
        self._encode = Encoder(catalog, told=told)
        self.last: dict[int, int] = {}

    def send(  # noqa: PLR0913 - as `gateway.deliver.telemetry`
        self,
        device: int,
        part: Readings,
        other: dict[int, object],
        received: int,  # noqa: ARG002 - a payload bears the time of its sending
        *,
        readings: int | None = None,
        historical: bool = False,
        served: NDArray[np.int64] | None = None,  # noqa: ARG002 - a metric has one timestamp (Sparkplug 3.0 §6.4.6)
    ) -> None:
        """Put one message; the arguments are those of `gateway.deliver.telemetry`."""
        if other:
            self.catalog.learn(other)
        flags = (0 if self.present(device) else _LOST) | (_PAST if historical else 0)
        body = _HEAD.pack(flags, self.catalog.fingerprint) + self._encode(part, other)
        sequence = self.last[device] = self._outbox.reserve(Class.TELEMETRY)
        count = len(part) if readings is None else readings
        self._outbox.put(Class.TELEMETRY, sequence, self._topics[device], body, count)

    def present(self, device: int) -> bool:
        """Whether the device answers: one of its tags at least is not bad."""
        return int(self.image.status[self.catalog.rows[device]].min()) < BAD
