"""Commands over MQTT through a real broker, on both versions of the protocol: answered, audited, bounded."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.broker import MqttConfig
from gateway.config.schema import OutboxConfig
from gateway.deliver.outbox import Outbox
from gateway.deliver.publisher import Publisher
from gateway.operators.desk import Desk
from gateway.ops.files import RealFiles
from gateway.pipeline import Outward
from gateway.sdk.testing import LoopClock, SilentLog
from tests.deliver.brokers import WITHIN, Process, free_port, mosquitto
from tests.deliver.support import running
from tests.operators.people import COMMAND, RESULT, Operator
from tests.operators.rig import ALARM, Rig

PLAIN = "allow_anonymous true"


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """No guard: the test's own client blocks."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    process = mosquitto(tmp_path, free_port(), PLAIN)
    process.start()
    yield process
    process.kill()


class Site(Rig):
    """The pipeline's messages go through a real outbox to a real broker."""

    def __init__(self, folder: Path, port: int, **options: Any) -> None:
        super().__init__()
        clock, self.log = LoopClock(), SilentLog()
        base = {"url": f"mqtt://127.0.0.1:{port}", "reconnect_max": "200ms", "commands": True}
        mqtt = MqttConfig.model_validate(base | options)
        self.outbox = Outbox(RealFiles(), folder / "outbox", OutboxConfig(), clock, log=self.log)
        self.outbox.open()
        self.publisher = Publisher(self.outbox, mqtt, "g", clock, self.log, jitter=lambda: 0.5)
        self.pipeline._out = Outward("g", self.outbox, self.publisher.topics.of, "off")
        self.desk = Desk(self.commands, folder, "g", self.log)
        self.desk.listen(self.publisher)

    @property
    def listening(self) -> bool:
        return self.publisher.ear is not None and self.publisher.ear.listening

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Site"]:
        async with running(self.outbox, self.publisher):
            yield self


