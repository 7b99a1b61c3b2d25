"""A full disk and the small state: told in one line, nothing forgotten that happened meanwhile, and well again."""

import time
from pathlib import Path

import pytest

from bench.kill import Broker
from gateway.state import history
from tests.e2e.site import Listener, until
from tests.e2e.test_disk_full import hog, plant


@pytest.mark.timeout(200)
def test_alarms_that_change_while_the_disk_is_full_are_kept_when_it_has_room(
    tmp_path: Path, post: Broker, ear: Listener
) -> None:
    with plant(tmp_path, post.port, ballast="0B") as site:
        until(lambda: ear.told("alarm"), "alarms come")
        until(lambda: site.part("state").get("state") == "ok", "state is kept")
        hog(site.state / "hog")
        part = until(lambda: site.part("state")["state"] == "failed" and site.part("state"), "it says so")
        full = time.time_ns()
        assert "free space" in part["remedy"]
        assert "fieldgate_state_writes_failed_total 0.0" not in site.get("/metrics")[1]
        time.sleep(2.0)  # the alarm changes ten times
        free = time.time_ns()
        (site.state / "hog").unlink()
        until(lambda: site.part("state")["state"] == "ok", "it is well again")
        assert "fieldgate_state_writes_given_up_total 0.0" in site.get("/metrics")[1]
        count = len(ear.told("alarm"))
        until(lambda: len(ear.told("alarm")) > count + 3, "alarms go on")
        assert site.stop() == 0
        meanwhile = [one for one in history.read(site.state / "state.db", (), full, 10_000) if one.time < free]
        assert len(meanwhile) >= 5, "what happened while the disk was full is remembered, too"
    assert len(site.lines("state cannot be kept")) == 1
    assert len(site.lines("state is kept again")) == 1
