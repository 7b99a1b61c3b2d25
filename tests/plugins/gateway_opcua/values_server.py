"""An asyncua server whose variables take values of any type: `python values_server.py PORT NODES`.

They are V0, V1, … in the namespace of `values.xml`; clients write them. It runs until its stdin is closed.
"""

import asyncio
import logging
import sys
from pathlib import Path

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager

TYPES = Path(__file__).with_name("values.xml")
URI = "http://fieldgate.test/values"


class Anybody(UserManager):
    """Everybody may write."""

    def get_user(self, *_: object, **__: object) -> User:
        return User(role=UserRole.Admin)


async def serve(port: int, count: int) -> None:
    server = Server(user_manager=Anybody())
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/values")
    await server.import_xml(str(TYPES))
    index = await server.get_namespace_index(URI)
    for number in range(count):
        node = ua.NodeId(ua.String(f"V{number}"), ua.Int16(index))
        await server.nodes.objects.add_variable(node, f"V{number}", None, ua.VariantType.Null, ua.NodeId(ua.Int32(24)))
    server.iserver.aspace._is_expected_variant_type = lambda *_: True  # type: ignore[method-assign]  # it knows no node of any type
    async with server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(*map(int, sys.argv[1:])))
