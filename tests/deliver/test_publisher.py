"""The publisher against real brokers: outage, kill, refusal, failover. Nothing is lost, no id has two contents."""

import asyncio
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.deliver.event import Class
from gateway.sdk import ConfigError
from tests.deliver.brokers import Process, Subscriber, free_port, iotcore, mosquitto
from tests.deliver.rig import Rig, contents

PLAIN = "allow_anonymous true\nmax_queued_messages 100000"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    process = mosquitto(tmp_path, free_port(), PLAIN)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def subscriber(broker: Process) -> Iterator[Subscriber]:
    one = Subscriber(broker.ports[0])
    yield one
    one.close()


def url(broker: Process) -> str:
    return f"mqtt://127.0.0.1:{broker.ports[0]}"


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_everything_put_arrives_once_and_in_order(
    tmp_path: Path, broker: Process, subscriber: Subscriber, version: str
) -> None:
    async with Rig(tmp_path, url(broker), version=version).running() as rig:
        for cls in Class:
            rig.put(cls, 200)
        await rig.until(lambda: all(rig.acked(cls) == 200 for cls in Class), "acknowledged")
        await rig.until(lambda: len(subscriber.bodies("telemetry")) == 200, "heard")
    for cls in Class:
        assert [json.loads(body)["id"] for body in subscriber.bodies(cls)] == [f"{cls}/{n}" for n in range(1, 201)]
    assert rig.outbox.stats().classes[Class.TELEMETRY].acked.readings == 600


async def test_birth_and_goodbye_are_retained_status(tmp_path: Path, broker: Process, subscriber: Subscriber) -> None:
    async with Rig(tmp_path, url(broker)).running() as rig:
        await rig.until(lambda: rig.publisher.connected and subscriber.bodies("status"), "birth")
        birth = json.loads(subscriber.bodies("status")[0])
        assert (birth["state"], birth["gateway"], birth["epoch"]) == ("online", "line-3", rig.outbox.epoch)
    await rig.until(lambda: len(subscriber.bodies("status")) > 1, "goodbye")
    await asyncio.sleep(0.2)
    states = [json.loads(body) for body in subscriber.bodies("status")]
    assert [(state["state"], state.get("reason")) for state in states] == [("online", None), ("offline", "stopped")]
    late = Subscriber(broker.ports[0])
    try:
        await rig.until(lambda: late.bodies("status"), "retained")
        assert json.loads(late.bodies("status")[0])["state"] == "offline"
    finally:
        late.close()


async def test_a_cancelled_publisher_leaves_its_will(tmp_path: Path, broker: Process, subscriber: Subscriber) -> None:
    rig = Rig(tmp_path, url(broker))
    rig.outbox.start()
    task = asyncio.create_task(rig.publisher.run())
    await rig.until(lambda: subscriber.bodies("status"), "birth")
    task.cancel()
    await asyncio.wait([task])
    await rig.until(lambda: len(subscriber.bodies("status")) > 1, "will")
    will = json.loads(subscriber.bodies("status")[-1])
    assert (will["state"], will["reason"]) == ("offline", "lost")
    await rig.outbox.close()


async def test_a_broker_that_is_absent_at_start_is_found_when_it_comes(tmp_path: Path) -> None:
    process = mosquitto(tmp_path, free_port(), PLAIN)
    async with Rig(tmp_path, url(process)).running() as rig:
        rig.put(Class.ALARM, 5)
        await rig.until(lambda: rig.publisher.counters["failures"] > 2, "tries again")
        assert "refused" in rig.publisher.last_error
        assert not rig.publisher.connected
        try:
            await asyncio.to_thread(process.start)
            await rig.until(lambda: rig.acked(Class.ALARM) == 5, "acknowledged")
            assert len([line for line in rig.log.lines if line[1] == "broker unreachable"]) == 1
        finally:
            process.kill()


def later(subscriber: Subscriber, seen: int) -> bool:
    """Whether it has subscribed again since it had `seen` times."""
    return subscriber.subscriptions > seen


