"""CPU of one OPC UA read, per value: ours against asyncua's `read_values`, over one session in one run.

The server runs in a process of its own, so that only the client's CPU is counted: `python bench/opcua_read.py`.
"""

import asyncio
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable

from asyncua import ua
from asyncua.client.client import Client
from asyncua.server.server import Server

from gateway.sdk.testing import LoopClock
from gateway_opcua.channel import open_channel, quiet_asyncua
from gateway_opcua.codec import ReadPlan
from gateway_opcua.nodeid import encode

SIZES = (100, 1000, 5000)
ROUNDS = 15
NODES = 200  # of each kind; a larger read asks for some of them again
KINDS = (ua.VariantType.Double, ua.VariantType.Float, ua.VariantType.Int32, ua.VariantType.Boolean)


async def serve(port: int) -> None:
    logging.disable(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    index = await server.register_namespace("urn:bench")
    for i in range(NODES):
        await server.nodes.objects.add_variable(_node(200_000 + i, index), f"D{i}", float(i))
        kind = KINDS[i % len(KINDS)]
        value = bool(i % 2) if kind is ua.VariantType.Boolean else i
        await server.nodes.objects.add_variable(_node(100_000 + i, index), f"M{i}", value, kind)
    async with server:
        assert server.bserver is not None
        print(server.bserver.port, index, flush=True)
        await asyncio.Event().wait()


def _node(number: int, index: int) -> ua.NodeId:
    return ua.NodeId(ua.Int32(number), ua.Int16(index))


async def cpu(read: Callable[[], Awaitable[object]]) -> float:
    """Least CPU seconds of one call, after a first one that learns: what others do to the caches is left out."""
    await read()
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        await read()
        taken.append(time.process_time() - start)
    return min(taken)


async def compare(client: Client, index: int, first: int, n: int) -> tuple[float, float]:
    channel = open_channel(client, LoopClock())
    plan = ReadPlan([encode(index, first + i % NODES) for i in range(n)])
    nodes = [client.get_node(_node(first + i % NODES, index)) for i in range(n)]

    async def ours() -> object:
        return plan.decode(await channel.read(plan, 60))

    async def theirs() -> object:
        return await client.read_values(nodes)

    assert (await ours()).value.tolist() == [float(v) for v in await theirs()]  # type: ignore[attr-defined]
    return await cpu(ours), await cpu(theirs)


async def measure(port: int, index: int) -> None:
    quiet_asyncua()
    print(f"{'nodes':>14} {'ours us/value':>14} {'asyncua us/value':>17} {'ratio':>7}")
    async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=60, watchdog_intervall=3600) as client:
        for name, first in (("Double", 200_000), ("mixed", 100_000)):
            for n in SIZES:
                ours, theirs = await compare(client, index, first, n)
                print(f"{n:>7} {name:>6} {1e6 * ours / n:>14.3f} {1e6 * theirs / n:>17.2f} {theirs / ours:>6.0f}x")


def main() -> None:
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tempfile.gettempdir()) as server:
        assert server.stdout is not None
        port, index = server.stdout.readline().split()
        try:
            asyncio.run(measure(int(port), int(index)))
        finally:
            server.kill()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve(0))
    else:
        main()
