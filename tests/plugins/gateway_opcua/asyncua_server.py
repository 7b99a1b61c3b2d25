"""An OPC UA server in a process of its own: `python asyncua_server.py PORT [NODES [NAMESPACES]]`.

It takes commands by line on stdin: add NAME | model NAME | doubt NAME | delete NAME | write NAME VALUE |
tick PERIOD COUNT | grow NAME | count sessions | silence all | level NUMBER | age SECONDS COUNT | fill SECONDS COUNT.
Each is answered with a line, as is the start. After `tick` the first COUNT nodes count up, once in PERIOD, and the
server keeps their history; `grow` adds a node in a namespace of its own; the others are those of `deeds`.
"""

import asyncio
import datetime as dt
import itertools
import logging
import socket
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from cryptography.x509.oid import ExtendedKeyUsageOID

sys.path.insert(0, str(Path(__file__).parents[3]))  # it runs as a script
from tests.plugins.gateway_opcua.deeds import DEEDS

BAD_SENSOR_FAILURE, UNCERTAIN_SENSOR_NOT_ACCURATE = 0x808C0000, 0x40930000
URI = "http://fieldgate.test/line"
EVERY_TYPE: dict[str, tuple[Any, ua.VariantType]] = {
    "Boolean": (True, ua.VariantType.Boolean),
    "SByte": (-5, ua.VariantType.SByte),
    "Byte": (200, ua.VariantType.Byte),
    "Int16": (-3000, ua.VariantType.Int16),
    "UInt16": (60000, ua.VariantType.UInt16),
    "Int32": (-70000, ua.VariantType.Int32),
    "UInt32": (4_000_000_000, ua.VariantType.UInt32),
    "Int64": (-(2**62) - 1, ua.VariantType.Int64),
    "UInt64": (2**63 + 1, ua.VariantType.UInt64),
    "Float": (1.5, ua.VariantType.Float),
    "Double": (2.25, ua.VariantType.Double),
    "String": ("warm", ua.VariantType.String),
    "DateTime": (dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC), ua.VariantType.DateTime),
    "Guid": (uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a"), ua.VariantType.Guid),
    "ByteString": (b"\x00\x01", ua.VariantType.ByteString),
    "LocalizedText": (ua.LocalizedText("Ofen", "de"), ua.VariantType.LocalizedText),
    "Array": ([1.0, 2.0, 3.0], ua.VariantType.Double),
    "Structure": (ua.Range(Low=-1.0, High=9.0), ua.VariantType.ExtensionObject),
}


class Users(UserManager):
    """One user with a password, and anybody."""

    def get_user(
        self, _server: Any, username: Any = None, password: Any = None, certificate: Any = None
    ) -> User | None:
        del certificate
        known = username is None or (username == "op" and password == "secret")
        return User(role=UserRole.Admin) if known else None


async def serve(port: int, count: int = 20, others: int = 0) -> None:
    server = Server(user_manager=Users())
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/line")
    await _secure(server)
    for i in range(others):
        await server.register_namespace(f"urn:other:{i}")
    index = await server.register_namespace(URI)
    folder = await server.nodes.objects.add_folder(index, "Line")
    nodes = {}
    for i in range(count):
        nodes[f"N{i}"] = await folder.add_variable(_node(f"N{i}", index), f"N{i}", float(i))
    for name, (value, kind) in EVERY_TYPE.items():
        nodes[name] = await folder.add_variable(_node(name, index), name, value, kind)
    await _boiler(server, index)
    await _recipe(server, folder, index)
    async with server:
        await _obey(server, folder, nodes, index)


async def _recipe(server: Server, folder: Node, index: int) -> None:
    """Types of the maker's own: an enumeration, a structure with optional fields in another one, an array, a union."""
    colour = await new_enum(server, index, "Colour", ["red", "green"])
    step_fields = [
        new_struct_field("Number", ua.VariantType.UInt16),
        new_struct_field("Colour", colour),
        new_struct_field("Note", ua.VariantType.String, optional=True),
        new_struct_field("Limits", ua.VariantType.Double, array=True),
    ]
    step, _ = await new_struct(server, index, "Step", step_fields)
    goal, _ = await new_struct(
        server,
        index,
        "Goal",
        [new_struct_field("Weight", ua.VariantType.Double), new_struct_field("Pieces", ua.VariantType.Int32)],
        is_union=True,
    )
    recipe_fields = [
        new_struct_field("Id", ua.VariantType.Int64),
        new_struct_field("First", step),
        new_struct_field("Steps", step, array=True),
        new_struct_field("Goal", goal),
    ]
    await new_struct(server, index, "Recipe", recipe_fields)
    made: Any = await server.load_data_type_definitions()
    one = made["Step"](Number=1, Colour=made["Colour"].green, Note=None, Limits=[0.5, 1.5])
    two = made["Step"](Number=2, Colour=made["Colour"].red, Note="slow", Limits=[])
    wish = made["Goal"]()
    wish.Pieces = 12
    await folder.add_variable(_node("Colour", index), "Colour", 1, ua.VariantType.Int32, colour.nodeid)
    valve = await folder.add_variable(_node("Valve", index), "Valve", True)  # as a TwoStateDiscrete is made
    for name, text in (("FalseState", "shut"), ("TrueState", "open")):
        await valve.add_property(ua.NodeId(), ua.QualifiedName(name), ua.LocalizedText(text))
    value = made["Recipe"](Id=2**60 + 1, First=one, Steps=[one, two], Goal=wish)
    await folder.add_variable(_node("Recipe", index), "Recipe", value)