async def outage(rig: Rig, process: Process, subscriber: Subscriber) -> None:
    """Messages before, during and after two kills of the broker."""
    for _ in range(2):
        rig.put(Class.TELEMETRY, 300)
        rig.put(Class.ALARM, 20)
        await rig.until(lambda: rig.publisher.counters["published"], "under way")
        seen = subscriber.subscriptions
        process.kill()
        await rig.until(lambda: not rig.publisher.connected, "loss is seen")
        rig.put(Class.TELEMETRY, 100)
        await asyncio.to_thread(process.start)
        await rig.until(functools.partial(later, subscriber, seen), "subscriber is back")
    rig.put(Class.TELEMETRY, 1)
    await rig.until(lambda: rig.acked() == 801 and rig.acked(Class.ALARM) == 40, "acknowledged")
    await rig.until(lambda: f"telemetry/{801}" in contents(subscriber.bodies("telemetry")), "heard")


async def test_a_killed_broker_costs_nothing_that_it_did_not_acknowledge(
    tmp_path: Path, broker: Process, subscriber: Subscriber
) -> None:
    async with Rig(tmp_path, url(broker), window=50).running() as rig:
        await rig.until(lambda: rig.publisher.connected, "connected")
        await outage(rig, broker, subscriber)
    assert rig.publisher.counters["connects"] == 3
    contents(subscriber.bodies("telemetry") + subscriber.bodies("alarm"))


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_outage_and_return_with_the_embedded_broker(tmp_path: Path, version: str) -> None:
    v4, v5 = free_port(), free_port()
    process = iotcore(tmp_path, v4, v5)
    await asyncio.to_thread(process.start)
    subscriber = Subscriber(v5)
    try:
        address = f"mqtt://127.0.0.1:{v5 if version == '5' else v4}"
        async with Rig(tmp_path, address, version=version, window=50).running() as rig:
            await rig.until(lambda: rig.publisher.connected, "connected")
            await outage(rig, process, subscriber)
    finally:
        subscriber.close()
        process.kill()


