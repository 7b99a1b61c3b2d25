"""Nodes by browse path and by namespace URI: found at each connect, and again when they come or go."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk import quality
from gateway.sdk.testing import connection, host
from gateway_opcua import status
from gateway_opcua.adapter import OpcuaAdapter
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Process, free_port, start_asyncua
from tests.plugins.gateway_opcua.rigs import Running, device, running

BOILER = f"/Objects/nsu={URI};Boiler #1/"


def by_path(port: int, mode: str, **paths: str) -> Any:
    tags = {name: {"path": path} for name, path in paths.items()}
    return device(port, tags, mode=mode, retry="200ms")


@pytest.fixture(params=["read", "subscribe"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("gateway_opcua.reader._LOOK_UP", 0.2)
    return str(request.param)


def refused(run: Running) -> list[dict[str, Any]]:
    return [fields for _, event, fields in run.log.lines if event == "the server refuses tags"]


async def test_tags_by_path_flow_and_a_wrong_path_is_bad_by_itself_and_named(
    asyncua_server: Process, tmp_path: Path, mode: str
) -> None:
    paths = {
        "temp": BOILER + "Temperature",
        "size": BOILER + "Größe A&/B",
        "time": "/Objects/Server/ServerStatus/State",
        "wrong": BOILER + "Temperature 2",
        "nowhere": "/Objects/nsu=urn:nowhere;Boiler",
    }
    async with running(tmp_path, by_path(asyncua_server.port, mode, **paths)) as run:
        await run.until(lambda: run.last("wrong")[1] == run.last("nowhere")[1] == status.BAD_NO_MATCH)
        assert run.last("temp") == (21.5, 0)
        assert run.last("size") == (7, 0)
        assert run.last("time") == (0, 0)
        await run.until(lambda: bool(refused(run)))
        assert {tag for fields in refused(run) for tag in fields["tags"]} == {"heater.wrong", "heater.nowhere"}
        assert {reason for fields in refused(run) for reason in fields["reasons"]} == {"BadNoMatch"}


async def test_paths_at_a_server_of_another_maker(node_opcua_server: Process, tmp_path: Path, mode: str) -> None:
    paths = {"temp": "/Objects/1:Boiler/Temperature", "wrong": "/Objects/1:Boiler/2:Temperature"}
    async with running(tmp_path, by_path(node_opcua_server.port, mode, **paths)) as run:
        await run.until(lambda: run.last("temp") == (21.5, 0) and run.last("wrong")[1] == status.BAD_NO_MATCH)


async def test_a_path_that_comes_to_exist_is_taken_up_and_one_that_goes_is_looked_for(
    asyncua_server: Process, tmp_path: Path, mode: str
) -> None:
    name = f"Coming-{mode}"
    tag = by_path(asyncua_server.port, mode, late=f"/Objects/nsu={URI};Line/0:{name}", temp=BOILER + "Temperature")
    async with running(tmp_path, tag) as run:
        await run.until(lambda: run.last("late")[1] == status.BAD_NO_MATCH)
        for _ in range(2):
            await asyncio.to_thread(asyncua_server.tell, f"add {name}")
            await run.until(lambda: run.last("late") == (1.0, 0))
            if mode == "subscribe":
                break  # this server does not tell its subscribers that a node is gone
            await asyncio.to_thread(asyncua_server.tell, f"delete {name}")
            await run.until(lambda: run.last("late")[1] >= quality.BAD)
        assert run.last("temp") == (21.5, 0)


async def test_paths_are_walked_in_calls_that_the_server_allows(
    asyncua_server: Process, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway_opcua.profiles._HIGHEST", 3)
    paths = {f"n{i}": f"/Objects/nsu={URI};Line/0:N{i}" for i in range(10, 20)}
    async with running(tmp_path, by_path(asyncua_server.port, mode, **paths)) as run:
        await run.until(lambda: all(run.last(f"n{i}") == (i, 0) for i in range(10, 20)))


async def test_a_namespace_that_has_another_number_after_a_restart_is_found(tmp_path: Path) -> None:
    port = free_port()
    tags = {"by_uri": {"node": f"nsu={URI};s=N3"}, "by_path": {"path": BOILER + "Temperature"}}
    adapter = OpcuaAdapter(connection(device(port, tags)), host(tmp_path))
    with start_asyncua(port):
        assert await _first_values(adapter) == [3.0, 21.5]
    with start_asyncua(port, namespaces=3):
        assert await _first_values(adapter) == [3.0, 21.5]
    await adapter.close()


async def _first_values(adapter: OpcuaAdapter) -> list[float]:
    first: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
    await asyncio.wait_for(adapter.connect(), 15)
    task = asyncio.create_task(
        adapter.run(lambda batch: None if first.done() else first.set_result(batch.value.tolist()))
    )
    values = await asyncio.wait_for(first, 15)
    task.cancel()
    await asyncio.wait([task])
    return values


@pytest.fixture(scope="module")
def large_server() -> Iterator[Process]:
    with start_asyncua(free_port(), 999) as process:
        yield process


async def test_one_bad_node_of_a_thousand_costs_only_itself(large_server: Process, tmp_path: Path, mode: str) -> None:
    """999 flow; the thousandth is named with its status, and flows as soon as it exists."""
    late = f"Late-{mode}"
    tags = [f"N{i}" for i in range(500)] + [late] + [f"N{i}" for i in range(500, 999)]
    async with running(tmp_path, device(large_server.port, tags, mode=mode, every="500ms", retry="200ms")) as run:
        await run.until(lambda: run.last(late)[1] == quality.BAD_NODE_ID_UNKNOWN)
        await run.until(lambda: len(run.sink.data) >= 2)
        assert [run.last(f"N{i}") for i in range(999)] == [(i, 0) for i in range(999)]
        assert [fields["tags"] for fields in refused(run)] == [[f"heater.{late}"]]
        assert refused(run)[0]["reasons"] == ["BadNodeIdUnknown"]
        await asyncio.to_thread(large_server.tell, f"add {late}")
        await run.until(lambda: run.last(late) == (1.0, 0))
