"""One event of a server, from the fields that it told to what leaves the gateway (Part 5 §6.4.2, Part 9 §5.5.2). Pure.

Whatever a server leaves out is None; nothing of it is needed but to be told.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from gateway.sdk import Occurrence
from gateway_opcua.eventfilter import CONDITION_ID, Asked
from gateway_opcua.found import address_of
from gateway_opcua.plain import FOREIGN, plain
from gateway_opcua.references import binary
from gateway_opcua.wire import CodecError

EVENT, CONDITION, LOST = "device event", "device condition", "device events lost"
"""Kinds of the messages that come of it."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LATEST: Final = dt.datetime(2262, 1, 1, tzinfo=dt.UTC)  # then 64 bits of ns end
_LONGEST: Final = 4096  # characters of a text; an event may hold a book
_DIGITS: Final = 10
_FLAGS: Final = {
    "retain": "Retain", "enabled": "EnabledState/Id", "active": "ActiveState/Id", "acked": "AckedState/Id",
    "confirmed": "ConfirmedState/Id", "suppressed": "SuppressedOrShelved",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        event_id: given by the server, the same each time that it is told.
        type_id: binary id of its type.
        condition: id of the condition that it is about, of our own making and the same over restarts; "" for none.
        node: binary id of the condition; empty for none.
        time: Unix ns UTC, by the server's clock; 0 where it tells none.
        severity: 1 to 1000; 0 where it is not told.
        text: the message.
        retain: the condition is of interest still (Part 9 §5.5.2.9).
        fields: what is told of it.
        kind: name of its type; "" until it is known.
    """

    event_id: bytes
    type_id: bytes
    condition: str
    node: bytes
    time: int
    severity: int
    text: str
    retain: bool
    fields: Mapping[str, Any]
    kind: str = ""

    @property
    def state(self) -> tuple[Any, ...]:
        """What must differ for a condition to be news when it is told again."""
        return self.time, self.severity, self.text, *(self.fields.get(name) for name in (*_FLAGS, "limit", "comment"))

    def occurrence(self, device: str, received: int, **more: Any) -> Occurrence:
        """As it leaves the gateway; `received` (Unix ns UTC) is its time where the server tells none."""
        source = str(self.fields.get("source") or device)
        what = CONDITION if self.condition else EVENT
        text = self.text or f"{source}: {self.kind}"
        return Occurrence(device, what, text, self.time or received, {**self.fields, "type": self.kind, **more})


def decode(body: bytes) -> list[tuple[int, list[Any]]]:
    """(ClientHandle, values of the fields) of each event in an EventNotificationList. Raises CodecError."""
    try:
        told = struct_from_binary(ua.EventNotificationList, Buffer(body)).Events or []
        return [(int(one.ClientHandle), [field.Value for field in one.EventFields or []]) for one in told]
    except FOREIGN as error:
        raise CodecError(f"events cannot be read: {error}") from error


def read(values: Sequence[Any], asked: Asked, namespaces: Sequence[str]) -> Event:
    """One event from the values of the fields that were asked for; those that are missing or odd are null."""
    told = dict(zip(asked.names[: asked.own], values, strict=False))
    node, branch = _binary(told.get(CONDITION_ID), namespaces), _binary(told.get("BranchId"), namespaces)
    condition = condition_id(node, branch, namespaces) if node else ""
    event_id = told.get("EventId")
    event_id = event_id if isinstance(event_id, bytes) else b""
    severity = _number(told.get("Severity"))
    fields: dict[str, Any] = {
        "severity": severity,
        "source": _text(told.get("SourceName")),
        "node": _address(told.get("SourceNode"), namespaces),
        "event_id": event_id.hex(),
        "locale": _locale(told.get("Message")),
    }
    if node:
        fields |= _condition(told, condition, branch, namespaces)
    own = zip(asked.names[asked.own :], map(_own, values[asked.own :]), strict=False)
    if given := {name: value for name, value in own if value is not None}:
        fields["fields"] = given
    return Event(
        event_id,
        _binary(told.get("EventType"), namespaces),
        condition,
        node,
        _time(told.get("Time")),
        severity or 0,
        _text(told.get("Message")) or "",
        told.get("Retain") is True,
        {name: value for name, value in fields.items() if value not in ("", None)},
    )


def _condition(told: Mapping[str, Any], condition: str, branch: bytes, namespaces: Sequence[str]) -> dict[str, Any]:
    flags = {name: value for name, of in _FLAGS.items() if isinstance(value := told.get(of), bool)}
    return flags | {
        "condition": condition,
        "name": _text(told.get("ConditionName")),
        "branch": address_of(branch, namespaces) if branch else None,
        "limit": _text(told.get("LimitState/CurrentState")),
        "comment": _text(told.get("Comment")),
        "by": _text(told.get("ClientUserId")),
    }


def condition_id(node: bytes, branch: bytes, namespaces: Sequence[str]) -> str:
    """A short name for a condition or one of its branches, by their addresses, which outlive a restart."""
    address = address_of(node, namespaces) + (f" {address_of(branch, namespaces)}" if branch else "")
    return hashlib.sha256(address.encode()).hexdigest()[:_DIGITS]


def _binary(value: Any, namespaces: Sequence[str]) -> bytes:
    return binary(value, namespaces) if isinstance(value, ua.NodeId) and not value.is_null() else b""


def _address(value: Any, namespaces: Sequence[str]) -> str | None:
    node = _binary(value, namespaces)
    return address_of(node, namespaces) if node else None


def _text(value: Any) -> str | None:
    found = value.Text if isinstance(value, ua.LocalizedText) else value
    return found[:_LONGEST] if isinstance(found, str) else None


def _locale(value: Any) -> str | None:
    return value.Locale if isinstance(value, ua.LocalizedText) else None


def _own(value: Any) -> Any:
    """A field that somebody asked for; of a book only the beginning."""
    found = plain(value)
    return found[:_LONGEST] if isinstance(found, str | list) else found


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: Any) -> int:
    if not isinstance(value, dt.datetime):
        return 0
    moment = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    return round((moment - _EPOCH) / dt.timedelta(microseconds=1)) * 1000 if _EPOCH < moment < _LATEST else 0
