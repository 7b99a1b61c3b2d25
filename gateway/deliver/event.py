"""What leaves the gateway as one message each: alarms and events, as JSON with a version (config/schema/event-1.json).

An id never comes back with another content: gateway/epoch/class/sequence. Consumers drop repeats by it and see gaps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson

SCHEMA: Final = 1
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Class(StrEnum):
    """What a message is, the most important first: the order of sending, and the reverse of the order of dropping."""

    ALARM = "alarm"
    EVENT = "event"
    TELEMETRY = "telemetry"


@dataclass(frozen=True, slots=True)
class Contribution:
    """One tag's part in a score. `share` sums to 1 over all tags; `expected` is the value that the others suggest.

    `text` is what the value means, where it is one of an enumeration.
    """

    tag: str
    share: float
    value: float | None
    expected: float | None
    unit: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """A change of an alarm's state (ISA-18.2). Times are Unix ns, UTC; `good` of `total` inputs were good.

    `by` and `comment` say who moved it by a command and why, `until_ns` when shelving ends.
    """

    asset: str
    time_ns: int
    state: str
    previous: str
    severity: str
    score: float
    threshold: float
    since_ns: int
    contributions: Sequence[Contribution]
    good: int
    total: int
    model: str
    model_version: str
    message: str
    by: str = ""
    comment: str = ""
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """Something that happened in the gateway: a device lost or back, a calibration done, records dropped.

    `kind` says what ("device lost"), `name` to whom, `text` in a sentence, `fields` with figures that JSON can carry.
    """

    kind: str
    name: str
    time_ns: int
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def class_of(event: AlarmEvent | GatewayEvent) -> Class:
    """The class of the message that `event` becomes."""
    return Class.ALARM if isinstance(event, AlarmEvent) else Class.EVENT


def message_id(gateway: str, epoch: str, cls: Class, sequence: int) -> str:
    """`line-3/18bcfe56800/alarm/7`."""
    return f"{gateway}/{epoch}/{cls}/{sequence}"


def encode(event: AlarmEvent | GatewayEvent, gateway: str, epoch: str, sequence: int, doubt: str = "") -> bytes:
    """The message, as JSON. What is no finite number becomes null; a field that JSON cannot carry becomes text.

    `doubt`: why its times are not to be trusted (gateway.ops.walltime.Doubt); empty where they are.
    """
    cls = class_of(event)
    head = {
        "schema": SCHEMA,
        "id": message_id(gateway, epoch, cls, sequence),
        "type": cls.value,
        "gateway": gateway,
        "epoch": epoch,
        "sequence": sequence,
        "time": rfc3339(event.time_ns),
    }
    body = _alarm(event) if isinstance(event, AlarmEvent) else _event(event)
    return dumps(head | body | ({"clock": doubt} if doubt else {}))


def dumps(message: Mapping[str, Any]) -> bytes:
    """JSON; numpy columns as they are, what JSON cannot carry as text. Never raises on odd data.

    In memory of its own length: orjson leaves its buffer at what it returns, 8 kB at 600 bytes (3.13), and an outbox
    of thousands would take a dozen times what it counts.
    """
    try:
        text = orjson.dumps(message, default=str, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # half a surrogate pair, or an integer beyond 64 bits: a device may say such things
        text = orjson.dumps(_plain(message), default=str, option=orjson.OPT_SERIALIZE_NUMPY)
    return bytes(memoryview(text))  # bytes(text) would be the same object


def rfc3339(time_ns: int) -> str:
    """Unix ns as RFC 3339 in UTC with microseconds, always of one width."""
    return f"{_UNIX + timedelta(microseconds=time_ns // 1000):%Y-%m-%dT%H:%M:%S.%fZ}"


def _alarm(event: AlarmEvent) -> dict[str, Any]:
    until = rfc3339(event.until_ns) if event.until_ns is not None else None
    given = {"by": event.by, "comment": event.comment, "until": until}
    return {
        "asset": event.asset,
        "state": event.state,
        "previous": event.previous,
        "severity": event.severity,
        "score": event.score,
        "threshold": event.threshold,
        "since": rfc3339(event.since_ns),
        "contributions": [_contribution(one) for one in event.contributions],
        "quality": {"good": event.good, "of": event.total},
        "model": {"name": event.model, "version": event.model_version},
        "message": event.message,
    } | {name: value for name, value in given.items() if value}


def _contribution(one: Contribution) -> dict[str, Any]:
    told = {"tag": one.tag, "share": one.share, "value": one.value, "expected": one.expected, "unit": one.unit}
    return told | ({"text": one.text} if one.text else {})


def _event(event: GatewayEvent) -> dict[str, Any]:
    return {"kind": event.kind, "name": event.name, "text": event.text, "fields": dict(event.fields)}


def _plain(value: Any) -> Any:
    """`value` with everything in it that orjson refuses made into text."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
