"""What is asked of a server instead, where it does not filter as it was asked to."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.sdk.described import Described
from gateway_opcua.config import OpcuaTag
from gateway_opcua.filters import Filters
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Process
from tests.plugins.gateway_opcua.rigs import device, running

NONE, ABSOLUTE, PERCENT = 0, 1, 2


def _filters(**options: Any) -> Filters:
    return Filters({7: OpcuaTag.model_validate({"node": "i=1", **options})})


def _asked(filters: Filters) -> tuple[int, float] | None:
    one = filters.of(7)
    return None if one is None else (int(one.DeadbandType), float(one.DeadbandValue))


def test_without_an_option_no_filter_is_asked_for() -> None:
    assert _asked(_filters()) is None


def test_what_the_options_ask_for() -> None:
    assert _asked(_filters(deadband_percent=10)) == (PERCENT, 10.0)
    assert _asked(_filters(deadband_absolute=0.5)) == (ABSOLUTE, 0.5)
    assert _asked(_filters(trigger="timestamp")) == (NONE, 0.0)


def test_percent_becomes_absolute_where_the_range_is_known_and_then_nothing() -> None:
    filters = _filters(deadband_percent=10)
    assert filters.without_a_range([7]) == [7]
    assert filters.step_down([7], {7: Described(range=(-20.0, 120.0))}) == [7]
    assert _asked(filters) == (ABSOLUTE, 14.0)
    assert filters.without_a_range([7]) == []
    assert filters.step_down([7], {7: Described(range=(-20.0, 120.0))}) == [7]
    assert _asked(filters) is None


def test_without_a_range_everything_is_sent() -> None:
    filters = _filters(deadband_percent=10)
    assert filters.step_down([7], {7: Described(unit="bar")}) == [7]
    assert _asked(filters) is None


def test_a_refusal_of_what_has_no_filter_is_not_about_it() -> None:
    assert _filters().step_down([7], {}) == []


def test_two_dead_bands_are_one_too_many() -> None:
    with pytest.raises(ValidationError, match="one is enough"):
        OpcuaTag.model_validate({"node": "i=1", "deadband_percent": 1, "deadband_absolute": 1})


async def test_a_percentage_of_no_range_is_refused_and_every_change_comes(
    node_opcua_server: Process, tmp_path: Path
) -> None:
    """node-opcua refuses a dead-band in percent where there is no EURange, as it should (Part 8 §6.2)."""
    tags: dict[str, dict[str, Any]] = {
        "plain": {"node": "ns=1;s=N7"}, "banded": {"node": "ns=1;s=N8", "deadband_percent": 10.0},
    }  # fmt: skip
    async with running(tmp_path, device(node_opcua_server.port, tags, mode="subscribe")) as run:
        await run.until(lambda: len(run.confirmations()) > 1)
        await asyncio.to_thread(node_opcua_server.tell, "write N8 8.001")
        await run.until(lambda: run.last("banded") == (8.001, 0))
        [fields] = [fields for _, event, fields in run.log.lines if event == "the server does not filter tags as asked"]
        assert fields == {"count": 1, "tags": ["heater.banded"]}
        assert run.adapter.counters["filters_refused_total"] == 1
        assert run.adapter.counters["nodes_refused_total"] == 0
    await asyncio.to_thread(node_opcua_server.tell, "write N8 8")


@pytest.mark.parametrize("kind", ["asyncua_server", "node_opcua_server"])
async def test_an_absolute_dead_band_is_the_servers(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    process: Process = request.getfixturevalue(kind)
    node = {"node": "ns=1;s=N9"} if kind == "node_opcua_server" else {"node": f"nsu={URI};s=N9"}
    tags: dict[str, dict[str, Any]] = {"banded": node | {"deadband_absolute": 0.5}}
    async with running(tmp_path, device(process.port, tags, mode="subscribe")) as run:
        await run.until(lambda: len(run.confirmations()) > 1)
        for number, told in ((9.4, 9.0), (10.0, 10.0), (10.4, 10.0), (9.0, 9.0)):
            await asyncio.to_thread(process.tell, f"write N9 {number}")
            seen = len(run.confirmations())
            await run.until(lambda seen=seen: len(run.confirmations()) > seen + 3)  # type: ignore[misc]
            assert run.last("banded")[0] == told
