"""Calls and acknowledgements through a whole gateway: permitted, put down, carried out once, answered, told of."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import conditions as cli_conditions
from gateway.deliver.event import rfc3339
from gateway.operators.calling import CALLS
from gateway.ops.inbox import Inbox
from gateway.state.audit import read, verify
from tests.deliver.brokers import free_port, mosquitto
from tests.operators.people import RESULT, Operator
from tests.operators.plc import WITHIN, Site, site, soon, until
from tests.plugins.gateway_opcua.alarming import BATCH, TANK
from tests.plugins.gateway_opcua.peers import Process, install_node_opcua, start_alarming

_IDS = itertools.count()
METHODS = {
    "start": {**TANK, "method": "ns=1;s=Start", "allow": ["cli", "mqtt"]},
    "slow": {**TANK, "method": "ns=1;s=Slow"},
    "late": {**TANK, "method": "ns=1;s=Slow", "within": "300ms"},
}


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """The site has the guard, between start and end."""


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    if reason := install_node_opcua():
        pytest.skip(f"node-opcua: {reason}")
    with start_alarming(free_port()) as process:
        yield process


def tank(server: Process, **options: Any) -> dict[str, Any]:
    return {
        "device": "tank", "adapter": "opcua", "connect": f"opc.tcp://127.0.0.1:{server.port}", "every": "100ms",
        "events": [{"types": ["i=2782", BATCH]}], "acknowledge": ["cli", "mqtt"], "methods": METHODS,
        "tags": {"level": {"node": "ns=1;s=Level"}, "calls": {"node": "ns=1;s=Calls"}}, **options,
    }  # fmt: skip


def begin(one: Site, via: str = "cli", **table: Any) -> "asyncio.Future[dict[str, Any]]":
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    full = {"action": "call", "id": f"c{next(_IDS)}", "expires": soon(), "by": "ann"} | table
    one.gateway.writing.calling.calls.take({k: v for k, v in full.items() if v is not None}, via, answer.set_result)
    return answer


async def ask(one: Site, via: str = "cli", **table: Any) -> dict[str, Any]:
    return await asyncio.wait_for(begin(one, via, **table), WITHIN)


async def standing(one: Site, server: Process) -> str:
    await asyncio.to_thread(server.tell, "level 50")
    await asyncio.to_thread(server.tell, "level 92")
    await until(lambda: any(row.get("active") for row in rows(one)), "the condition stands")
    return next(str(row["condition"]) for row in rows(one) if row.get("active") and "branch" not in row)


def rows(one: Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one.gateway.status.document()["conditions"]
    return found


def records(folder: Path) -> list[dict[str, Any]]:
    return [record.content for record in read(folder / "state" / "audit.db")]


async def test_a_method_is_called_once_and_stands_in_the_audit(server: Process, tmp_path: Path) -> None:
    async with site(tmp_path, device=tank(server)) as one:
        looked = await ask(one, action="look", method="tank.start", id=None, expires=None)
        assert looked["text"] == "tank.start(speed: Double, count: Int16) → (batch: String)"
        given = {"speed": 40, "count": 3}
        answer = await ask(one, method="tank.start", arguments=given, id="one")
        assert (answer["result"], answer["status"], answer["output"]) == ("done", "Good", {"batch": "40/3"})
        again = await ask(one, method="tank.start", arguments=given, id="one")
        assert (again["repeated"], again["output"]) == (True, {"batch": "40/3"})
    intent, outcome, repeated = records(tmp_path)
    assert (intent["kind"], intent["method"], intent["by"]) == ("intent", "tank.start", "ann")
    assert json.loads(intent["arguments"]) == given
    assert (outcome["kind"], outcome["output"], repeated["kind"]) == ("outcome", {"batch": "40/3"}, "repeated")
    assert verify(tmp_path / "state" / "audit.db")[1] == []
    async with site(tmp_path, device=tank(server)) as one:  # the id is known over a restart
        assert (await ask(one, method="tank.start", arguments=given, id="one"))["repeated"]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("mqtt", {"method": "tank.slow"}, "no-right"),
    ("cli", {"method": "tank.stop"}, "unknown"),
    ("cli", {"method": "pump.start"}, "unknown"),
    ("cli", {"method": "tank.start", "id": None}, "malformed"),
    ("cli", {"method": "tank.start", "expires": None}, "malformed"),
    ("cli", {"method": "tank.start", "expires": rfc3339(10**9)}, "expired"),
    ("cli", {"method": "tank.start", "condition": "tank.x"}, "malformed"),
    ("cli", {"method": "tank.start", "arguments": {"speed": {"a": 1}}}, "malformed"),
    ("cli", {"method": "tank.start", "arguments": {"speed": 1}}, "device-refuses"),
    ("cli", {"action": "ack", "condition": "tank.0123456789"}, "unknown"),
    ("cli", {"action": "ack", "method": "tank.start"}, "malformed"),
    ("cli", {"action": "shelve", "condition": "tank.x"}, "malformed"),
]


async def test_what_may_not_be_is_refused_and_told(server: Process, tmp_path: Path) -> None:
    async with site(tmp_path, device=tank(server)) as one:
        answers = [await ask(one, via, **table) for via, table, _ in REFUSED]
        assert [answer["reason"] for answer in answers] == [reason for _, _, reason in REFUSED]
        assert {answer["result"] for answer in answers} == {"refused"}
        assert all("audit" in answer for answer in answers)
        assert sum(one.gateway.writing.calling.calls.refused.values()) == len(REFUSED)


async def test_a_call_without_an_answer_is_unknown_and_never_made_again(server: Process, tmp_path: Path) -> None:
    async with site(tmp_path, device=tank(server)) as one:
        before = one.value("tank.calls")
        answer = await ask(one, method="tank.late", id="late")
        assert (answer["result"], answer["reason"]) == ("unknown", "no-answer")
        assert (await ask(one, method="tank.late", id="late"))["repeated"]
        failed = await ask(one, method="tank.start", arguments={"speed": -1, "count": 1})
        assert (failed["result"], failed["reason"]) == ("unknown", "method-failed")
        await until(lambda: one.value("tank.calls") > before, "it was called")
        assert one.value("tank.calls") == before + 1


async def test_calls_wait_for_each_other_and_not_for_ever(server: Process, tmp_path: Path) -> None:
    async with site(tmp_path, device=tank(server), writes={"queue": 2}) as one:
        waiting = [begin(one, method="tank.slow") for _ in range(2)]
        busy = await ask(one, method="tank.start", arguments={"speed": 1, "count": 1})
        assert busy["reason"] == "busy"
        assert [(await answer)["result"] for answer in waiting] == ["done", "done"]


async def test_a_storm_of_calls_is_counted_and_put_down_once(server: Process, tmp_path: Path) -> None:
    async with site(tmp_path, device=tank(server), writes={"storm": 2}) as one:
        answers = await asyncio.gather(*(ask(one, method="tank.stop") for _ in range(8)))
        stormed = sum(answer["reason"] == "storm" for answer in answers)
        assert stormed >= 4
        await asyncio.sleep(0.5)  # it is told of now and then
    assert sum(one["count"] for one in records(tmp_path) if one["kind"] == "storm") == stormed


async def test_a_condition_is_listed_and_acknowledged_at_its_server(server: Process, tmp_path: Path) -> None:
    async with site(tmp_path, device=tank(server)) as one:
        name = await standing(one, server)
        [row] = [row for row in rows(one) if row["condition"] == name]
        assert (row["active"], row["acked"], row["severity"]) == (True, False, 150)
        assert cli_conditions._lines([row])[0].split()[2] == "active-unacknowledged"
        answer = await ask(one, "mqtt", action="ack", condition=name, comment="seen")
        assert (answer["result"], answer["status"]) == ("done", "Good")
        await until(lambda: [row["acked"] for row in rows(one) if row["condition"] == name] == [True], "acknowledged")
        [row] = [row for row in rows(one) if row["condition"] == name]
        assert row["comment"] == "ann: seen"
    async with site(tmp_path, device=tank(server, acknowledge=[])) as one:
        name = await standing(one, server)
        assert (await ask(one, action="ack", condition=name))["reason"] == "no-right"


async def test_the_command_line_leaves_notes_and_gets_answers(server: Process, tmp_path: Path) -> None:
    async with site(tmp_path, device=tank(server)):
        config = str(tmp_path / "fieldgate.yaml")
        state = ["--config", config, "--state", str(tmp_path / "state")]
        looked = await fieldgate("call", *state, "tank.start")
        assert looked == (0, "tank.start(speed: Double, count: Int16) → (batch: String)\n--yes calls it\n")
        called = await fieldgate("call", *state, "tank.start", "speed=2", "count=1", "--yes")
        assert called == (0, "tank.start: call is done (Good)\n  batch = 2/1\n")
        code, _ = await fieldgate("conditions", "ack", *state, "tank.0123456789")
        assert code == 1
        inbox = Inbox(tmp_path / "state", CALLS)
        ticket = await asyncio.to_thread(inbox.leave, {"action": "call"})
        note = await asyncio.to_thread(inbox.answered, ticket, WITHIN)
        assert note is not None
        assert note["reason"] == "malformed"


async def fieldgate(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        ".venv/bin/fieldgate", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_over_mqtt_events_come_and_conditions_are_acknowledged(server: Process, tmp_path: Path) -> None:
    broker = mosquitto(tmp_path, free_port(), "allow_anonymous true")
    await asyncio.to_thread(broker.start)
    operator = await asyncio.to_thread(Operator, broker.ports[0], "5")
    mqtt = {"url": f"mqtt://127.0.0.1:{broker.ports[0]}", "commands": True}
    try:
        async with site(tmp_path, device=tank(server), mqtt=mqtt) as one:
            publisher = one.gateway.outlet.publisher
            await until(lambda: publisher and publisher.ear and publisher.ear.listening, "subscribed")
            name = await standing(one, server)
            await asyncio.to_thread(server.tell, "raise 400 hello")
            await until(lambda: told(operator, "device event"), "told of")
            [event] = told(operator, "device event")
            assert (event["name"], event["text"], event["fields"]["severity"]) == ("tank", "hello", 400)
            assert told(operator, "device condition")
            table = {"action": "ack", "condition": name, "id": "m1", "expires": soon(), "by": "hmi"}
            await send(operator, "call", table)  # not on this topic
            await until(lambda: operator.on(RESULT), "refused")
            assert operator.on(RESULT)[0]["reason"] == "malformed"
            await send(operator, "condition", table)
            await until(lambda: len(operator.on(RESULT)) == 2, "answered")
            assert operator.on(RESULT)[1]["result"] == "done"
            call = {"action": "call", "condition": None, "method": "tank.start", "id": "m2"}
            await send(operator, "call", table | call | {"arguments": {"speed": 7, "count": 1}})
            await until(lambda: len(operator.on(RESULT)) == 3, "answered")
            assert operator.on(RESULT)[2]["output"] == {"batch": "7/1"}
            await until(lambda: told(operator, "acknowledge") and told(operator, "call"), "told of")
            assert told(operator, "acknowledge refused")
    finally:
        await asyncio.to_thread(operator.close)
        await asyncio.to_thread(broker.kill)


def told(operator: Operator, kind: str) -> list[dict[str, Any]]:
    return [body for topic, body, _ in operator.heard if "/event/" in topic and body["kind"] == kind]


async def send(operator: Operator, topic: str, table: dict[str, Any]) -> None:
    body = {name: value for name, value in table.items() if value is not None}
    await asyncio.to_thread(operator.send, json.dumps(body).encode(), topic=f"fieldgate/g/command/{topic}")
