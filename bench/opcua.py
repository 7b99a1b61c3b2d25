"""CPU of OPC UA in the client process alone: ours against plain asyncua, on one server of the bench, in one run.

    ./dev bench opcua [--seconds 10] [--only reads|notifications|paced|held]

reads:         one read of 100, 1,000 and 5,000 nodes, `Reader.read` (which makes a batch) against `client.read_values`.
notifications: 5,000 items at 1 Hz, the whole adapter against plain asyncua with a handler; without what the adapter
               asks of each variable once (its unit and the like), which plain asyncua does not.
paced:         the whole adapter with 10,000 tags at 1 Hz, read and subscribed to: share of a core.
held:          longest time that a read of 5,000 nodes keeps the event loop from others.

The first two are taken without security and with SignAndEncrypt. The server (`bench/opcua_server.py`) answers with
values prepared beforehand, in a process of its own, and is no bottleneck.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

import numpy as np
from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography.x509.oid import ExtendedKeyUsageOID

from bench.opcua_server import MIXED, SPACE
from bench.rig import verdict
from gateway.cli.children import Child
from gateway.sdk import Batch, Kind
from gateway.sdk.testing import connection, host
from gateway_opcua import describer
from gateway_opcua.adapter import OpcuaAdapter
from gateway_opcua.channel import quiet_asyncua
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.doubt import Doubt
from gateway_opcua.reader import Reader
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.suspects import Suspects

ROUNDS: Final = 15
ITEMS, PACED = 5000, 10_000
SECURITY: Final = ("none", "sign_and_encrypt")
LEAST: Final = {("none", 1000): 40, ("none", 5000): 70, ("sign_and_encrypt", 1000): 15, ("sign_and_encrypt", 5000): 15}
SIZES: Final = ((100, 0), (1000, 0), (5000, 0), (5000, MIXED))
LEAST_NOTIFIED: Final = {"none": 30, "sign_and_encrypt": 15}
MOST_CORE, MOST_HELD = 0.02, 2.0  # share of a core; ms


def device(port: int, count: int, first: int = 0, **options: Any) -> OpcuaDevice:
    tags = {f"t{i}": {"node": f"ns={SPACE};i={first + i}"} for i in range(count)}
    table = {"device": "line", "adapter": "opcua", "connect": f"opc.tcp://127.0.0.1:{port}", "every": 1.0, "tags": tags}
    return OpcuaDevice.model_validate(table | options)


def nodes(client: Client, count: int, first: int = 0) -> list[Any]:
    return [client.get_node(ua.NodeId(ua.Int32(first + i), ua.Int16(SPACE))) for i in range(count)]


@contextlib.asynccontextmanager
async def plain(port: int, security: str, home: Path) -> AsyncIterator[Client]:
    """The library as its manual has it."""
    client = Client(f"opc.tcp://127.0.0.1:{port}", timeout=60, watchdog_intervall=3600)
    if security != "none":
        uri, key, certificate = "urn:bench:client", home / "key.pem", home / "certificate.der"
        await setup_self_signed_certificate(
            key, certificate, uri, "localhost", [ExtendedKeyUsageOID.CLIENT_AUTH], {"commonName": "bench"}
        )
        client.application_uri = uri
        await client.set_security(
            SecurityPolicyBasic256Sha256, str(certificate), str(key), mode=ua.MessageSecurityMode.SignAndEncrypt
        )
    async with client:
        yield client


@contextlib.asynccontextmanager
async def reading(config: OpcuaDevice, home: Path) -> AsyncIterator[Callable[[], Awaitable[Batch]]]:
    """Our own session, and one scan of the device."""
    line, around = connection(config), host(home)
    session = Session(config, around)
    await session.open()
    where = {tag.row: tag.config.where for tag in line.devices[0].tags}  # type: ignore[attr-defined]
    counters = OpcuaAdapter(line, around).counters
    suspects = Suspects(line.devices, around.log, counters)
    reader = Reader(session, Site(around, counters, where, suspects, Doubt(line.devices)))
    try:
        yield lambda: reader.read(line.groups[0])
    finally:
        await session.close()


async def cpu(call: Callable[[], Awaitable[object]]) -> float:
    """Least CPU seconds of one call, after a first one that learns: what others do to the caches is left out."""
    await call()
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        await call()
        taken.append(time.process_time() - start)
    return min(taken)


async def reads(port: int, home: Path) -> bool:
    good = True
    print(f"{'reads':14} {'security':>17} {'nodes':>12} {'ours us/value':>14} {'asyncua':>9} {'ratio':>6}")
    for security in SECURITY:
        async with plain(port, security, home) as client:
            for count, first in SIZES:
                async with reading(device(port, count, first, security=security), home) as ours:
                    theirs = nodes(client, count, first)
                    await same(ours, client, theirs)
                    a, b = await cpu(ours), await cpu(partial(client.read_values, theirs))
                kind = "mixed" if first else "Double"
                print(f"{'':14} {security:>17} {count:>5} {kind:>6} {1e6 * a / count:>14.3f} {1e6 * b / count:>9.2f} "
                      f"{b / a:>5.0f}x")  # fmt: skip
                good &= b / a >= LEAST.get((security, count), 0)
    return good


async def same(ours: Callable[[], Awaitable[Batch]], client: Client, theirs: list[Any]) -> None:
    """Both read the same; those that move are further by the same number all."""
    mine, plain_values = (await ours()).value, np.array([float(v) for v in await client.read_values(theirs)])
    assert np.ptp(plain_values - mine) == 0


@contextlib.asynccontextmanager
async def adapter(config: OpcuaDevice, home: Path) -> AsyncIterator[Callable[[], int]]:
    """The whole adapter, at work; how many readings it has brought."""
    told = 0

    def sink(batch: Batch) -> None:
        nonlocal told
        told += len(batch.value) if batch.kind is Kind.DATA else 0

    runs = OpcuaAdapter(connection(config), host(home))
    await runs.connect()
    task = asyncio.create_task(runs.run(sink))
    try:
        yield lambda: told
    finally:
        task.cancel()
        await asyncio.wait([task])
        await runs.close()


class Handler:
    """What asyncua's manual asks for."""

    def __init__(self) -> None:
        self.told = 0

    def datachange_notification(self, _node: Any, _value: Any, _data: Any) -> None:
        """One value."""
        self.told += 1


