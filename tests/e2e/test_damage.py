"""A damaged file of the outbox: the gateway starts, delivers all the rest, counts what is lost and tells of it."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.kill import Broker
from tests.e2e.site import Listener, Message, Site, farm, farm_devices, until

FLIPPED = 64  # bytes in the middle of the oldest of several segments


class Rig(NamedTuple):
    site: Site
    ear: Listener
    written: int  # messages that were in the outbox before the damage
    epoch: str
    status: dict[str, Any]  # after the restart


@pytest.fixture(scope="module")
def rig(place: Path, post: Broker, ear: Listener) -> Iterator[Rig]:
    """A gateway that filled several segments without a broker, was stopped, lost some bytes, and is up again."""
    outbox = {"segment": "64KiB"}
    with (
        farm(place, 10, registers=60) as (_, ready),
        Site(place, farm_devices(ready), telemetry="all", outbox=outbox) as site,
    ):
        site.start()
        until(lambda: len(segments(site)) >= 4, "several segments")
        site.stop()
    damage(segments(site)[0])
    written = int(max(re.findall(rb"telemetry/(\d+)\"", b"".join(map(Path.read_bytes, segments(site)))), key=int))
    with Site(place, farm_devices(ready), post.port, telemetry="off", outbox=outbox) as again:
        before = epoch(segments(site)[1])
        again.start()
        until(lambda: again.status()["broker"]["connected"], "the broker")
        until(lambda: not queued(again), "all that is left goes out")
        ear.quiet(0.5, 10.0)
        yield Rig(again, ear, written, before, again.status())


def segments(site: Site) -> list[Path]:
    return sorted((site.state / "outbox").glob("telemetry-*.seg"))


def epoch(segment: Path) -> str:
    found = re.search(rb'"epoch":"([0-9a-f]+)"', segment.read_bytes())
    assert found
    return found[1].decode()


def damage(segment: Path) -> None:
    content = bytearray(segment.read_bytes())
    middle = len(content) // 2
    for at in range(middle, middle + FLIPPED):
        content[at] ^= random.Random(at).randrange(1, 256)
    segment.write_bytes(content)


def queued(site: Site) -> int:
    return int(site.status()["outbox"]["classes"]["telemetry"]["queued"])


def old(rig: Rig) -> list[Message]:
    return rig.ear.told("telemetry", epoch=rig.epoch)


def test_the_start_goes_on_and_all_but_the_damaged_messages_arrive(rig: Rig) -> None:
    missing = set(range(1, rig.written + 1)) - {message["sequence"] for message in old(rig)}
    assert 1 <= len(missing) <= 3
    assert max(missing) - min(missing) < 3
    assert rig.site.part("outbox")["state"] == "ok"


def test_nothing_damaged_is_told(rig: Rig) -> None:
    for message in old(rig):
        count = int(message["values"][0]) << 16 | int(message["values"][1])
        assert message["values"][6:] == [257 * i + count % 64 for i in range(6, 60)]


def test_an_event_and_the_log_tell_of_the_loss(rig: Rig) -> None:
    [event] = rig.ear.told("event", kind="outbox damaged")
    assert re.search(r"1 places? damaged, \d+ bytes lost", event["text"])
    assert event["epoch"] != rig.epoch
    [line] = rig.site.lines("outbox damaged")
    assert line["lost_bytes"] > 0


def test_the_loss_is_counted_in_status(rig: Rig) -> None:
    outbox = rig.status["outbox"]
    assert outbox["damaged_places"] == 1
    assert FLIPPED <= outbox["lost_bytes"] < 5000