async def until(condition: Callable[[], object], what: str) -> None:
    for _ in range(int(WITHIN / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"timed out: {what}")


@contextlib.asynccontextmanager
async def site(folder: Path, broker: Process, version: str, **options: Any) -> AsyncIterator[tuple[Site, Operator]]:
    operator = await asyncio.to_thread(Operator, broker.ports[0], version)
    try:
        async with Site(folder, broker.ports[0], version=version, **options).running() as one:
            await until(lambda: one.listening, "subscribed")
            one.row(50.0)
            one.row(95.0)
            yield one, operator
    finally:
        operator.close()


def command(**fields: Any) -> bytes:
    return json.dumps({"asset": ALARM, "action": "ack", **fields}).encode()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_command_is_carried_out_told_of_and_answered(tmp_path: Path, broker: Process, version: str) -> None:
    async with site(tmp_path, broker, version) as (_, operator):
        await asyncio.to_thread(operator.send, command(id="c1", by="ann", comment="seen"))
        await until(lambda: operator.on(RESULT), "the answer")
        await until(lambda: operator.on(f"fieldgate/g/event/{ALARM}"), "the audit")
        await until(lambda: len(operator.on(f"fieldgate/g/alarm/{ALARM}")) == 2, "the alarm")
    [answer] = operator.on(RESULT)
    assert (answer["id"], answer["result"], answer["state"]) == ("c1", "done", "active-acknowledged")
    assert operator.on(f"fieldgate/g/alarm/{ALARM}")[1]["by"] == "ann"
    [event] = operator.on(f"fieldgate/g/event/{ALARM}")
    assert (event["kind"], event["fields"]["id"], event["fields"]["via"]) == ("command", "c1", "mqtt")


async def test_an_answer_goes_where_the_sender_wants_it_and_bears_its_mark(tmp_path: Path, broker: Process) -> None:
    async with site(tmp_path, broker, "5") as (_, operator):
        await asyncio.to_thread(operator.send, command(), to="replies/hmi-2", correlation=b"\x00\xff7")
        await until(lambda: operator.on("replies/hmi-2"), "the answer")
    [(_, answer, correlation)] = [one for one in operator.heard if one[0] == "replies/hmi-2"]
    assert answer["result"] == "done"
    assert correlation == b"\x00\xff7"
    assert operator.on(RESULT) == []


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_what_is_refused_is_answered_with_its_reason_and_told_of(
    tmp_path: Path, broker: Process, version: str
) -> None:
    bodies = [
        (b"ack!", "malformed"),
        (b'{"x": "' + b"y" * 5000 + b'"}', "malformed"),
        (command(asset="valve"), "unknown"),
        (command(action="unshelve"), "illegal"),
        (command(expires="2001-01-01T00:00:00Z"), "expired"),
    ]
    async with site(tmp_path, broker, version) as (one, operator):
        for body, _ in bodies:
            await asyncio.to_thread(operator.send, body)
        await until(lambda: len(operator.on(RESULT)) == len(bodies), "answers")
        told = [f"fieldgate/g/event/{name}" for name in ("command", ALARM)]
        await until(lambda: sum(len(operator.on(topic)) for topic in told) == len(bodies), "the audit")
        assert [answer["reason"] for answer in operator.on(RESULT)] == [reason for _, reason in bodies]
        assert one.commands.refused == {"malformed": 2, "unknown": 1, "illegal": 1, "expired": 1}


async def test_a_message_that_would_fill_the_memory_is_not_even_sent_to_us(tmp_path: Path, broker: Process) -> None:
    async with site(tmp_path, broker, "5") as (one, operator):
        await asyncio.to_thread(operator.send, command(comment="x" * 10_000_000))
        await asyncio.to_thread(operator.send, command())
        await until(lambda: operator.on(RESULT), "the other one is answered")
        assert one.publisher.counters["connects"] == 1
        assert not one.commands.refused


async def test_a_command_that_comes_twice_is_done_once(tmp_path: Path, broker: Process) -> None:
    async with site(tmp_path, broker, "5") as (one, operator):
        for _ in range(2):
            await asyncio.to_thread(operator.send, command(id="c1"))
        await until(lambda: len(operator.on(RESULT)) == 2, "answers")
        assert [answer["repeated"] for answer in operator.on(RESULT)] == [False, True]
        assert one.commands.counters["commands_done_total"] == 1


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_retained_command_is_never_carried_out(tmp_path: Path, broker: Process, version: str) -> None:
    operator = await asyncio.to_thread(Operator, broker.ports[0], version)
    await asyncio.to_thread(operator.send, command(), retain=True)
    operator.close()
    async with site(tmp_path, broker, version) as (one, other):
        await asyncio.to_thread(other.send, command(action="shelve"))
        await until(lambda: one.commands.counters["commands_done_total"], "the other command")
        assert one.commands.refused == ({} if version == "5" else {"malformed": 1})


async def test_commands_go_on_after_the_broker_was_away(tmp_path: Path, broker: Process) -> None:
    async with Site(tmp_path, broker.ports[0]).running() as one:
        await until(lambda: one.listening, "subscribed")
        broker.kill()
        await until(lambda: not one.publisher.connected, "lost")
        await asyncio.to_thread(broker.start)
        await until(lambda: one.publisher.connected and one.listening, "back")
        operator = await asyncio.to_thread(Operator, broker.ports[0], "5")
        await asyncio.to_thread(operator.send, command(action="shelve"))
        await until(lambda: operator.on(RESULT), "the answer")
        operator.close()


async def test_a_flood_is_bounded_and_counted(tmp_path: Path, broker: Process) -> None:
    async with site(tmp_path, broker, "5") as (one, operator):
        for _ in range(400):
            operator.client.publish(COMMAND, command(), qos=1)
        await until(
            lambda: one.commands.counters["commands_dropped_total"] + one.commands.refused["illegal"] == 399, "all seen"
        )
        assert one.commands.refused["illegal"] <= 50
        one.commands.tick()
        await until(lambda: operator.on("fieldgate/g/event/command"), "told of")


async def test_nothing_is_subscribed_unless_the_configuration_says_so(tmp_path: Path, broker: Process) -> None:
    operator = await asyncio.to_thread(Operator, broker.ports[0], "5")
    rig = Site(tmp_path, broker.ports[0])
    rig.publisher.ear = None
    async with rig.running() as one:
        await until(lambda: one.publisher.connected, "connected")
        await asyncio.sleep(0.1)
        await asyncio.to_thread(operator.send, command(action="shelve"))
        await asyncio.sleep(0.3)
        assert not any(one.commands.counters.values())
        assert not one.commands.refused
    operator.close()