@contextlib.asynccontextmanager
async def handled(client: Client, count: int) -> AsyncIterator[Callable[[], int]]:
    """Plain asyncua, subscribed to `count` nodes at 1 Hz."""
    handler = Handler()
    subscription = await client.create_subscription(1000, handler)
    await subscription.subscribe_data_change(nodes(client, count))
    yield lambda: handler.told
    await subscription.delete()


async def spent(told: Callable[[], int], expected: int, seconds: float) -> tuple[float, float]:
    """CPU seconds per reading and per second, once readings flow; at least nine tenths of what is due must come."""
    async with asyncio.timeout(60):
        while told() < 2 * expected:  # noqa: ASYNC110 - asyncua tells nobody when it has begun
            await asyncio.sleep(0.2)
    before, cpu_before, began = told(), time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    took, used, count = time.monotonic() - began, time.process_time() - cpu_before, told() - before
    assert count >= 0.9 * expected * int(took), f"{count} of {expected} a second in {took:.1f} s"
    return used / count, used / took


def undescribed(run: Callable[[], bool]) -> bool:
    """Without what is asked of each variable once."""
    with mock.patch.object(describer, "_PAUSE", 3600.0):
        return run()


async def notifications(port: int, home: Path, seconds: float) -> bool:
    good = True
    print(f"{'notifications':14} {'security':>17} {'items':>12} {'ours us/value':>14} {'asyncua':>9} {'ratio':>6}")
    for security in SECURITY:
        async with adapter(device(port, ITEMS, mode="subscribe", security=security), home) as told:
            ours, _ = await spent(told, ITEMS, seconds)
        async with plain(port, security, home) as client, handled(client, ITEMS) as told:
            theirs, _ = await spent(told, ITEMS, seconds)
        print(f"{'':14} {security:>17} {ITEMS:>12} {1e6 * ours:>14.3f} {1e6 * theirs:>9.2f} {theirs / ours:>5.0f}x")
        good &= theirs / ours >= LEAST_NOTIFIED[security]
    return good


async def paced(port: int, home: Path, seconds: float) -> bool:
    good = True
    for mode in ("read", "subscribe"):
        async with adapter(device(port, PACED, mode=mode), home) as told:
            _, core = await spent(told, PACED, seconds)
        print(f"{'paced':14} {mode:>17} {PACED:>12} tags at 1 Hz: {100 * core:.2f} % of a core")
        good &= core <= MOST_CORE
    return good


async def held(port: int, home: Path) -> bool:
    """CPU time, so that what others do on the machine does not count."""
    longest, run = 0.0, asyncio.Handle._run  # noqa: SLF001 - where the loop calls what is due

    def timed(handle: asyncio.Handle) -> None:
        nonlocal longest
        start = time.thread_time()
        run(handle)
        longest = max(longest, time.thread_time() - start)

    taken = []
    async with reading(device(port, 5000), home) as ours:
        await ours()
        asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]  # noqa: SLF001 - as above
        try:
            for _ in range(ROUNDS):
                longest = 0.0
                await ours()
                taken.append(1000 * longest)
        finally:
            asyncio.Handle._run = run  # type: ignore[method-assign]  # noqa: SLF001 - as above
    print(f"{'held':14} {5000:>30} nodes: {np.median(taken):.2f} ms, at most {max(taken):.2f} ms in {ROUNDS} reads")
    return max(taken) < MOST_HELD


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", choices=("reads", "notifications", "paced", "held"))
    args = parser.parse_args()
    quiet_asyncua()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        server = Child(["bench.opcua_server"], home / "server.log")
        try:
            port = server.line()["port"]
            runs: dict[str, Callable[[], bool]] = {
                "reads": lambda: asyncio.run(reads(port, home)),
                "notifications": lambda: undescribed(lambda: asyncio.run(notifications(port, home, args.seconds))),
                "paced": lambda: asyncio.run(paced(port, home, args.seconds)),
                "held": lambda: asyncio.run(held(port, home)),
            }
            return verdict(runs, args.only)
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
