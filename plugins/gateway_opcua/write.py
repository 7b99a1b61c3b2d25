"""Writing one tag: the server is asked for the type first, the value sent alone, then read back.

Only the value goes out, no status and no time: many servers refuse these (BadWriteNotSupported, Part 4 §5.10.4).
"""

from typing import Final, cast

from asyncua import ua

from gateway.sdk import DisconnectedError, Tag, Value, WriteRefusedError, Written, check_range, quality
from gateway_opcua import status
from gateway_opcua.codec import ATTRIBUTE_VALUE, ReadPlan, ServiceFaultError
from gateway_opcua.coding import convert
from gateway_opcua.columns import Columns
from gateway_opcua.config import OpcuaTag
from gateway_opcua.inventory import DATA_TYPE, VALUE_RANK, VARIANT_ARRAY, builtin_type, value_at
from gateway_opcua.nodeid import NULL
from gateway_opcua.places import Places
from gateway_opcua.references import from_binary
from gateway_opcua.session import Session
from gateway_opcua.wire import CodecError

_REASONS: Final = {
    0x803B0000: "it is not writable",
    0x801F0000: "this user may not write it",
    0x80740000: "the server wants another type",
    0x803C0000: "the value is out of the server's range",
    0x80730000: "the server takes values only with a status or a time",
    0x80340000: "there is no such node",
    0x80350000: "it holds no value",
    0x808D0000: "it is out of service",
    0x808B0000: "the machine behind the server failed",
    0x808A0000: "the server has lost the machine behind it",
    0x80AF0000: "the machine is in a state in which it takes no value",
}
_IN_DOUBT: Final = frozenset({quality.BAD_TIMEOUT, quality.BAD_COMMUNICATION_ERROR})  # what it holds then tells


async def write(session: Session, places: Places, tag: Tag, value: Value) -> Written:
    """Write `tag` and read it back.

    Args:
        session: to its server.
        places: where its node is.
        tag: one of the session's tags.
        value: raw, as the server holds it.

    Raises:
        WriteRefusedError: nothing was changed.
        DisconnectedError: no answer; whether the server took the value is not known.
    """
    config = cast("OpcuaTag", tag.config)
    if not config.writable:
        raise WriteRefusedError(f"{tag.name} is not writable; `write` in its table allows it")
    check_range(config, value)
    node = await _find(places, tag)
    kind = await _type(session, node, tag)
    try:
        variant = convert(value, kind)
    except (ValueError, OverflowError) as error:
        raise WriteRefusedError(f"{tag.name}: {error}") from error
    await _send(session, node, variant, tag)
    held = await _read(session, node, (ATTRIBUTE_VALUE,))
    return Written(tag, value, value_at(held, 0) if held is not None else None)


async def _find(places: Places, tag: Tag) -> bytes:
    try:
        await places.renew([tag.row])
    except (TimeoutError, ServiceFaultError, CodecError) as error:
        raise WriteRefusedError(f"{tag.name}: its node cannot be found now: {error}") from error
    node = places.binary(tag.row)
    if node == NULL:
        raise WriteRefusedError(f"{tag.name}: the server has no such node")
    return node


async def _type(session: Session, node: bytes, tag: Tag) -> int:
    """The built-in type that the server holds there. Raises WriteRefusedError where it cannot be told."""
    columns = await _read(session, node, (ATTRIBUTE_VALUE, DATA_TYPE, VALUE_RANK))
    if columns is None:
        raise WriteRefusedError(f"{tag.name}: the server does not tell the type of its value")
    declared, rank, held = str(value_at(columns, 1)), value_at(columns, 2), int(columns.kind[0])
    if held & VARIANT_ARRAY or (not held and isinstance(rank, int) and rank >= 0):
        raise WriteRefusedError(f"{tag.name} is an array; only single values are written")
    kind = builtin_type(declared) or held
    if not kind:
        why = status.name(int(columns.status[0])) if columns.status[0] else f"it is declared as {declared}"
        raise WriteRefusedError(f"{tag.name}: the type of its value cannot be told: {why}")
    return kind


async def _send(session: Session, node: bytes, variant: ua.Variant, tag: Tag) -> None:
    item = ua.WriteValue(
        NodeId=from_binary(node),
        AttributeId=ua.UInt32(ATTRIBUTE_VALUE),
        Value=ua.DataValue(variant, StatusCode=None),
    )
    try:
        results = await session.ask(lambda service: service.write(ua.WriteParameters(NodesToWrite=[item])))
    except ServiceFaultError as fault:
        code = fault.code
    except DisconnectedError as error:
        raise DisconnectedError(f"{error}; what {tag.name} holds is not known") from error
    else:
        session.expect(len(results or []), 1)
        code = int(results[0].value)
    if code >= quality.BAD and code not in _IN_DOUBT:
        reason = _REASONS.get(code & 0xFFFF0000, "the server refuses it")
        raise WriteRefusedError(f"{tag.name}: {reason} ({status.name(code)})")


async def _read(session: Session, node: bytes, attributes: tuple[int, ...]) -> Columns | None:
    """These attributes of one node; None where the server does not tell."""
    try:
        return await session.read(ReadPlan([node] * len(attributes), attributes))
    except (TimeoutError, ServiceFaultError, CodecError):
        return None
