"""A device that fails takes nobody with it: its own tags turn bad, the others keep their period, one line says so."""

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.kill import Broker
from bench.rig import journal
from gateway.cli.children import Child
from tests.e2e.site import BAD, Listener, Message, Site, farm, farm_devices, until
from tests.e2e.wicked import Wicked

DEVICES, REGISTERS = 7, 12  # and one more, of which a register is refused
SOUND = ("farm-0", "farm-1", "farm-2")  # nothing ever happens to these
ABSENT = 3  # not there at first
FOR = 1.5  # s that a fault lasts after it has been seen


class Rig(NamedTuple):
    site: Site
    ear: Listener
    farm: Child
    wicked: Wicked
    folder: Path


class Span(NamedTuple):
    """What was heard between two instants, which count messages, and wall us."""

    since: int
    begin: int
    end: int


@pytest.fixture(scope="module")
def rig(place: Path, post: Broker, ear: Listener) -> Iterator[Rig]:
    """A gateway that was started while one of its devices was absent; that one has come meanwhile."""
    with farm(place, DEVICES + 1, REGISTERS) as (devices, ready), contextlib.closing(Wicked()) as wicked:
        told = farm_devices(ready, timeout="500ms")
        told.append({**told[0], "device": "wicked", "connect": f"tcp://127.0.0.1:{wicked.port}"})
        devices.tell(f"refuse {ABSENT} on")
        with Site(place, told, post.port, telemetry="all") as site:
            site.start()
            until(lambda: all(site.reads(name) for name in (*SOUND, "wicked")), "the others are read")
            until(lambda: site.lost(f"farm-{ABSENT}"), "the absent one counts as lost")
            devices.tell(f"refuse {ABSENT} off")
            until(lambda: site.reads(f"farm-{ABSENT}"), "the absent one has come")
            yield Rig(site, ear, devices, wicked, place)


def fault(rig: Rig, device: str, begin: Callable[[], object], end: Callable[[], object]) -> Span:
    """Let `device` fail for a while, and come back."""
    until(lambda: rig.site.reads(device), f"{device} is well")
    span = Span(rig.ear.count, time.time_ns() // 1000, 0)
    begin()
    until(lambda: rig.site.lost(device), f"{device} is lost")
    time.sleep(FOR)
    span = span._replace(end=time.time_ns() // 1000)
    assert rig.site.part(f"device {device}")["state"] == "degraded"
    assert rig.site.part(f"device {device}")["why"]
    end()
    until(lambda: rig.site.reads(device), f"{device} is back")
    return span


def telemetry(rig: Rig, device: str, span: Span) -> list[Message]:
    """What was read of a device in `span`."""
    every = rig.ear.told("telemetry", span.since, device=device)
    return [message for message in every if span.begin <= message["received"] * 1000 < span.end]


def all_bad(message: Message) -> bool:
    return all(status >= BAD for status in message.get("status", [0])) and not any(message["values"])


def assert_only(rig: Rig, device: str, span: Span) -> None:
    """`device` told bad values without a number; nobody else told any, nor lost its period."""
    until(lambda: any(all_bad(message) for message in telemetry(rig, device, span)), "its tags turn bad")
    mixed = [m for m in telemetry(rig, device, span) if max(m.get("status", [0])) >= BAD and not all_bad(m)]
    assert not mixed
    others = {f"farm-{i}" for i in range(DEVICES)} | {"wicked"}
    for other in others - {device}:
        assert not [m for m in telemetry(rig, other, span) if "status" in m], other
    took = (span.end - span.begin) / 1e6
    for number in range(len(SOUND)):
        reads = [at for index, _, at in journal(rig.folder / "journal.csv") if index == number]
        mine = [at for at in reads if span.begin <= at < span.end]
        assert len(mine) > 0.6 * took / 0.1, f"farm-{number} was read {len(mine)} times in {took:.1f} s"


@pytest.mark.parametrize(
    ("number", "fails", "recovers"),
    [
        (4, "refuse 4 on", "refuse 4 off"),
        (5, "silent 5 on", "silent 5 off"),
        (6, "exception 6 4", "exception 6 off"),
    ],
    ids=["refusing", "silent", "answering exceptions"],
)
def test_a_failing_device_takes_nobody_with_it(rig: Rig, number: int, fails: str, recovers: str) -> None:
    device = f"farm-{number}"
    span = fault(rig, device, lambda: rig.farm.tell(fails), lambda: rig.farm.tell(recovers))
    assert_only(rig, device, span)
    for event in ("device lost", "device back"):
        assert len(rig.site.lines(event, device=device)) == 1
        until(lambda: rig.ear.told("event", kind=event, name=device), event)  # noqa: B023 - called at once
        assert len(rig.ear.told("event", kind=event, name=device)) == 1


@pytest.mark.parametrize("mode", ["garbage", "dying"])
def test_a_device_that_answers_garbage_or_dies_takes_nobody_with_it(rig: Rig, mode: str) -> None:
    lost, back = (len(rig.site.lines(event, device="wicked")) for event in ("device lost", "device back"))
    span = fault(rig, "wicked", lambda: setattr(rig.wicked, "mode", mode), lambda: setattr(rig.wicked, "mode", "good"))
    assert_only(rig, "wicked", span)
    told = [value for m in rig.ear.told("telemetry", device="wicked") for value in m["values"]]
    assert set(told) == {7, None}, "garbage became a value"
    assert len(rig.site.lines("device lost", device="wicked")) == lost + 1
    assert len(rig.site.lines("device back", device="wicked")) == back + 1


def test_a_device_that_is_absent_at_the_start_is_bad_until_it_comes(rig: Rig) -> None:
    told = partial(rig.ear.told, "telemetry", device=f"farm-{ABSENT}")
    until(lambda: told() and "status" not in told()[-1], "it is well")
    assert all_bad(told()[0])
    first = {name: rig.ear.told("telemetry", device=name)[0] for name in SOUND}
    assert all("status" not in message for message in first.values())
    assert len(rig.site.lines("device lost", device=f"farm-{ABSENT}")) == 1
    assert len(rig.site.lines("device back", device=f"farm-{ABSENT}")) == 1


def test_a_refused_register_costs_that_tag_alone(rig: Rig) -> None:
    since = rig.ear.count
    rig.farm.tell("illegal 7 5")
    try:
        told = until(lambda: [m for m in rig.ear.told("telemetry", since, device="farm-7") if "status" in m], "refused")
        until(lambda: rig.site.lines("device refuses an address", device="farm-7"), "the log names it")
        calm = until(lambda: rig.ear.told("telemetry", since, device="farm-7")[-1], "it goes on")
    finally:
        rig.farm.tell("illegal 7 off")
    assert told
    bad = [tag for tag, status in zip(calm["tags"], calm["status"], strict=True) if status]
    assert bad == ["farm-7.r5"]
    assert not rig.site.lost("farm-7")
