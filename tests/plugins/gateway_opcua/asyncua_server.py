"""An OPC UA server in a process of its own: `python asyncua_server.py PORT [NODES]`.

It takes commands by line on stdin: add NAME | delete NAME | write NAME VALUE. Each is answered with a line, as is the
start.
"""

import asyncio
import datetime as dt
import logging
import socket
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.node import Node
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from cryptography.x509.oid import ExtendedKeyUsageOID

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


async def serve(port: int, count: int) -> None:
    server = Server(user_manager=Users())
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/line")
    await _secure(server)
    index = await server.register_namespace(URI)
    folder = await server.nodes.objects.add_folder(index, "Line")
    nodes = {}
    for i in range(count):
        nodes[f"N{i}"] = await folder.add_variable(_node(f"N{i}", index), f"N{i}", float(i))
    for name, (value, kind) in EVERY_TYPE.items():
        nodes[name] = await folder.add_variable(_node(name, index), name, value, kind)
    async with server:
        await _obey(server, folder, nodes, index)


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
        if verb == "add":
            nodes[name] = await folder.add_variable(_node(name, index), name, 1.0)
        elif verb == "delete":
            await server.delete_nodes([nodes.pop(name)])
        elif verb == "write":
            await nodes[name].write_value(float(rest[0]))
        _say("done")


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20))
