"""No reading vanishes: read = suppressed + not sent + put, and put + recovered = queued + acknowledged + dropped."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.kill import Broker
from gateway.cli.children import Child
from tests.e2e.site import Site, farm, farm_devices, until

TIGHT = {"budget": "1MiB", "segment": "64KiB"}  # too small for an outage


@contextlib.contextmanager
def running(place: Path, port: int, telemetry: str) -> Iterator[tuple[Site, Child]]:
    """A gateway with devices that can be told to fail."""
    with (
        farm(place, 10, registers=120, period="50ms") as (devices, ready),
        Site(place, farm_devices(ready, timeout="500ms"), port, telemetry=telemetry, outbox=TIGHT) as site,
    ):
        site.start()
        until(lambda: site.reads("farm-9"), "it reads")
        yield site, devices


def telemetry(status: dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = status["outbox"]["classes"]["telemetry"]
    return one


def before_outbox(status: dict[str, Any]) -> tuple[int, int]:
    """Readings that came in, and what became of them: held back, or put into the outbox."""
    pipeline, one = status["pipeline"], telemetry(status)
    held = pipeline.get("readings_suppressed_total", 0) + pipeline.get("readings_not_sent_total", 0)
    return pipeline.get("readings_total", 0), held + one["readings_put"] - one.get("readings_recovered", 0)


def in_outbox(status: dict[str, Any]) -> tuple[int, int]:
    """Readings that were put, those of earlier runs among them, and what became of them."""
    one = telemetry(status)
    return one["readings_put"], one["readings_queued"] + one["readings_acked"] + sum(one["readings_dropped"].values())


def balanced(site: Site) -> dict[str, Any]:
    """A status in which both identities hold. One may be taken in mid-turn; what leaks never balances again."""

    def look() -> dict[str, Any] | None:
        status = site.status()
        even = all(came == went for came, went in (before_outbox(status), in_outbox(status)))
        return status if even and all(one["balances"] for one in status["outbox"]["classes"].values()) else None

    status: dict[str, Any] = until(look, "the accounts balance", 10.0)
    return status


def test_the_accounts_balance_where_only_changes_are_sent(tmp_path: Path, post: Broker) -> None:
    with running(tmp_path, post.port, "changes") as (site, _):
        until(lambda: telemetry(site.status())["readings_acked"] > 5000, "readings are delivered")
        assert balanced(site)["pipeline"]["readings_suppressed_total"] > 0


def test_the_accounts_balance_through_faults_an_outage_that_costs_readings_and_a_restart(
    tmp_path: Path, post: Broker
) -> None:
    with running(tmp_path, post.port, "all") as (site, devices):
        devices.tell("silent 3 on")
        devices.tell("refuse 4 on")
        until(lambda: site.lost("farm-3") and site.lost("farm-4"), "two devices are lost")
        post.stop()
        try:
            until(lambda: telemetry(site.status())["readings_dropped"], "readings are dropped", 60.0)
            full = balanced(site)
            assert "budget" in telemetry(full)["readings_dropped"].keys() <= {"budget", "thinned"}
            assert full["outbox"]["disk_bytes"] <= 2**20
            assert site.stop() == 0
            site.start()
            until(lambda: site.reads("farm-9"), "it reads again")
            found = balanced(site)
        finally:
            post.start()
        assert telemetry(found)["readings_recovered"] > 0
        until(lambda: telemetry(site.status())["readings_acked"] > telemetry(found)["readings_recovered"], "it drains")
        balanced(site)
