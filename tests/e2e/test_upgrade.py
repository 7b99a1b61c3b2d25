"""A gateway of today on the state folder of an earlier release: what stood in it is there, and it goes on."""

import json
import shutil
import sqlite3
from pathlib import Path

from gateway.cli.common import OK
from gateway.state.store import VERSION
from tests.e2e.site import Site, until
from tests.packaging.house import ROOT

FIRST = ROOT / "tests/state/state_v1.db"  # with an alarm of pump-7 that nobody has acknowledged
DEVICE = {
    "device": "pump-7", "adapter": "sim", "every": "100ms",
    "tags": {"flow": {"wave": "noise"}, "pressure": {"wave": "noise"}},
}  # fmt: skip
ASSETS = {"pump-7": {"tags": ["pump-7.flow", "pump-7.pressure"]}}


def test_the_alarms_of_the_first_release_stand_and_can_be_acknowledged(tmp_path: Path) -> None:
    site = Site(tmp_path, [DEVICE], assets=ASSETS)
    shutil.copy(FIRST, site.state / "state.db")
    with site:
        site.start()
        until(lambda: site.reads("pump-7"), "the device is read")
        assert site.asset("pump-7")["alarm"] == "active-unacknowledged"
        done = site.verb("alarms", "--state", str(site.state), "--json", "ack", "pump-7", "--by", "ann")
        assert done.returncode == OK, done.stdout + done.stderr
        until(lambda: site.asset("pump-7")["alarm"] == "active-acknowledged", "it is acknowledged")
        assert site.stop() == OK
    with sqlite3.connect(site.state / "state.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    db.close()
    with site:
        site.start()
        until(lambda: site.reads("pump-7"), "the device is read")
        assert site.asset("pump-7")["alarm"] == "active-acknowledged"
        shown = site.verb("alarms", "--state", str(site.state), "--json")
        assert shown.returncode == OK, shown.stderr
        assert "pump-7" in json.dumps(json.loads(shown.stdout))
