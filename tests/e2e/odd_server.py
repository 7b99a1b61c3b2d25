"""An OPC UA server in a process of its own that says what no server should: `python odd_server.py PORT`.

On stdin, by line: NAME TYPE VALUE AGE writes a variable (it is made at the first writing) with a source time of AGE
seconds ago; answered by a line.
"""

import asyncio
import datetime as dt
import logging
import sys
from collections.abc import Callable
from typing import Any, cast

from asyncua import ua
from asyncua.server.server import Server

READ: dict[str, Callable[[str], Any]] = {
    "Boolean": lambda text: text == "True",
    "Double": float,
    "Float": float,
    "Int64": int,
    "String": str,
}


def data_value(kind: str, text: str, age: str) -> ua.DataValue:
    value: Any = READ[kind](text)
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=float(age))
    return ua.DataValue(ua.Variant(value, getattr(ua.VariantType, kind)), SourceTimestamp=cast("ua.DateTime", moment))


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


async def serve(port: int) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace("http://fieldgate.test/odd")
    vars(server.iserver.aspace)["_is_expected_variant_type"] = lambda *_: True  # a variable may change its type
    known: set[str] = set()
    async with server:
        say("ready")
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, kind, text, age = line.split()
            node = ua.NodeId.from_string(f"ns=2;s={name}")
            if name not in known:
                known.add(name)
                await server.nodes.objects.add_variable(node, ua.QualifiedName(name, 2), 0.0)
            await server.write_attribute_value(node, data_value(kind, text, age))
            say("done")


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(int(sys.argv[1])))
