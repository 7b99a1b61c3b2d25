"""What is no number, as plain Python: text, lists and dicts, in the manner of OPC UA's JSON encoding (Part 6 §5.4).

asyncua decodes; what it gives is turned into values that any payload can carry.
"""

import base64
import struct
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary

from gateway_opcua.wire import CodecError

# What asyncua raises over bytes that do not match its idea of a type.
FOREIGN: Final = (RuntimeError, struct.error, ValueError, TypeError, LookupError, AttributeError, OverflowError)


class Unknown(dict[str, Any]):
    """A structure of a type that asyncua does not know: its type and its bytes, for people and for whoever knows it.

    Attributes:
        type_id: of its binary encoding.
        body: as it came.
    """

    type_id: ua.NodeId = ua.NodeId()
    body: bytes = b""

    @classmethod
    def of(cls, value: ua.ExtensionObject) -> "Unknown":
        """What is known of `value`."""
        told = cls(TypeId=plain(value.TypeId), Body=plain(value.Body))
        told.type_id, told.body = value.TypeId, value.Body or b""
        return told


def decode_variant(data: bytes) -> Any:
    """The value of one binary Variant. Raises CodecError when it cannot be read."""
    try:
        return plain(variant_from_binary(Buffer(data)).Value)
    except FOREIGN as error:
        raise CodecError(f"a value cannot be read: {error}") from error


def plain(value: Any) -> Any:
    """Text, numbers, lists and dicts only."""
    if value is None or isinstance(value, str | bool | float):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    if type(value) is ua.ExtensionObject:
        return Unknown.of(value)
    for kind, convert in _OBJECTS:
        if isinstance(value, kind):
            return convert(value)
    return _plain_structure(value)


def _plain_structure(value: Any) -> Any:
    """A structure by its fields; one of an unknown type by its id and its bytes."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name not in ("Encoding", "data_type")}
    return str(value)


_OBJECTS: Final[list[tuple[type | tuple[type, ...], Callable[[Any], Any]]]] = [
    (bytes, lambda value: base64.b64encode(value).decode()),
    (UUID, str),
    (datetime, lambda value: value.isoformat().replace("+00:00", "Z")),
    (ua.LocalizedText, lambda value: value.Text),
    (ua.NodeId, lambda value: value.to_string()),
    (ua.QualifiedName, lambda value: f"{value.NamespaceIndex}:{value.Name or ''}"),
    (ua.StatusCode, lambda value: value.value),
    ((ua.Variant, ua.DataValue, ua.XmlElement), lambda value: plain(value.Value)),
]
