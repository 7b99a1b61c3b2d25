"""What a plugin may do to the gateway: it is named, set aside, costs the others nothing, and a person lets it in again.

Three deeds in CI, all of `bench/torture.py` with FIELDGATE_FULL=1.
"""

import json
import os
import time
from pathlib import Path

import pytest

from bench import torture
from tests.e2e.site import Site, until
from tests.e2e.test_plugin import install

DEEDS = list(torture.DEEDS) if os.environ.get("FIELDGATE_FULL") == "1" else ["blocks", "floods", "ends_the_process"]
CRASHING = """
import os, pathlib
from typing import ClassVar
from gateway.sdk import Batch, DeviceConfig, PolledAdapter

class Adapter(PolledAdapter):
    Config: ClassVar[type[DeviceConfig]] = DeviceConfig

    async def connect(self): ...

    async def close(self): ...

    async def read(self, group):
        if pathlib.Path(os.environ["BAD"]).is_file():
            os._exit(3)
        batch = Batch.failed(group, 0, self.host.clock.wall_ns())
        batch.value[:] = 1.0
        return batch
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("deed", DEEDS)
def test_a_plugin_that_does_harm_is_named_and_set_aside_and_the_others_go_on(
    tmp_path: Path, deed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BAD", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what the rig sets is gone afterwards
    found = torture.commit(deed, tmp_path, devices=20)
    assert not torture.faults(deed, found), found


def test_it_stays_aside_over_restarts_until_a_person_lets_it_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages, bad = tmp_path / "packages", tmp_path / "bad"
    packages.mkdir()
    install(packages, "suicide", CRASHING)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("BAD", str(bad))
    devices = [{"device": "oven", "adapter": "suicide", "every": "100ms", "tags": {"heat": {}}}]
    with Site(tmp_path, devices) as site:
        site.start()
        until(lambda: site.reads("oven"), "it is read")
        bad.touch()
        until(lambda: site.gateway and not site.gateway.alive, "it ends the process")
        assert site.stop() == 3
        for _ in range(2):
            site.start()
            part = until(
                lambda: site.part("device oven").get("state") == "failed" and site.part("device oven"), "aside"
            )
            assert "ended the process" in part["why"]
            assert site.stop() == 0
        bad.unlink()
        site.start()
        [listed] = json.loads(site.verb("quarantine", "--state", str(site.state), "--json").stdout)
        assert (listed["connection"], listed["harm"]) == ("oven", "exits")
        assert "fieldgate_connections_set_aside 1.0" in site.get("/metrics")[1]
        done = site.verb("quarantine", "release", listed["connection"], "--state", str(site.state))
        assert (done.returncode, done.stdout) == (0, "oven is tried again\n"), done.stderr
        until(lambda: site.reads("oven"), "it is read again")
        again = site.verb("quarantine", "release", "oven", "--state", str(site.state))
        assert (again.returncode, again.stderr) == (1, "fieldgate: 'oven' is not set aside\n")
        assert site.verb("quarantine", "--state", str(site.state)).stdout == "no connection is set aside\n"


DEAF = """
import asyncio
from typing import ClassVar
from gateway.sdk import Adapter as Base, Batch, DeviceConfig

class Adapter(Base):
    Config: ClassVar[type[DeviceConfig]] = DeviceConfig

    async def connect(self): ...

    async def close(self): ...

    async def run(self, sink):
        for group in self.connection.groups:
            batch = Batch.failed(group, 0, self.host.clock.wall_ns())
            batch.value[:] = 1.0
            sink(batch)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
"""


def test_a_plugin_that_does_not_let_itself_be_ended_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    install(packages, "deaf", DEAF)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH")])))
    devices = [{"device": "oven", "adapter": "deaf", "tags": {"heat": {}}}]
    with Site(tmp_path, devices) as site:
        site.start()
        until(lambda: site.reads("oven"), "it is read")
        since = time.monotonic()
        assert site.stop() == 0
        assert time.monotonic() - since < 5.0
        assert len(site.lines("does not end", plugin="deaf")) == 1
