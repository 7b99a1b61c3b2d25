"""Events and methods of asyncua's own server, which has no ConditionRefresh; and what servers do that are worse."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from gateway.sdk import Act, CallRefusedError, DisconnectedError
from gateway_opcua.eventfilter import Step
from gateway_opcua.session import Session
from tests.plugins.gateway_opcua.alarming import listening
from tests.plugins.gateway_opcua.alarming_server import URI
from tests.plugins.gateway_opcua.peers import HERE, Process, Relay, free_port, start
from tests.plugins.gateway_opcua.rigs import device

TANK = {"object": f"nsu={URI};s=Tank"}
METHODS = {
    "mix": {**TANK, "method": f"nsu={URI};s=Mix"},
    "sum": {**TANK, "method": f"nsu={URI};s=Sum"},
    "lost": {**TANK, "method": "nsu=urn:nowhere;s=Mix"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    port = free_port()
    with start([sys.executable, str(HERE / "alarming_server.py"), str(port)], port) as process:
        yield process


def tank(port: int, **options: Any) -> Any:
    return device(port, {"level": {"node": f"nsu={URI};s=Level"}}, "tank", **{"events": [{}], **options})


async def test_events_and_conditions_are_heard_and_the_missing_refresh_is_told_once(
    server: Process, tmp_path: Path
) -> None:
    async with listening(tmp_path, tank(server.port)) as ear:
        server.tell("raise 300 plain")
        server.tell("alarm yes no")
        await ear.until(lambda: len(ear.told) == 2)
        plain, alarm = ear.told
        assert (plain.kind, plain.text, plain.fields["severity"]) == ("device event", "plain", 300)
        assert plain.fields["type"] == "BaseEventType"
        assert {"active": True, "acked": False, "retain": True, "name": "TankAlarm"}.items() <= alarm.fields.items()
        assert list(ear.adapter.standing()) == [f"tank.{alarm.fields['condition']}"]
        server.tell("alarm no yes")
        await ear.until(lambda: not ear.adapter.standing())
        refreshes = ear.adapter.counters["condition_refreshes_total"]
        assert ear.adapter._session
        ear.adapter._session._drop()
        await ear.listens(refreshes)
        assert len(ear.warnings("the server does not tell what stands: conditions are known as they change")) == 1


async def test_an_event_that_says_nothing_is_told_all_the_same(server: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(server.port)) as ear:
        server.tell("odd")
        await ear.until(lambda: ear.told)
        [one] = ear.told
        assert one.kind == "device event"
        assert "severity" not in one.fields
        assert "source" not in one.fields


async def test_an_overflow_on_the_server_is_told_and_counted(server: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(server.port, events=[{"types": "i=2915"}])) as ear:
        server.tell("overflow")
        await ear.until(lambda: ear.told)
        assert (ear.told[0].kind, ear.told[0].fields) == ("device events lost", {"why": "overflow"})
        assert ear.adapter.counters["event_overflows_total"] == 1


async def test_two_posts_that_hear_the_same_tell_it_once(server: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(server.port, events=[{}, {"severity": 10}])) as ear:
        await ear.until(lambda: all(post.asked for post in ear.posts))
        server.tell("raise 400 once")
        server.tell("raise 5 low")
        await ear.until(lambda: "low" in ear.texts())
        await ear.until(lambda: ear.adapter.counters["events_repeated_total"])
        assert sorted(ear.texts()) == ["low", "once"]


@pytest.mark.parametrize(("code", "times", "step"), [(0x80470000, 1, Step.UNFILTERED), (0x80430000, 2, Step.BASE)])
async def test_a_server_that_does_not_filter_is_asked_for_less_and_events_are_judged_here(
    server: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, times: int, step: Step
) -> None:
    refuse_items(monkeypatch, code, times)
    async with listening(tmp_path, tank(server.port, events=[{"severity": 200, "types": "i=2041"}])) as ear:
        server.tell("raise 100 quiet")
        server.tell("raise 200 loud")
        await ear.until(lambda: ear.told)
        assert ear.texts() == ["loud"]
        assert ear.posts[0].step is step
        said = ear.warnings("the server does not filter events as asked: asked for less")
        assert [one["left"] for one in said] == ["unfiltered", "base"][:times]


def refuse_items(monkeypatch: pytest.MonkeyPatch, code: int, times: int) -> None:
    """The next so many items are refused."""
    create, left = Session.create_items, [times]

    async def create_items(self: Session, parameters: Any) -> Any:
        if left[0]:
            left[0] -= 1
            return [ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.UInt32(code)))]
        return await create(self, parameters)

    monkeypatch.setattr(Session, "create_items", create_items)


async def test_a_node_that_tells_no_events_is_named_once_and_tried_again(
    server: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_items(monkeypatch, 0x80350000, 2)
    config = tank(server.port, events=[{"node": "i=2253"}], retry="100ms")
    async with listening(tmp_path, config) as ear:
        await ear.until(lambda: ear.posts[0].asked)
        [said] = ear.warnings("no events")
        assert (said["why"], said["node"]) == ("BadAttributeIdInvalid", "i=2253")
        assert ear.adapter.counters["event_posts_refused_total"] == 2
        server.tell("raise 1 heard")
        await ear.until(lambda: "heard" in ear.texts())


async def test_a_method_takes_lists_and_text(server: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(server.port, methods=METHODS)) as ear:
        takes = (await ear.adapter.signature(ear.device, "sum")).takes
        assert [(one.name, one.kind) for one in takes] == [("numbers", "Double[]")]
        assert list((await ear.adapter.call(ear.device, "sum", {"numbers": [1, 2.5]})).output.values()) == [3.5]
        names = [one.name for one in (await ear.adapter.signature(ear.device, "mix")).takes]
        given: dict[str, Any] = dict(zip(names, [3, "red"], strict=True))
        assert list((await ear.adapter.call(ear.device, "mix", given)).output.values()) == ["3 red"]
        with pytest.raises(CallRefusedError, match="numbers is a list"):
            await ear.adapter.call(ear.device, "sum", {"numbers": 1})
        with pytest.raises(CallRefusedError, match="no such namespace"):
            await ear.adapter.call(ear.device, "lost", {})


async def test_what_cannot_be_acknowledged_is_refused_in_words(server: Process, tmp_path: Path) -> None:
    async with listening(tmp_path, tank(server.port)) as ear:
        server.tell("alarm yes no")
        await ear.until(ear.adapter.standing)
        word = next(iter(ear.adapter.standing())).partition(".")[2]
        with pytest.raises(CallRefusedError, match="does not have it"):
            await ear.adapter.acknowledge(ear.device, word, Act.ACK, "ann")
        server.tell("alarm no yes")


async def test_a_connection_that_is_cut_in_a_call_leaves_it_in_doubt(server: Process, tmp_path: Path) -> None:
    relay = Relay(server.port, free_port())
    await relay.start()
    try:
        async with listening(tmp_path, tank(relay.port, methods={"mix": METHODS["mix"] | {"within": "500ms"}})) as ear:
            names = [one.name for one in (await ear.adapter.signature(ear.device, "mix")).takes]
            session = ear.adapter._session
            assert session is not None
            call = session.call

            async def held(*args: Any) -> Any:
                relay.hold = True
                return await call(*args)

            session.call = held  # type: ignore[assignment, method-assign]
            with pytest.raises(DisconnectedError, match="no answer within"):
                await ear.adapter.call(ear.device, "mix", {names[0]: 3, names[1]: "red"})
    finally:
        await relay.stop()
