"""Events, conditions and methods of a server of another maker: heard, acknowledged, called."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sdk import Acknowledges, Act, CallFailedError, CallRefusedError, Calls, DisconnectedError
from tests.plugins.gateway_opcua.alarming import BATCH, NODE_LEVEL, TANK, Ear, listening
from tests.plugins.gateway_opcua.peers import Process, free_port, install_node_opcua, start_alarming
from tests.plugins.gateway_opcua.rigs import device


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    if reason := install_node_opcua():
        pytest.skip(f"node-opcua: {reason}")
    with start_alarming(free_port()) as process:
        yield process


@pytest.fixture
def calm(server: Process) -> Process:
    server.tell("level 50")
    return server


def tank(server: Process, **options: Any) -> Any:
    entry = {"types": [BATCH, "i=2782"], "severity": 100, "fields": ["1:BatchId"]}
    return device(server.port, NODE_LEVEL, "tank", **{"events": [entry], "mode": "subscribe", **options})


def standing(ear: Ear) -> dict[str, Any]:
    """The condition itself, without its branches: by id."""
    return {name: one for name, one in ear.adapter.standing().items() if "branch" not in one.fields}


async def active(ear: Ear, server: Process) -> str:
    """Raise the alarm of the level; its name."""
    server.tell("level 92")
    await ear.until(lambda: any(one.fields["active"] for one in standing(ear).values()))
    return next(iter(standing(ear)))


@pytest.mark.parametrize("mode", ["read", "subscribe"])
async def test_an_event_is_told_with_its_fields(calm: Process, tmp_path: Path, mode: str) -> None:
    async with listening(tmp_path, tank(calm, mode=mode)) as ear:
        calm.tell("raise 500 batch is done")
        await ear.until(lambda: ear.texts("device event"))
        [one] = [one for one in ear.told if one.kind == "device event"]
        assert (one.device, one.text) == ("tank", "batch is done")
        assert {
            "severity": 500,
            "source": "Tank",
            "type": "BatchEventType",
            "locale": "en",
        }.items() <= one.fields.items()
        assert one.fields["fields"] == {"1:BatchId": "B7"}
        assert one.fields["node"].endswith(";s=Tank")
        assert abs(one.time - time.time_ns()) < 60e9


async def test_what_is_not_urgent_or_of_another_type_is_not_told(calm: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(calm)) as ear:
        calm.tell("raise 99 quiet")
        calm.tell("raise 100 loud")
        await ear.until(lambda: "loud" in ear.texts())
        assert "quiet" not in ear.texts()
    async with listening(tmp_path, tank(calm, events=[{"types": "i=2915"}])) as ear:
        calm.tell("raise 900 no alarm")
        name = await active(ear, calm)
        assert "no alarm" not in ear.texts()
        assert ear.adapter.standing()[name].fields["type"] == "ExclusiveLimitAlarmType"


async def test_a_condition_is_followed_to_its_end_even_below_the_least_severity(calm: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(calm)) as ear:
        name = await active(ear, calm)
        one = ear.adapter.standing()[name]
        assert one.kind == "device condition"
        assert (one.fields["active"], one.fields["acked"], one.fields["limit"]) == (True, False, "High")
        calm.tell("level 50")
        await ear.until(lambda: name not in ear.adapter.standing() or not ear.adapter.standing()[name].fields["active"])
        ends = [one.fields["active"] for one in ear.told if one.fields.get("condition") == name.partition(".")[2]]
        assert ends[-1] is False


async def test_a_condition_is_acknowledged_and_confirmed_at_the_server(calm: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(calm, acknowledge=["cli"])) as ear:
        assert isinstance(ear.adapter, Acknowledges)
        name = await active(ear, calm)
        word = name.partition(".")[2]
        called = await ear.adapter.acknowledge(ear.device, word, Act.ACK, "ann: seen")
        assert called.status == "Good"
        await ear.until(lambda: ear.adapter.standing()[name].fields["acked"])
        assert ear.adapter.standing()[name].fields["comment"] == "ann: seen"
        await ear.adapter.acknowledge(ear.device, word, Act.COMMENT, "bob: looked")
        await ear.until(lambda: ear.adapter.standing()[name].fields["comment"] == "bob: looked")
        await ear.adapter.acknowledge(ear.device, word, Act.CONFIRM, "ann: valve opened")
        await ear.until(lambda: name not in ear.adapter.standing())  # to this server that is the end of it
        last = [one.fields for one in ear.told if one.fields.get("condition") == word][-1]
        assert (last["confirmed"], last["retain"], last["comment"]) == (True, False, "ann: valve opened")
        with pytest.raises(CallRefusedError, match="no condition 123 stands"):
            await ear.adapter.acknowledge(ear.device, "123", Act.ACK, "")


async def test_a_storm_is_thinned_and_a_condition_comes_through(calm: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(calm, event_rate=20, timeout="20s")) as ear:
        calm.tell("storm 1000")  # the server is busy with nothing else meanwhile
        calm.tell("level 97")
        await ear.until(lambda: ear.adapter.counters["events_total"] > 1000)
        await ear.until(lambda: "device events lost" in [one.kind for one in ear.told])
        await ear.until(lambda: any(one.fields.get("limit") == "HighHigh" for one in ear.told))
        told = sum(text.startswith("storm") for text in ear.texts())
        assert 20 <= told < 400
        lost = next(one for one in ear.told if one.kind == "device events lost")
        assert (lost.fields["why"], lost.fields["severity"]) == ("storm", 300)
        assert ear.losses == []


METHODS = {
    "start": {**TANK, "method": "ns=1;s=Start"},
    "slow": {**TANK, "method": "ns=1;s=Slow", "within": "500ms"},
    "none": {**TANK, "method": "ns=1;s=None"},
    "strange": {"object": "ns=1;s=Nothing", "method": "ns=1;s=Start"},
}


async def test_a_method_says_what_it_takes_and_is_called(calm: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(calm, methods=METHODS)) as ear:
        assert isinstance(ear.adapter, Calls)
        signature = await ear.adapter.signature(ear.device, "start")
        assert str(signature) == "(speed: Double, count: Int16) → (batch: String)"
        assert signature.takes[0].description == "in Hz"
        called = await ear.adapter.call(ear.device, "start", {"speed": 40, "count": 3})
        assert (called.status, called.output) == ("Good", {"batch": "40/3"})


@pytest.mark.parametrize(
    ("method", "arguments", "reason"),
    [
        ("start", {"speed": 40}, "count is missing; it takes speed, count"),
        ("start", {"speed": 40, "count": 3, "colour": "red"}, "'colour' is no argument"),
        ("start", {"speed": "fast", "count": 3}, "speed: 'fast' is no number, and the server wants Double"),
        ("start", {"speed": 40, "count": 40_000}, "count: 40000 does not fit Int16"),
        ("start", {"speed": 40, "count": [3]}, "count is a single value"),
        ("start", {"speed": 101, "count": 3}, r"out of the server's range \(BadOutOfRange\)"),
        ("none", {}, "the server has no such method"),
        ("strange", {"speed": 40, "count": 3}, "BadNodeIdUnknown"),
    ],
)
async def test_what_cannot_be_called_is_refused_in_words(
    calm: Process, tmp_path: Path, method: str, arguments: dict[str, Any], reason: str
) -> None:
    async with listening(tmp_path, tank(calm, methods=METHODS)) as ear:
        with pytest.raises(CallRefusedError, match=reason):
            await ear.adapter.call(ear.device, method, arguments)


async def test_a_method_that_fails_or_does_not_answer_is_in_doubt_and_the_session_goes_on(
    calm: Process, tmp_path: Path
) -> None:
    async with listening(tmp_path, tank(calm, methods=METHODS)) as ear:
        with pytest.raises(CallFailedError, match=r"it failed \(BadInternalError\)"):
            await ear.adapter.call(ear.device, "start", {"speed": -1, "count": 3})
        with pytest.raises(DisconnectedError, match="no answer within"):
            await ear.adapter.call(ear.device, "slow", {})
        await asyncio.sleep(2.0)  # the late answer comes
        assert (await ear.adapter.call(ear.device, "start", {"speed": 1, "count": 1})).status == "Good"
        assert ear.losses == []


async def test_a_restarted_server_tells_what_stands_and_what_ended_meanwhile_is_told_too(tmp_path: Path) -> None:
    if reason := install_node_opcua():
        pytest.skip(f"node-opcua: {reason}")
    port = free_port()
    with start_alarming(port) as server:
        config = tank(server)
        ear_context = listening(tmp_path, config)
        ear = await ear_context.__aenter__()
        name = await active(ear, server)
    try:
        seen = ear.adapter.counters["condition_refreshes_total"]
        with start_alarming(port) as server:
            await ear.listens(seen)
            await ear.until(lambda: not ear.adapter.standing())
            last = ear.told[-1]
            assert (last.fields["retain"], last.fields["unheard"]) == (False, True)
            assert last.text.endswith("it does not stand any more")
            before = len(ear.told)
            assert await active(ear, server) == name
            assert len(ear.told) > before
    finally:
        await ear_context.__aexit__(None, None, None)


async def test_what_stands_is_told_once_after_a_cut(calm: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(calm)) as ear:
        name = await active(ear, calm)
        await asyncio.sleep(0.6)
        before, refreshes = len(ear.told), ear.adapter.counters["condition_refreshes_total"]
        session = ear.adapter._session
        assert session is not None
        session._drop()
        await ear.listens(refreshes)
        await asyncio.sleep(3.0)
        assert len(ear.losses) == 1
        assert name in ear.adapter.standing()
        assert len(ear.told) == before
