"""A broker that is not there, goes away, or comes late costs no message; and the plant sees the gateway come and go."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.kill import Broker
from gateway.cli.children import Child
from tests.e2e.site import GATEWAY, Listener, Message, Site, farm, farm_devices, until


class Rig(NamedTuple):
    site: Site
    ear: Listener
    broker: Broker
    absent_for: int  # messages that waited when the broker first came
    farm: Child


@pytest.fixture(scope="module")
def rig(place: Path, post: Broker, ear: Listener) -> Iterator[Rig]:
    """A gateway that was started while its broker was away, and has found it meanwhile."""
    post.stop()
    with farm(place, 3) as (devices, ready), Site(place, farm_devices(ready), post.port, telemetry="all") as site:
        site.start()
        until(lambda: waiting(site) > 60, "telemetry waits on disk")
        absent_for = waiting(site)
        post.start()
        until(lambda: site.status()["broker"]["connected"], "the broker is found")
        until(lambda: sequences(ear), "the subscriber has found it, too")
        yield Rig(site, ear, post, absent_for, devices)


def waiting(site: Site) -> int:
    return int(site.status()["outbox"]["classes"]["telemetry"]["queued"])


def sequences(ear: Listener) -> set[int]:
    return {message["sequence"] for message in ear.told("telemetry", gateway=GATEWAY)}


def test_a_gateway_that_starts_without_its_broker_reads_and_delivers_later(rig: Rig) -> None:
    until(lambda: set(range(1, rig.absent_for + 1)) <= sequences(rig.ear), "what was read without a broker arrives")
    assert rig.site.lines("broker unreachable")
    assert rig.site.lines("broker connected")


def test_a_broker_that_comes_back_gets_everything_in_order_and_the_log_says_so_once(rig: Rig) -> None:
    lost, connected = len(rig.site.lines("broker lost")), len(rig.site.lines("broker connected"))
    rig.broker.stop()
    try:
        until(lambda: waiting(rig.site) > 60, "telemetry waits on disk")
        until(lambda: rig.site.part("broker")["state"] == "degraded", "the broker counts as away")
        at_worst = max(sequences(rig.ear)) + waiting(rig.site)
    finally:
        rig.broker.start()
    until(lambda: sequences(rig.ear) >= set(range(1, at_worst)), "nothing is missing")
    until(lambda: rig.site.part("broker")["state"] == "ok", "the broker counts as there")
    assert len(rig.site.lines("broker lost")) == lost + 1
    assert len(rig.site.lines("broker connected")) == connected + 1
    for name in ("farm-0", "farm-1", "farm-2"):
        first_heard = [message["sequence"] for message in rig.ear.told("telemetry", device=name)]
        assert all(a < b for a, b in pairwise(first_heard))


def test_the_status_topic_says_online_and_offline_when_it_ends_in_peace(rig: Rig, place: Path) -> None:
    said = lives(rig, place / "peace", peaceful=True)
    assert [(one["state"], one.get("reason")) for one in said] == [("online", None), ("offline", "stopped")]


def test_the_broker_says_offline_for_a_gateway_that_died(rig: Rig, place: Path) -> None:
    said = lives(rig, place / "death", peaceful=False)
    assert [(one["state"], one.get("reason")) for one in said] == [("online", None), ("offline", "lost")]


def lives(rig: Rig, folder: Path, *, peaceful: bool) -> list[Message]:
    """What the status topic says over one short life of another gateway of the same plant."""
    folder.mkdir()
    simulated = {"device": "bench", "adapter": "sim", "tags": {"level": {"wave": "sine"}}}
    with Site(folder, [simulated], rig.broker.port, gateway={"id": folder.name}) as other:
        other.start()
        until(lambda: rig.ear.told("status", gateway=folder.name, state="online"), "online")
        if peaceful:
            assert other.stop() == 0
        else:
            other.kill()
        until(lambda: rig.ear.told("status", gateway=folder.name, state="offline"), "offline")
        return rig.ear.told("status", gateway=folder.name)
