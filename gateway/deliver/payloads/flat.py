"""Telemetry as flat JSON, one message per tag, on a topic of its own (config/schema/flat-1.json).

It costs a message per reading, in the outbox and at the broker: for some hundreds of readings a second, and for
consumers that read one value a message (Home Assistant, a Telegraf parser, a UNS). Columns cost a twentieth.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.deliver.event import Class, dumps
from gateway.deliver.telemetry import OutboxPort
from gateway.sdk.quality import BAD, UNCERTAIN
from gateway.sdk.tags import TagTable
from gateway.stages.condition import Readings

_MS: Final = 1_000_000


def topic_name(tag: str) -> str:
    """`pump-7.flow` → `pump-7/flow`: what {name} of the topic is for a tag."""
    return tag.replace(".", "/", 1)


class FlatTelemetry:
    """Tells of the readings of one table, one message a reading. `doubt` as of `gateway.deliver.telemetry`."""

    def __init__(
        self, table: TagTable, outbox: OutboxPort, topic: Callable[[Class, str], str], doubt: Callable[[], str] = str
    ) -> None:
        self._topics = [topic(Class.TELEMETRY, topic_name(name)) for name in table.names]
        self._outbox, self._doubt = outbox, doubt

    def send(  # noqa: PLR0913 - as `gateway.deliver.telemetry`
        self,
        device: int,  # noqa: ARG002 - each tag has its own topic
        part: Readings,
        other: dict[int, object],
        received: int,  # noqa: ARG002 - a message bears the source time alone
        *,
        readings: int | None = None,
        historical: bool = False,
        served: NDArray[np.int64] | None = None,
    ) -> None:
        """Put a message for each reading; the arguments are those of `gateway.deliver.telemetry`."""
        outbox, count, doubt = self._outbox, 1 if readings is None else 0, self._doubt()
        served_ms = [0] * len(part) if served is None else (served // _MS).tolist()
        columns = (
            part.rows.tolist(),
            part.value.tolist(),
            (part.time // _MS).tolist(),
            part.status.tolist(),
            served_ms,
        )
        for row, value, time, status, at in zip(*columns, strict=True):
            content = flat(other.get(row, value), time, status, historical=historical, served=at)
            body = dumps(content | {"clock": doubt} if doubt else content)
            outbox.put(Class.TELEMETRY, outbox.reserve(Class.TELEMETRY), self._topics[row], body, count)


def flat(value: Any, time: int, status: int, *, historical: bool = False, served: int = 0) -> dict[str, Any]:
    """The content of one message; `time` and `served` in Unix ms, `status` an OPC UA StatusCode."""
    message = {"value": value.hex() if isinstance(value, bytes) else value, "timestamp_ms": time}
    message["quality"] = "good" if status < UNCERTAIN else "uncertain" if status < BAD else "bad"
    if status:
        message["status"] = status
    if served:
        message["served_ms"] = served
    if historical:
        message["historical"] = True
    return message
