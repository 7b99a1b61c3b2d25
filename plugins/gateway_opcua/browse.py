"""Looking at a server for an operator: a session of its own, from a start down, part by part. Reads only."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from pydantic import ValidationError

from gateway.sdk import ConfigError, Host
from gateway.sdk.browse import Found, Look, Visit
from gateway_opcua import browsepath, nodeid, status
from gateway_opcua.browsepath import BrowsePath
from gateway_opcua.codec import ServiceFaultError
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.enumerations import Enumerations
from gateway_opcua.found import describe
from gateway_opcua.inventory import BROWSE_NAME, Inventory, value_at
from gateway_opcua.places import translate
from gateway_opcua.session import Session
from gateway_opcua.walk import Node, Walk

_OBJECTS: Final = nodeid.encode(0, 85)
_NODE_CLASS: Final = 2
_SOMETHING: Final = {"server_time": {"node": "i=2258"}}  # a tag that every server has; a table wants one
_SHOWN: Final = ("security", "policy", "trust", "fingerprint", "first_use", "user", "user_certificate", "user_key")


def visit(wanted: Visit) -> OpcuaDevice:
    """The table of a server that no configuration names yet. Raises ConfigError."""
    table = {"device": wanted.name, "adapter": "opcua", "connect": wanted.url, "tags": _SOMETHING, **wanted.options}
    try:
        return OpcuaDevice.model_validate(table)
    except ValidationError as error:
        reasons = (f"{'.'.join(map(str, one['loc'])) or wanted.url}: {one['msg']}" for one in error.errors())
        raise ConfigError("; ".join(reasons)) from None


def heading(config: OpcuaDevice) -> dict[str, str]:
    """What is written above the tags of a device: what differs from the defaults."""
    options = {"device": config.device, "adapter": config.adapter, "connect": config.connect}
    fields = OpcuaDevice.model_fields
    options |= {name: str(given) for name in _SHOWN if (given := getattr(config, name)) != fields[name].default}
    return options | ({"accept": ",".join(config.accept)} if config.accept else {})


async def browse(config: OpcuaDevice, host: Host, look: Look) -> AsyncGenerator[Sequence[Found], None]:
    """Everything from `look.start` down. Raises DisconnectedError, and ConfigError for a start that there is not."""
    session = Session(config, host)
    await session.open()
    try:
        inventory = Inventory(session, everything=look.everything)
        root = await _root(session, inventory, look.start)
        way = _way(look)
        walk = Walk(Enumerations(session, inventory).look, depth=look.depth, nodes=look.nodes, step=inventory.step)
        async for nodes in walk.run(root):
            yield [describe(node, session.namespaces, way) for node in nodes]
    finally:
        await session.close()


def _way(look: Look) -> BrowsePath | None:
    """The path to the start, where tags are to be named by theirs."""
    if not look.by_path:
        return None
    if look.start and not look.start.startswith("/"):
        raise ConfigError(f"{look.start} is no path, so no tag below it can be named by its path")
    return browsepath.parse(look.start or "/Objects")


async def _root(session: Session, inventory: Inventory, start: str) -> Node:
    binary = await _find(session, start) if start else _OBJECTS
    columns = await inventory.read([(binary, BROWSE_NAME), (binary, _NODE_CLASS)])
    kind = value_at(columns, 1)
    if not isinstance(kind, int):
        raise ConfigError(f"{start}: the server does not show this node ({status.name(int(columns.status[1]))})")
    space, _, name = str(value_at(columns, 0)).rpartition(":")
    return Node(binary, (name,), (int(space or 0),), kind)


async def _find(session: Session, start: str) -> bytes:
    """The node that `start` names: by its path where it begins with a slash, else by its id."""
    try:
        where = browsepath.parse(start) if start.startswith("/") else nodeid.parse(start)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if isinstance(where, nodeid.NodeId):
        found: bytes | int | None = where.resolve(session.namespaces)
    else:
        path = where.resolve(session.namespaces)
        found = await _walk(session, start, path) if path else None
    if isinstance(found, bytes):
        return found
    raise ConfigError(f"{start}: the server has no such node ({status.name(found or status.BAD_NO_MATCH)})")


async def _walk(session: Session, start: str, path: list[tuple[int, str]]) -> bytes | int:
    try:
        [found] = await translate(session, [path])
    except ServiceFaultError as fault:
        raise ConfigError(f"{start}: the server does not follow paths ({status.name(fault.code)})") from fault
    return found