async def _boiler(server: Server, index: int) -> None:
    """A machine as makers model it: units and ranges, an array, what is bad or not readable, and a way back up."""
    boiler = await server.nodes.objects.add_object(_node("Boiler", index), _name("Boiler #1", index))
    has_component = ua.NodeId(ua.Int32(47))
    await boiler.add_reference(server.nodes.objects, has_component, bidirectional=False)
    for name, number, low, high in (("Temperature", 21.5, 0.0, 100.0), ("Pressure", 12.0, 0.0, 10.0)):
        node = await boiler.add_variable(_node(f"Boiler.{name}", index), _name(name, index), number)
        await _model(node, "°C" if name == "Temperature" else None, low, high)
    writable: dict[str, tuple[Any, ua.VariantType]] = {
        "Setpoint": (20.5, ua.VariantType.Float),
        "Mode": (1, ua.VariantType.Int16),
        "On": (False, ua.VariantType.Boolean),
        "Recipe": ("lager", ua.VariantType.String),
        "Größe A/B": (7, ua.VariantType.Byte),
    }
    for name, (value, kind) in writable.items():
        node = await boiler.add_variable(_node(f"Boiler.{name}", index), _name(name, index), value, kind)
        await node.set_writable()
    await boiler.add_variable(_node("Boiler.Curve", index), _name("Curve", index), [1.0, 2.0])
    level = await boiler.add_variable(_node("Boiler.Level", index), _name("Level", index), 0.0)
    await level.write_value(
        ua.DataValue(ua.Variant(0.0, ua.VariantType.Double), ua.StatusCode(ua.UInt32(BAD_SENSOR_FAILURE)))
    )
    hidden = await boiler.add_variable(_node("Boiler.Key", index), _name("Key", index), "secret")
    for attribute in (17, 18):  # access level, and that of the user
        await hidden.write_attribute(attribute, ua.DataValue(ua.Variant(0, ua.VariantType.Byte)))


async def _model(node: Node, unit: str | None, low: float, high: float) -> None:
    """As an AnalogItem has it; without a name of the unit its code, that of degrees Celsius."""
    information = ua.EUInformation(
        NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
        UnitId=ua.Int32(4408652),
        DisplayName=ua.LocalizedText(unit),
    )
    await node.add_property(ua.NodeId(), ua.QualifiedName("EngineeringUnits"), information)
    await node.add_property(ua.NodeId(), ua.QualifiedName("EURange"), ua.Range(Low=low, High=high))


def _name(name: str, index: int) -> ua.QualifiedName:
    return ua.QualifiedName(name, ua.UInt16(index))


def _node(name: str, index: int) -> ua.NodeId:
    return ua.NodeId(ua.String(name), ua.Int16(index))


async def _secure(server: Server) -> None:
    server.set_security_policy(
        [ua.SecurityPolicyType.NoSecurity, ua.SecurityPolicyType.Basic256Sha256_Sign,
         ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
    )  # fmt: skip
    uri = "urn:fieldgate:test:server"
    await server.set_application_uri(uri)
    folder = Path(tempfile.mkdtemp())
    key, certificate = folder / "key.pem", folder / "certificate.der"
    await setup_self_signed_certificate(
        key, certificate, uri, socket.gethostname(), [ExtendedKeyUsageOID.SERVER_AUTH], {"commonName": "test"}
    )
    await server.load_certificate(str(certificate))
    await server.load_private_key(str(key))


async def _obey(server: Server, folder: Node, nodes: dict[str, Node], index: int) -> None:
    _say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        verb, name, *rest = line.split()
        if verb in ("add", "model", "doubt"):
            nodes[name] = await _add(folder, _node(name, index), verb)
        elif verb == "delete":
            await server.delete_nodes([nodes.pop(name)])
        elif verb == "write":
            await nodes[name].write_value(float(rest[0]))
        elif verb == "grow":
            late = await server.register_namespace("urn:late")
            await folder.add_variable(_node(name, late), name, 1.0)
        elif verb in DEEDS:
            _say(await DEEDS[verb](server, nodes, name, *rest) or "")
        elif verb == "tick":
            ticking = [nodes[f"N{i}"] for i in range(int(rest[0]))]
            await server.historize_node_data_change(ticking, period=dt.timedelta(hours=3))
            ticker = asyncio.create_task(_tick(ticking, float(name)))
            server.ticker = ticker  # type: ignore[attr-defined]  # kept from the collector
        _say("done")


async def _add(folder: Node, node: ua.NodeId, how: str) -> Node:
    """A node; as a `model` with unit and range, in `doubt` with a value that is uncertain."""
    added = await folder.add_variable(node, str(node.Identifier), 1.0)
    if how == "model":
        await _model(added, "bar", 0.0, 6.0)
    if how == "doubt":
        status = ua.StatusCode(ua.UInt32(UNCERTAIN_SENSOR_NOT_ACCURATE))
        await added.write_value(ua.DataValue(ua.Variant(7.0, ua.VariantType.Double), status))
    return added


async def _tick(nodes: list[Node], period: float) -> None:
    """All count up together, each with a time of its own, on an absolute grid."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in itertools.count(1000):
        for node in nodes:
            value = ua.DataValue(
                ua.Variant(float(number), ua.VariantType.Double), SourceTimestamp=ua.DateTime.now(dt.UTC)
            )
            await node.write_value(value)
        await asyncio.sleep(start + (number - 999) * period - loop.time())


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(*map(int, sys.argv[1:])))
