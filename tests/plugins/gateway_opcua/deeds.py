"""What a test has an asyncua server do besides its plain commands: count, fall silent, and remember hours.

It reaches into asyncua's server for that, as no client could.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server

FIRST = 1000.0  # value of the first second that is remembered
_VALUE: Final = 13  # attribute


async def count(server: Server, *_: Any) -> str:
    """Sessions and subscriptions that clients have here now."""
    internal = server.iserver
    return f"{len(internal._external_sessions)} {len(internal.subscription_service.subscriptions)}"


async def silence(server: Server, *_: Any) -> None:
    """The subscriptions of now publish no more, not even that they live; all else is answered."""
    for subscription in server.iserver.subscription_service.subscriptions.values():
        subscription.publish_results = _nothing  # type: ignore[method-assign, assignment]  # one of a test's making


async def _nothing(_: Any = None) -> bool:
    return False


async def level(server: Server, _: Any, number: str) -> None:
    """It says that it is so well."""
    value = ua.DataValue(ua.Variant(int(number), ua.VariantType.Byte))
    await server.get_node(ua.NodeId(ua.Int32(2267))).write_value(value)


async def age(server: Server, nodes: Mapping[str, Node], seconds: str, count: str) -> None:
    """The first COUNT nodes, whose history is kept from now on, were written last so many seconds ago."""
    aged = [nodes[f"N{i}"] for i in range(int(count))]
    written = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=int(seconds))
    for node in aged:
        await node.write_value(_value(FIRST, written))
    await server.historize_node_data_change(aged, period=dt.timedelta(hours=12))


async def fill(server: Server, nodes: Mapping[str, Node], seconds: str, count: str) -> None:
    """Of those nodes, as if there had been a new number in every second since, and nobody had been told."""
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=int(seconds))
    values = [_value(FIRST + i, begin + dt.timedelta(seconds=i)) for i in range(1, int(seconds) + 1)]
    for node in (nodes[f"N{i}"] for i in range(int(count))):
        for value in values:
            await server.iserver.history_manager.storage.save_node_value(node.nodeid, value)
        server.iserver.aspace[node.nodeid].attributes[_VALUE].value = values[-1]


def _value(number: float, time: dt.datetime) -> ua.DataValue:
    stamp = ua.DateTime.fromtimestamp(time.timestamp(), dt.UTC)
    return ua.DataValue(ua.Variant(number, ua.VariantType.Double), SourceTimestamp=stamp)


DEEDS: Final[Mapping[str, Callable[..., Awaitable[str | None]]]] = {
    "count": count,
    "silence": silence,
    "level": level,
    "age": age,
    "fill": fill,
}
"""By their command: called with the server, its nodes, and the words behind the command."""
