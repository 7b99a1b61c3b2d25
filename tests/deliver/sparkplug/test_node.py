"""The edge node through outages, requests and changes: nothing is lost, nothing is said out of its turn."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.deliver.event import Class, GatewayEvent
from gateway.deliver.sparkplug.host import Command
from gateway.deliver.sparkplug.reading import read
from tests.deliver.brokers import Process, free_port, iotcore, mosquitto
from tests.deliver.sparkplug.rig import DEVICES, PUMP, Host, Plant
from tests.deliver.sparkplug.tap import Tap

CUTS = 20


@pytest.fixture
def host(broker: Process) -> Iterator[Host]:
    one = Host(broker.ports[0])
    yield one
    one.close()


@pytest.fixture
async def tap(broker: Process) -> AsyncIterator[Tap]:
    async with Tap(broker.ports[0]).open() as one:
        yield one


async def test_a_host_that_asks_for_a_rebirth_gets_it(tmp_path: Path, broker: Process, host: Host) -> None:
    plant = Plant(tmp_path, broker.ports[0])
    async with plant.running():
        plant.scan("pump-7", *PUMP)
        await plant.until(plant.settled, "told")
        await asyncio.sleep(1.1)
        host.ask_rebirth()
        await plant.until(lambda: len(host.of("NBIRTH")) >= 2, "reborn")
        await plant.until(lambda: len(host.of("DBIRTH")) >= 2, "device too")
    assert host.of("NBIRTH")[1].seq == 0
    assert [one.value for one in host.of("DBIRTH")[1].metrics] == list(PUMP)


async def test_attempts_that_came_to_nothing_leave_no_gap_in_bdseq(tmp_path: Path, tap: Tap) -> None:
    tap.cut()
    plant = Plant(tmp_path, tap.port)
    async with plant.running():
        for number in range(3):
            await plant.until(lambda: plant.publisher.counters["failures"] >= 3 * (number + 1), "tries in vain")  # noqa: B023
            await tap.resume()
            await plant.until(lambda: plant.publisher.connected, "connected")
            tap.cut()
            await plant.until(lambda: not plant.publisher.connected, "cut")
    wills = [packet.will for packet in tap.of("CONNECT")]
    assert [read(will.payload).metrics[0].value for will in wills if will] == list(range(len(wills)))
    assert len(wills) >= 3


def test_bdseq_runs_from_0_to_255_and_anew(tmp_path: Path) -> None:
    node = Plant(tmp_path, 1883).node
    told = []
    for _ in range(258):
        told.append(read(node.will().body).metrics[0].value)
        [birth] = node.birth()
        assert read(birth.body).metrics[0].value == told[-1]
    assert told == [*range(256), 0, 1]


async def test_many_requests_make_one_rebirth_and_data_wait_for_it(tmp_path: Path, host: Host, tap: Tap) -> None:
    plant = Plant(tmp_path, tap.port)
    async with plant.running():
        plant.scan("pump-7", *PUMP)
        await plant.until(plant.settled, "told")
        await asyncio.sleep(1.1)
        for _ in range(10):
            host.ask_rebirth()
        await plant.until(lambda: len(tap.of("NBIRTH")) == 2, "reborn")
        for _ in range(10):
            host.ask_rebirth()
        await plant.until(plant.node.silent, "asked again, within the second")
        told = len(tap.of("DDATA"))
        plant.scan("pump-7", *PUMP)
        plant.scan("pump-7", *PUMP)
        await plant.until(lambda: plant.settled() and not plant.node.silent(), "told")
    assert len(tap.of("NBIRTH")) == 3
    kinds = [packet.type for packet in tap.packets if packet.type]
    third = [at for at, kind in enumerate(kinds) if kind == "NBIRTH"][2]
    assert kinds[:third].count("DDATA") == told, "nothing between the request and the birth"
    assert kinds[third:].count("DDATA") == 2


async def test_writes_are_refused_and_counted_until_somebody_takes_them(
    tmp_path: Path, broker: Process, host: Host
) -> None:
    plant = Plant(tmp_path, broker.ports[0])
    async with plant.running():
        await plant.until(lambda: plant.publisher.connected, "connected")
        host.command("spBv1.0/plant/DCMD/line-3/pump-7", "running", value=True)
        host.command("spBv1.0/plant/NCMD/line-3", "Node Control/Reboot", value=True)
        await plant.until(lambda: plant.publisher.counters["sparkplug_refused"] == 2, "refused")
        taken: list[Command] = []
        plant.node.take = taken.append
        host.command("spBv1.0/plant/DCMD/line-3/pump-7", "running", value=True)
        await plant.until(lambda: taken, "taken")
    assert (taken[0].device, taken[0].metrics[0].name, taken[0].metrics[0].value) == ("pump-7", "running", True)


@pytest.mark.parametrize("body", [b"", b"\xff" * 100, b"\x12\xff\xff\xff\xff\x0f", b"\x00" * 70_000, b"\x12\x02\x0a"])
async def test_a_hostile_command_is_dropped_and_the_node_goes_on(
    tmp_path: Path, broker: Process, host: Host, body: bytes
) -> None:
    plant = Plant(tmp_path, broker.ports[0])
    async with plant.running():
        await plant.until(lambda: plant.publisher.connected, "connected")
        host.client.publish("spBv1.0/plant/NCMD/line-3", body)
        host.client.publish("spBv1.0/plant/DCMD/line-3/pump-7", body)
        await asyncio.sleep(1.1)
        host.ask_rebirth()
        await plant.until(lambda: len(host.of("NBIRTH")) == 2, "it hears still")
    assert plant.publisher.counters["sparkplug_dropped"] == (2 if 0 < len(body) < 2**16 else 0), (
        "nothing is no command; what is too large the broker keeps to itself, for we said so"
    )


async def test_a_retained_command_is_none(tmp_path: Path, broker: Process, host: Host) -> None:
    host.ask_rebirth(retain=True)
    await asyncio.sleep(0.2)
    plant = Plant(tmp_path, broker.ports[0])
    async with plant.running():
        await plant.until(lambda: plant.publisher.connected, "connected")
        await asyncio.sleep(1.3)  # longer than the debounce
    assert plant.publisher.counters["sparkplug_births"] == 1


async def test_through_many_cuts_every_reading_reaches_the_host(tmp_path: Path, host: Host, tap: Tap) -> None:
    """Put = seen, by metric, time and value; what was under way when the line was cut comes again, as historical."""
    plant = Plant(tmp_path, tap.port)
    async with plant.running():
        for cut in range(CUTS):
            for number in range(30):
                plant.scan("pump-7", float(cut), number % 2, float(number), float(cut * number), f"s{number}", 0.5)
                plant.scan("tank-1", float(number), None if number % 7 == 0 else 1.0)
                if number % 5 == 0:
                    await asyncio.sleep(0.01)
                if number == 20:
                    tap.mute = cut % 2 == 0  # the bytes vanish, and nobody is told
            tap.drop()
            await plant.until(lambda: not plant.publisher.connected, "cut")
            await plant.until(lambda: plant.publisher.connected, "back")
        plant.scan("pump-7", *PUMP)
        await plant.until(plant.settled, "all settled", within=60)
        await asyncio.sleep(0.3)
    assert tap.connections > CUTS
    assert host.readings() == plant.put
    assert plant.acked() == len(plant.put)
    assert len(host.of("NDEATH")) >= CUTS, "the broker said so for each connection"


async def test_the_embedded_broker_takes_an_edge_node_too(tmp_path: Path) -> None:
    process = iotcore(tmp_path, free_port(), free_port())
    process.start()
    try:
        host = Host(process.ports[1])
        async with Tap(process.ports[1]).open() as tap:
            plant = Plant(tmp_path, tap.port)
            async with plant.running():
                for number in range(5):
                    for value in range(20):
                        plant.scan("tank-1", float(number), float(value))
                    await plant.until(plant.settled, "told")
                    tap.drop()
                    await plant.until(lambda: not plant.publisher.connected, "cut")
                plant.scan("tank-1", 1.0, 2.0)
                await plant.until(plant.settled, "told")
                await plant.until(lambda: host.readings() == plant.put, "heard")
        host.close()
    finally:
        process.kill()


async def test_a_killed_broker_loses_nothing_that_was_settled(tmp_path: Path) -> None:
    process = mosquitto(tmp_path, free_port(), "allow_anonymous true\nmax_queued_messages 100000")
    process.start()
    host = Host(process.ports[0])
    plant = Plant(tmp_path, process.ports[0])
    try:
        async with plant.running():
            plant.scan("pump-7", *PUMP)
            await plant.until(plant.settled, "told")
            seen = host.subscriptions
            await asyncio.to_thread(process.kill)
            await plant.until(lambda: not plant.publisher.connected, "lost")
            for _ in range(100):
                plant.scan("pump-7", *PUMP)
            await asyncio.to_thread(process.start)
            await plant.until(lambda: host.subscriptions > seen, "host is back")
            host_back = time.time_ns() // 10**6
            plant.scan("pump-7", *PUMP)
            await plant.until(plant.settled, "told")
            await asyncio.sleep(1.1)
            host.ask_rebirth()  # it may have missed the births: the node was quicker
            await plant.until(lambda: len(host.of("DBIRTH")) >= 2, "births")
    finally:
        host.close()
        process.kill()
    assert plant.acked() == len(plant.put)
    assert max(one.timestamp or 0 for one in host.of("DBIRTH")[-1].metrics) >= host_back - 60_000


async def test_while_the_primary_host_is_away_readings_wait_and_alarms_do_not(
    tmp_path: Path, broker: Process, host: Host
) -> None:
    plant = Plant(tmp_path, broker.ports[0], sparkplug={"primary_host": "scada"})
    async with plant.running():
        await plant.until(lambda: plant.publisher.connected, "connected")
        for _ in range(20):
            plant.scan("pump-7", *PUMP)
        plant.pipeline.send(Class.EVENT, "pump-7", GatewayEvent("device lost", "pump-7", 1, "gone"))
        await plant.until(lambda: [t for t, _, _ in host.messages if t.startswith("fieldgate/line-3/event/")], "event")
        await plant.until(lambda: plant.outbox.stats().classes[Class.TELEMETRY].queued.records == 20, "on disk")
        assert not host.of("NBIRTH")
        host.state(online=True, timestamp=1)
        await plant.until(plant.settled, "told")
        host.state(online=False, timestamp=2)
        await plant.until(lambda: host.of("NDEATH"), "dead")
        for _ in range(20):
            plant.scan("pump-7", *PUMP)
        await asyncio.sleep(0.3)
        assert len(host.of("NBIRTH")) == 1
        host.state(online=True, timestamp=3)
        await plant.until(plant.settled, "told")
        await asyncio.sleep(0.2)
    assert host.readings() == plant.put
    assert all(one.historical for payload in host.of("DDATA") for one in payload.metrics), "the births were newer"


async def test_a_device_that_was_lost_meanwhile_dies_behind_its_history(tmp_path: Path, host: Host, tap: Tap) -> None:
    plant = Plant(tmp_path, tap.port)
    async with plant.running():
        plant.scan("pump-7", *PUMP)
        await plant.until(plant.settled, "told")
        tap.cut()
        await plant.until(lambda: not plant.publisher.connected, "cut")
        plant.scan("pump-7", *PUMP)
        plant.lose("pump-7")
        tap.packets.clear()
        await tap.resume()
        await plant.until(plant.settled, "told")
    kinds = [(packet.type, packet.device) for packet in tap.packets if packet.type]
    assert kinds[:6] == [
        ("NBIRTH", ""), ("DBIRTH", "pump-7"), ("NDATA", ""), ("DDATA", "pump-7"), ("DDATA", "pump-7"),
        ("DDEATH", "pump-7"),
    ]  # fmt: skip
    assert len(host.readings()) == 2 * len(PUMP) + len(PUMP)


async def test_what_waits_from_another_configuration_is_never_taken_for_another_tag(
    tmp_path: Path, broker: Process, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Plant(tmp_path, broker.ports[0])
    before.scan("pump-7", *PUMP)
    before.scan("tank-1", 40.0, 1.0)
    before.scan("valve-3", 1.0)
    assert await before.outbox.close()
    tags = {name: tag for name, tag in DEVICES["pump-7"].items() if name != "running"}
    tags["count"] = tags["total"]  # another datatype
    monkeypatch.setitem(DEVICES, "pump-7", tags)
    monkeypatch.delitem(DEVICES, "valve-3")
    plant = Plant(tmp_path, broker.ports[0])
    async with plant.running():
        await plant.until(plant.settled, "told")
        await asyncio.sleep(0.2)
    told = {name for name, _, _ in host.readings()}
    assert told == {f"pump-7.{tag}" for tag in ("flow", "total", "state", "speed")} | {"tank-1.level", "tank-1.mixed"}
    assert plant.publisher.counters["sparkplug_unknown"] == 2
    assert plant.outbox.stats().classes[Class.TELEMETRY].dropped["unknown"] == 1, "valve-3 is no more"


async def test_a_change_of_payload_leaves_nothing_unaccounted(tmp_path: Path, broker: Process, host: Host) -> None:
    before = Plant(tmp_path, broker.ports[0])
    before.scan("pump-7", *PUMP)
    assert await before.outbox.close()
    columnar = Plant(tmp_path, broker.ports[0], payload="columnar")
    async with columnar.running():
        await columnar.until(columnar.settled, "settled")
        columnar.scan("tank-1", 1.0, 2.0)
        await columnar.until(columnar.settled, "settled")
    assert columnar.outbox.stats().classes[Class.TELEMETRY].dropped["unknown"] == len(PUMP)
    kinds = {topic.split("/")[2] for topic, _, _ in host.messages}
    assert not host.of("DDATA")
    assert "telemetry" in kinds


async def test_columns_from_before_go_out_as_they_are(tmp_path: Path, broker: Process, host: Host) -> None:
    before = Plant(tmp_path, broker.ports[0], payload="columnar")
    before.scan("pump-7", *PUMP)
    assert await before.outbox.close()
    async with Plant(tmp_path, broker.ports[0]).running() as plant:
        await plant.until(plant.settled, "settled")
        await plant.until(lambda: [t for t, _, _ in host.messages if "/telemetry/" in t], "heard")
    [body] = [body for topic, body, _ in host.messages if "/telemetry/" in topic]
    assert json.loads(body)["device"] == "pump-7"


async def test_what_waits_over_a_restart_comes_as_history(tmp_path: Path, broker: Process, host: Host) -> None:
    before = Plant(tmp_path, broker.ports[0])
    for _ in range(30):
        before.scan("pump-7", *PUMP)
    assert await before.outbox.close()
    plant = Plant(tmp_path, broker.ports[0])
    async with plant.running():
        await plant.until(plant.settled, "told")
        plant.scan("pump-7", *PUMP)
        await plant.until(plant.settled, "told")
        await asyncio.sleep(0.2)
    assert host.readings() == before.put | plant.put
    flags = [one.metrics[0].historical for one in host.of("DDATA")]
    assert flags == [True] * 30 + [False]


async def test_a_mark_that_the_broker_refuses_settles_all_the_same(tmp_path: Path) -> None:
    rights = tmp_path / "acl"
    rights.write_text("topic readwrite spBv1.0/#\n")
    process = mosquitto(tmp_path, free_port(), f"allow_anonymous true\nacl_file {rights}")
    process.start()
    try:
        async with Plant(tmp_path, process.ports[0]).running() as plant:
            plant.scan("pump-7", *PUMP)
            await plant.until(plant.settled, "settled")
    finally:
        process.kill()
    assert plant.acked() == len(PUMP)
    assert [fields["topic"] for _, event, fields in plant.log.lines if event == "message refused"] == [
        "fieldgate/line-3/sent/line-3"
    ]


async def test_a_value_that_does_not_fit_widens_its_metric_by_a_rebirth(
    tmp_path: Path, broker: Process, host: Host
) -> None:
    plant = Plant(tmp_path, broker.ports[0])
    async with plant.running():
        plant.scan("tank-1", 1.0, 2.0)
        await plant.until(plant.settled, "told")
        plant.scan("tank-1", 1.0, "a text")
        await plant.until(plant.settled, "told")
        plant.scan("tank-1", 1.0, 3.5)
        await plant.until(plant.settled, "told")
        await asyncio.sleep(0.2)
    births = [birth.metrics[1] for birth in host.of("DBIRTH")]
    assert [(one.datatype, one.value) for one in births] == [(10, 2.0), (12, "a text")]
    assert [one.metrics[-1].value for one in host.of("DDATA")] == [2.0, "a text", "3.5"]


async def test_what_the_broker_does_not_take_is_dropped_and_told(tmp_path: Path, host: Host) -> None:
    """The host of this test listens on another broker: what counts are the books."""
    del host
    process = mosquitto(tmp_path, free_port(), "allow_anonymous true\nmax_packet_size 600")
    process.start()
    try:
        async with Plant(tmp_path, process.ports[0]).running() as plant:
            plant.scan("tank-1", 1.0, "x" * 1000)
            await plant.until(plant.settled, "settled")
    finally:
        process.kill()
    assert plant.outbox.stats().classes[Class.TELEMETRY].dropped["refused"] == 2
    assert "larger" in plant.publisher.last_error