async def test_a_refused_message_is_tried_again_then_dropped_and_the_others_flow(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite fieldgate/line-3/alarm/#\ntopic readwrite fieldgate/line-3/status/#\n")
    process = mosquitto(tmp_path, free_port(), f"{PLAIN}\nacl_file {acl}")
    process.start()
    try:
        async with Rig(tmp_path, url(process), window=8).running() as rig:
            rig.put(Class.TELEMETRY, 6)
            await rig.until(lambda: rig.publisher.counters["refused"], "refused")
            rig.put(Class.ALARM, 30)
            await rig.until(lambda: rig.acked(Class.ALARM) == 30, "alarms are not held up")
            await rig.until(lambda: rig.publisher.counters["dropped"] == 6, "given up")
            stats = rig.outbox.stats().classes[Class.TELEMETRY]
            assert (stats.dropped, stats.acked.records) == ({"refused": 18}, 0)
            assert "0x87" in rig.publisher.last_error
            assert rig.publisher.counters["refused"] == 30
            assert rig.publisher.counters["connects"] == 1
    finally:
        process.kill()


async def test_a_broker_that_refuses_and_disconnects_ends_in_a_drop_too(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite fieldgate/line-3/alarm/#\ntopic readwrite fieldgate/line-3/status/#\n")
    # mosquitto 2.0 takes this 0 for a full queue when it refuses a message, and closes the connection
    process = mosquitto(tmp_path, free_port(), f"allow_anonymous true\nacl_file {acl}\nmax_queued_messages 0")
    process.start()
    try:
        async with Rig(tmp_path, url(process), window=8).running() as rig:
            rig.put(Class.TELEMETRY, 2)
            rig.put(Class.ALARM, 5)
            await rig.until(lambda: rig.acked(Class.ALARM) == 5, "alarms get through")
            await rig.until(lambda: rig.publisher.counters["dropped"] == 2, "given up")
            assert rig.outbox.stats().classes[Class.TELEMETRY].dropped == {"refused": 6}
    finally:
        process.kill()


async def test_a_message_larger_than_the_broker_takes_is_dropped_and_the_others_flow(tmp_path: Path) -> None:
    process = mosquitto(tmp_path, free_port(), f"{PLAIN}\nmax_packet_size 2000")
    process.start()
    try:
        async with Rig(tmp_path, url(process)).running() as rig:
            await rig.until(lambda: rig.publisher.connected, "connected")
            rig.put(Class.TELEMETRY, 1, size=3000)
            rig.put(Class.TELEMETRY, 5)
            await rig.until(lambda: rig.acked() == 5, "the others")
            assert rig.outbox.stats().classes[Class.TELEMETRY].dropped == {"refused": 3}
            assert rig.publisher.counters["connects"] == 1
    finally:
        process.kill()


async def test_what_the_outbox_kept_over_a_restart_is_sent(
    tmp_path: Path, broker: Process, subscriber: Subscriber
) -> None:
    first = Rig(tmp_path, url(broker))
    first.outbox.start()
    first.put(Class.TELEMETRY, 50)
    assert await first.outbox.close()
    async with Rig(tmp_path, url(broker)).running() as rig:
        rig.put(Class.TELEMETRY, 1)
        await rig.until(lambda: rig.acked() == 51, "acknowledged")
        await rig.until(lambda: len(subscriber.bodies("telemetry")) == 51, "heard")
    assert list(contents(subscriber.bodies("telemetry"))) == [f"telemetry/{n}" for n in range(1, 52)]
    assert rig.outbox.epoch == first.outbox.epoch


async def test_a_wrong_password_is_shown(tmp_path: Path) -> None:
    process = mosquitto(tmp_path, free_port(), "allow_anonymous false")
    process.start()
    try:
        async with Rig(tmp_path, url(process), user="line-3", password="no").running() as rig:
            await rig.until(lambda: rig.publisher.counters["failures"] > 1, "fails")
            assert "refuses" in rig.publisher.last_error
            assert "Not authorized" in rig.publisher.last_error
    finally:
        process.kill()


async def test_when_one_address_is_gone_the_next_one_is_used(
    tmp_path: Path, broker: Process, subscriber: Subscriber
) -> None:
    other = mosquitto(tmp_path, free_port(), PLAIN)
    addresses = {"backup": [f"mqtt://127.0.0.1:{other.ports[0]}"]}
    async with Rig(tmp_path, url(broker), **addresses).running() as rig:
        rig.put(Class.TELEMETRY, 10)
        await rig.until(lambda: rig.acked() == 10, "acknowledged by the first")
        broker.kill()
        await rig.until(lambda: not rig.publisher.connected, "loss is seen")
        rig.put(Class.TELEMETRY, 10)
        await asyncio.to_thread(other.start)
        await rig.until(lambda: rig.acked() == 20, "acknowledged by the second")
        other.kill()
        await asyncio.to_thread(broker.start)
        await rig.until(lambda: subscriber.subscriptions > 1, "listened to again")
        rig.put(Class.TELEMETRY, 10)
        await rig.until(lambda: rig.acked() == 30, "acknowledged by the first again")
    heard = contents(subscriber.bodies("telemetry"))
    assert {f"telemetry/{n}" for n in (*range(1, 11), *range(21, 31))} <= heard.keys()


async def test_a_broker_that_never_acknowledges_is_left(tmp_path: Path) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(bytes.fromhex("20 03 00 00 00"))  # CONNACK, and nothing more
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Rig(tmp_path, f"mqtt://127.0.0.1:{port}", keepalive="500ms").running() as rig:
        rig.put(Class.TELEMETRY, 1)
        await rig.until(lambda: rig.publisher.counters["losses"] > 1, "left")
        assert rig.acked() == 0
    server.close()


@pytest.mark.parametrize("topic", ["fieldgate/{gateway}/{name}", "{class}/{asset}", "${class}/{gateway}"])
async def test_a_topic_that_cannot_work_is_a_configuration_error(tmp_path: Path, topic: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.topic"):
        Rig(tmp_path, "mqtt://127.0.0.1:1", topic=topic)


async def test_stopping_while_the_broker_is_away_is_prompt(tmp_path: Path) -> None:
    async with Rig(tmp_path, f"mqtt://127.0.0.1:{free_port()}", reconnect_max="1h").running() as rig:
        rig.publisher._dialling._attempt = 20
        await rig.until(lambda: rig.publisher.counters["failures"], "tried")
