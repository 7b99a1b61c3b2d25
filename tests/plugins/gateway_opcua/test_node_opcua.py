"""The adapter against a server of another maker: node-opcua."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.sdk import DisconnectedError, quality
from gateway.sdk.testing import connection, host
from gateway_opcua.adapter import OpcuaAdapter
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.rigs import device, running

TAGS = [f"ns=1;s={name}" for name in ("Double", "Float", "Int16", "UInt32", "Boolean", "String", "Int64", "DateTime")]
OPEN: dict[str, Any] = {}
SECURE: dict[str, Any] = {"security": "sign_and_encrypt", "user": "op", "password": "secret"}


@pytest.mark.parametrize("mode", ["read", "subscribe"])
@pytest.mark.parametrize("options", [OPEN, SECURE], ids=["open", "secure"])
async def test_values_and_changes_arrive(
    node_opcua_server: Process, tmp_path: Path, mode: str, options: dict[str, Any]
) -> None:
    async with running(tmp_path, device(node_opcua_server.port, TAGS, mode=mode, **options)) as run:
        await run.until(lambda: len(run.sink.data) >= 2)
        assert run.last("UInt32") == (4_000_000_000, 0)
        assert run.last("Int64") == (5, 0)
        assert run.last("Boolean") == (1, 0)
        assert run.last("DateTime") == (1714564800.0, 0)
        assert run.other("String")[-1] == "warm"
        for number in (30.5, 21.5):
            await asyncio.to_thread(node_opcua_server.tell, f"write Double {number}")
            await run.until(lambda number=number: run.last("Double") == (number, 0))  # type: ignore[misc]


async def test_many_tags_of_one_type_go_by_their_own_subscription(node_opcua_server: Process, tmp_path: Path) -> None:
    many = [f"ns=1;s=N{i}" for i in range(250)]
    async with running(tmp_path, device(node_opcua_server.port, [*many, *TAGS], mode="subscribe")) as run:
        await run.until(lambda: len(run.confirmations()) > 3)
        assert {len(np.asarray(batch.rows)) for batch in run.confirmations()} == {251, 7}
        await asyncio.to_thread(node_opcua_server.tell, "write N249 7.5")
        await run.until(lambda: run.last("N249") == (7.5, 0))
        assert run.adapter.counters["publish_gaps_total"] == 0


async def test_a_node_that_is_deleted_turns_bad_and_the_others_go_on(
    node_opcua_server: Process, tmp_path: Path
) -> None:
    tags = ["ns=1;s=N299", "ns=1;s=N298"]
    async with running(tmp_path, device(node_opcua_server.port, tags, mode="subscribe")) as run:
        await run.until(lambda: run.last("N299") == (299.0, 0))
        await asyncio.to_thread(node_opcua_server.tell, "delete N299")
        await run.until(lambda: run.last("N299")[1] >= quality.BAD)
        await asyncio.to_thread(node_opcua_server.tell, "write N298 5.5")
        await run.until(lambda: run.last("N298") == (5.5, 0))


async def test_a_wrong_password_is_told(node_opcua_server: Process, tmp_path: Path) -> None:
    wrong = device(node_opcua_server.port, TAGS, **SECURE | {"password": "wrong"})
    adapter = OpcuaAdapter(connection(wrong), host(tmp_path))
    with pytest.raises(DisconnectedError, match="check user and password"):
        await asyncio.wait_for(adapter.connect(), 20)
    await adapter.close()


@pytest.mark.parametrize("queue", [100, 5])
async def test_of_a_thousand_changes_a_second_each_arrives_or_the_overflow_is_told(
    node_opcua_server: Process, tmp_path: Path, queue: int
) -> None:
    """Line 6. Whatever is missing lies before a value that says so."""
    tags: dict[str, dict[str, Any]] = {"fast": {"node": "ns=1;s=Fast", "sample": "0s", "queue": queue}}
    async with running(tmp_path, device(node_opcua_server.port, tags, mode="subscribe", every="50ms")) as run:
        await run.until(lambda: len(run.confirmations()) > 1)
        await asyncio.to_thread(node_opcua_server.tell, "race Fast 2000")
        await run.until(lambda: bool(run.sink.data) and run.sink.data[-1].value[-1] == 2000)
        data = run.sink.data[1:]
        values = np.concatenate([batch.value for batch in data])
        overflow = np.concatenate([(batch.status & 0x480) == 0x480 for batch in data])
        first = int(np.flatnonzero(values == 1)[0]) if (values == 1).any() else 0
        values, overflow = values[first:], overflow[first:]
        jumps = np.flatnonzero(np.diff(values) > 1) + 1
        assert (np.diff(values) >= 0).all()
        assert overflow[jumps].all()
        assert run.adapter.counters["queue_overflows_total"] >= len(jumps)
        if queue == 5:
            assert len(jumps) > 5
        else:
            assert len(jumps) < 40
    await asyncio.to_thread(node_opcua_server.tell, "write Fast 0")


async def test_a_dead_band_in_percent_is_the_servers(node_opcua_server: Process, tmp_path: Path) -> None:
    """EURange of the boiler is -20 to 120: a tenth of it is 14."""
    tags: dict[str, dict[str, Any]] = {"temp": {"node": "ns=1;s=Boiler.Temperature", "deadband_percent": 10.0}}
    async with running(tmp_path, device(node_opcua_server.port, tags, mode="subscribe")) as run:
        await run.until(lambda: len(run.confirmations()) > 1)
        for number, told in ((30.0, 21.5), (40.0, 40.0), (27.0, 40.0), (21.5, 21.5)):
            await asyncio.to_thread(node_opcua_server.tell, f"write Boiler.Temperature {number}")
            seen = len(run.confirmations())
            await run.until(lambda seen=seen: len(run.confirmations()) > seen + 3)  # type: ignore[misc]
            assert run.last("temp")[0] == told


@pytest.mark.parametrize("mode", ["read", "subscribe"])
@pytest.mark.parametrize("kind", ["asyncua", "node-opcua"])
async def test_the_servers_time_is_kept_beside_that_of_the_source(
    request: pytest.FixtureRequest, tmp_path: Path, mode: str, kind: str
) -> None:
    """Where it is asked for; a device beside it in the same session, that does not ask, has none."""
    server: Process = request.getfixturevalue("asyncua_server" if kind == "asyncua" else "node_opcua_server")
    tags = ["Double", "String"] if kind == "asyncua" else TAGS
    timed = device(server.port, tags, mode=mode, server_time=True)
    async with running(tmp_path, timed, device(server.port, tags, name="plain", mode=mode)) as run:
        await run.until(lambda: {0, 1} <= {batch.device for batch in run.sink.data})
        first = {batch.device: batch for batch in reversed(run.sink.data)}
    assert first[1].served is None
    served = first[0].served
    assert served is not None
    assert len(served) == len(first[0])
    assert (np.abs(served - first[0].received) < 3600 * 10**9).all()
