"""No reading vanishes: read = suppressed + not sent + put, and put = queued + acknowledged + dropped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.kill import Broker
from gateway.cli.children import Child
from tests.e2e.site import Listener, Site, farm, farm_devices, until


class Rig(NamedTuple):
    site: Site
    ear: Listener
    broker: Broker
    farm: Child


@pytest.fixture(scope="module", params=["all", "changes"])
def rig(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, post: Broker, ear: Listener
) -> Iterator[Rig]:
    """A gateway with a broker, an outbox that is too small for an outage, and devices that come and go."""
    place = tmp_path_factory.mktemp(request.param)
    devices, ready = farm(place, 10, registers=100)
    tight = {"budget": "1MiB", "segment": "64KiB"}
    with Site(place, farm_devices(ready, timeout="500ms"), post.port, telemetry=request.param, outbox=tight) as site:
        site.start()
        until(lambda: site.reads("farm-9"), "it reads")
        yield Rig(site, ear, post, devices)
    devices.stop()


def read(status: dict[str, Any]) -> tuple[int, int]:
    """Readings that came in, and what became of them before the outbox together with what was put into it."""
    pipeline = status["pipeline"]
    held = pipeline.get("readings_suppressed_total", 0) + pipeline.get("readings_not_sent_total", 0)
    return pipeline.get("readings_total", 0), held + status["outbox"]["classes"]["telemetry"]["readings_put"]


def put(status: dict[str, Any]) -> tuple[int, int]:
    """Readings that were put, and what became of them."""
    one = status["outbox"]["classes"]["telemetry"]
    return one["readings_put"], one["readings_queued"] + one["readings_acked"] + sum(one["readings_dropped"].values())


def assert_balanced(site: Site) -> dict[str, Any]:
    """Both identities hold. A status may be taken in the middle of a turn: what leaks never balances again."""

    def balanced() -> dict[str, Any] | None:
        status = site.status()
        even = all(came == went for came, went in (read(status), put(status)))
        return status if even and all(one["balances"] for one in status["outbox"]["classes"].values()) else None

    status: dict[str, Any] = until(balanced, "the accounts balance")
    return status


def test_the_accounts_balance_through_faults_and_an_outage_that_costs_readings(rig: Rig) -> None:
    first = assert_balanced(rig.site)
    assert first["pipeline"]["readings_total"] > 0
    rig.farm.tell("silent 3 on")
    rig.farm.tell("refuse 4 on")
    rig.broker.stop()
    try:
        until(lambda: rig.site.lost("farm-3") and rig.site.lost("farm-4"), "two devices are lost")
        until(lambda: assert_balanced(rig.site)["outbox"]["classes"]["telemetry"]["readings_dropped"], "readings are dropped", 60)  # fmt: skip
    finally:
        rig.broker.start()
        rig.farm.tell("silent 3 off")
        rig.farm.tell("refuse 4 off")
    until(lambda: not rig.site.lost("farm-3") and not rig.site.lost("farm-4"), "they are back")
    until(lambda: rig.site.status()["broker"]["connected"], "the broker is back")
    last = assert_balanced(rig.site)
    one = last["outbox"]["classes"]["telemetry"]
    assert one["readings_acked"] > first["outbox"]["classes"]["telemetry"]["readings_acked"]
    assert one["readings_dropped"].keys() == {"budget"}
    assert last["outbox"]["disk_bytes"] <= 2**20


def test_what_a_restart_finds_again_is_in_the_accounts(rig: Rig) -> None:
    rig.broker.stop()
    try:
        rig.site.stop()
        rig.site.start()
        status = rig.site.status()
    finally:
        rig.broker.start()
    came, went = put(status)
    assert came == went > 0
