"""What the gateway has learnt, and which alarms stand, survive a restart, however it ended."""

import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.kill import Broker
from tests.e2e.site import Listener, Site, until

ASSET = {"tags": ["bench.level"], "calibrate": 50, "alarm": {"on_delay": "0s", "off_delay": "1h"}}


class Rig(NamedTuple):
    site: Site
    ear: Listener


def device(wave: str) -> dict[str, Any]:
    level = {"wave": wave, "mean": 60.0, "amplitude": 30.0, "period": "1s", "noise": 0.2}
    return {"device": "bench", "adapter": "sim", "every": "50ms", "tags": {"level": level}}


@pytest.fixture(scope="module")
def rig(place: Path, post: Broker, ear: Listener) -> Rig:
    """A gateway that has learnt a calm signal, then saw a wild one and raised an alarm; it does not run."""
    with Site(place, [device("constant")], post.port, telemetry="off", assets={"mixer": ASSET}) as site:
        site.start()
        until(lambda: site.asset("mixer")["phase"] == "scoring", "it has learnt")
        assert site.stop() == 0
    with Site(place, [device("square")], post.port, telemetry="off", assets={"mixer": ASSET}) as site:
        site.start()
        until(lambda: ear.told("alarm", asset="mixer"), "it raises an alarm")
        site.kill()  # the state is to be on disk by now, without a word of farewell
    return Rig(site, ear)


@pytest.mark.parametrize("end", ["peace", "death"])
def test_calibration_and_alarm_survive(rig: Rig, end: str) -> None:
    site = rig.site.start()
    asset = until(lambda: site.asset("mixer") if site.asset("mixer")["score"] else None, "it scores")
    assert asset["phase"] == "scoring"
    assert asset["alarm"] == "active-unacknowledged"
    until(lambda: site.asset("mixer")["score"] > site.asset("mixer")["threshold"], "the signal is still wild")
    if end == "peace":
        assert site.stop() == 0
    else:
        site.kill()
    # Learnt once, raised once: neither is told again by a gateway that only started anew.
    assert len(rig.ear.told("event", kind="calibrated")) == 1
    assert [alarm["state"] for alarm in rig.ear.told("alarm")] == ["active-unacknowledged"]


def test_a_damaged_state_is_set_aside_and_everything_goes_on(tmp_path: Path) -> None:
    with Site(tmp_path, [device("constant")], assets={"mixer": ASSET}) as site:
        site.start()
        until(lambda: site.asset("mixer")["phase"] == "scoring", "it has learnt")
        site.stop()
        (site.state / "state.db").write_bytes(random.Random(1).randbytes(20_000))
        site.start()
        until(lambda: site.asset("mixer")["phase"] == "scoring", "it has learnt again")
        assert len(site.lines("state was damaged and set aside")) == 1
