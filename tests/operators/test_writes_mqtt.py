"""Writes over MQTT through a real broker, on both versions of the protocol: answered to whoever asked, once."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.deliver.brokers import Process, free_port, mosquitto
from tests.operators.people import RESULT, WRITE, Operator
from tests.operators.plc import Site, site, soon, until


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """The site has the guard, between start and end."""


@contextlib.asynccontextmanager
async def plant(folder: Path, version: str, **mqtt: Any) -> AsyncIterator[tuple[Site, Operator, Process]]:
    broker = mosquitto(folder, free_port(), "allow_anonymous true")
    await asyncio.to_thread(broker.start)
    operator = await asyncio.to_thread(Operator, broker.ports[0], version)
    url = f"mqtt://127.0.0.1:{broker.ports[0]}"
    try:
        async with site(folder, mqtt={"url": url, "version": version, "commands": True, **mqtt}) as one:
            publisher = one.gateway.outlet.publisher
            await until(lambda: publisher and publisher.ear and publisher.ear.listening, "subscribed")
            yield one, operator, broker
    finally:
        await asyncio.to_thread(operator.close)
        await asyncio.to_thread(broker.kill)


async def send(operator: Operator, **fields: Any) -> None:
    more = {name: fields.pop(name) for name in ("to", "correlation", "retain") if name in fields}
    body = {"tag": "plc.speed", "value": 5, "id": "m1", "by": "hmi", "expires": soon()} | fields
    await asyncio.to_thread(operator.send, json.dumps(body).encode(), topic=WRITE, **more)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_write_is_answered_on_the_result_topic_and_told_of(tmp_path: Path, version: str) -> None:
    async with plant(tmp_path, version) as (one, operator, _):
        await send(operator)
        await until(lambda: operator.on(RESULT), "answered")
        answer = operator.on(RESULT)[0]
        assert (answer["result"], answer["id"], answer["tag"], answer["gateway"]) == ("done", "m1", "plc.speed", "g")
        await send(operator, value=7)
        await until(lambda: len(operator.on(RESULT)) == 2, "answered again")
        assert operator.on(RESULT)[1]["repeated"] is True
        assert one.plc.writes == [(6, 10, 50)]
        event = "fieldgate/g/event/plc"
        await until(lambda: any(told["kind"] == "write" for told in operator.on(event)), "told of")
        told = next(told for told in operator.on(event) if told["kind"] == "write")
        assert (told["fields"]["by"], told["fields"]["via"], told["fields"]["seal"]) == ("hmi", "mqtt", answer["seal"])


async def test_an_answer_goes_where_mqtt_5_says_with_its_correlation(tmp_path: Path) -> None:
    async with plant(tmp_path, "5") as (_, operator, _broker):
        await send(operator, to="replies/hmi", correlation=b"\0\1")
        await send(operator, id="m2", value=99, to="replies/hmi", correlation=b"\0\2")
        await until(lambda: len(operator.on("replies/hmi")) == 2, "answered")
        found = {correlation: body["reason"] for _, body, correlation in operator.heard if correlation}
        assert found == {b"\0\1": "", b"\0\2": "out-of-range"}


async def test_what_is_no_command_or_not_for_mqtt_writes_nothing(tmp_path: Path) -> None:
    async with plant(tmp_path, "5") as (one, operator, _):
        await send(operator, tag="plc.mode", value="off")
        await asyncio.to_thread(operator.send, b"{", topic=WRITE)
        await asyncio.to_thread(operator.send, b"[1]", topic=WRITE)
        await until(lambda: len(operator.on(RESULT)) == 3, "answered")
        assert [answer["reason"] for answer in operator.on(RESULT)] == ["no-right", "malformed", "malformed"]
        assert one.plc.writes == []


async def test_without_leave_for_commands_nobody_listens(tmp_path: Path) -> None:
    async with site(tmp_path, mqtt={"url": f"mqtt://127.0.0.1:{free_port()}"}) as one:
        assert one.gateway.outlet.publisher is not None
        assert one.gateway.outlet.publisher.ear is None
