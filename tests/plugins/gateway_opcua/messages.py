"""Messages as asyncua encodes them, to hold our decoder against."""

import datetime as dt
from collections.abc import Sequence

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from gateway_opcua.codec import PUBLISH_RESPONSE, READ_RESPONSE, SERVICE_FAULT, type_id


def status(code: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(code))


def node(text: str) -> ua.NodeId:
    return ua.NodeId.from_string(text)


def read_response(values: Sequence[ua.DataValue], header: ua.ResponseHeader | None = None) -> bytes:
    results = len(values).to_bytes(4, "little") + b"".join(map(data_value, values))
    return type_id(READ_RESPONSE) + struct_to_binary(header or ua.ResponseHeader()) + results + b"\xff\xff\xff\xff"


def data_value(value: ua.DataValue) -> bytes:
    """In the order of the standard (Part 6 §5.2.2.17); asyncua puts the server's time before the picoseconds."""
    if value.SourcePicoseconds is None or value.ServerTimestamp is None:
        return struct_to_binary(value)
    whole = struct_to_binary(value)
    end = len(whole) - (0 if value.ServerPicoseconds is None else 2)
    server, source = whole[end - 10 : end - 2], whole[end - 2 : end]
    return whole[: end - 10] + source + server + whole[end:]


def publish_response(
    notifications: Sequence[object],
    *,
    subscription: int = 7,
    sequence: int = 1,
    more: bool = False,
    sent: dt.datetime | None = None,
) -> bytes:
    message = ua.NotificationMessage(SequenceNumber=sequence, NotificationData=list(notifications))
    message.PublishTime = sent or dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
    result = ua.PublishResult(
        SubscriptionId=subscription,
        AvailableSequenceNumbers=[1, 2],
        MoreNotifications=more,
        NotificationMessage=message,
    )
    return type_id(PUBLISH_RESPONSE) + struct_to_binary(ua.ResponseHeader()) + struct_to_binary(result)


def data_change(items: Sequence[tuple[int, ua.DataValue]]) -> ua.DataChangeNotification:
    monitored = [ua.MonitoredItemNotification(ClientHandle=handle, Value=value) for handle, value in items]
    return ua.DataChangeNotification(MonitoredItems=monitored)


def fault(code: int) -> bytes:
    header = ua.ResponseHeader(ServiceResult=status(code))
    return type_id(SERVICE_FAULT) + struct_to_binary(header)
