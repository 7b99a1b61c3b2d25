"""An OPC UA server with two machines of companion specifications: `python companion_server.py PORT`. Says "ready".

A filler by PackML (OPC 30050) and a press by Machinery (OPC 40001-1), as their tables name the nodes.
"""

import asyncio
import sys

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server

MAKER, PACKML = "http://maker.example/line", "http://opcfoundation.org/UA/PackML/"
MACHINERY, DI = "http://opcfoundation.org/UA/Machinery/", "http://opcfoundation.org/UA/DI/"


def named(parent: Node, name: str) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns=1;s={parent.nodeid.to_string()}.{name}")


async def child(parent: Node, namespace: int, name: str) -> Node:
    made: Node = await parent.add_object(named(parent, name), ua.QualifiedName(name, namespace))
    return made


async def variable(parent: Node, namespace: int, name: str, value: float | bool, kind: ua.VariantType) -> None:
    await parent.add_variable(named(parent, name), ua.QualifiedName(name, namespace), ua.Variant(value, kind))


async def main() -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{sys.argv[1]}")
    maker, packml, machinery, di = [await server.register_namespace(uri) for uri in (MAKER, PACKML, MACHINERY, DI)]
    status = await child(await child(server.nodes.objects, maker, "Filler"), packml, "Status")
    await variable(status, packml, "UnitModeCurrent", 1, ua.VariantType.Int32)
    await variable(status, packml, "CurMachSpeed", 118.5, ua.VariantType.Float)
    await variable(status, packml, "MachSpeed", 120.0, ua.VariantType.Float)
    await variable(status, packml, "EquipmentBlocked", False, ua.VariantType.Boolean)
    await variable(status, packml, "EquipmentStarved", True, ua.VariantType.Boolean)
    press = await child(await child(server.nodes.objects, machinery, "Machines"), maker, "Press")
    blocks = await child(press, machinery, "MachineryBuildingBlocks")
    counters = await child(blocks, di, "OperationCounters")
    await variable(counters, di, "PowerOnDuration", 7_200_000.0, ua.VariantType.Double)
    await variable(counters, di, "OperationDuration", 3_600_500.0, ua.VariantType.Double)
    async with server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main())
