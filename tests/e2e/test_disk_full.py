"""A disk of 16 MB that somebody else fills, and that the gateway fills itself: it goes on, and recovers by itself."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.kill import Broker
from tests.e2e.site import Listener, Site, farm, farm_devices, until
from tests.e2e.test_accounts import balanced, telemetry

CYCLES = 20 if os.environ.get("FIELDGATE_FULL") == "1" else 4
NORMAL_WITHIN = 5.0  # s after space has come back
PAGE = 4096


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 16 MB; needs the right to mount."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=16m", "fieldgate-test", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here: run as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def plant(folder: Path, port: int, **outbox: str) -> Iterator[Site]:
    """Ten devices whose state lies on the small disk, one with an alarm that comes and goes with its reads."""
    with small_disk(folder / "state"), farm(folder, 10, registers=60, period="200ms") as (_, ready):
        devices = farm_devices(ready)
        devices[0]["tags"] = devices[0]["tags"] | {"turn": {"at": "holding:1", "type": "bool", "bit": 0}}
        rule = {"tag": "farm-0.turn", "above": 0.5, "alarm": {"on_delay": "0s", "off_delay": "0s"}}
        assets = {"m": {"tags": ["farm-0.r6"], "rules": {"turn": rule}}}
        limits = {"budget": "64MiB", "segment": "256KiB", "free": "0B", "ballast": "1MiB"} | outbox
        with Site(folder, devices, port, telemetry="all", outbox=limits, assets=assets, alarms={"flood": 0}) as site:
            site.start()
            until(lambda: site.reads("farm-9"), "it reads")
            yield site


def hog(path: Path) -> None:
    """Take all space there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(64 * PAGE))
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(PAGE))


def ballast(site: Site) -> int:
    path = site.state / "outbox" / "ballast"
    return path.stat().st_size if path.exists() else 0


def reads(status: dict[str, Any]) -> int:
    return int(status["pipeline"]["readings_total"])


def delivered(site: Site, more_than: int) -> bool:
    return bool(telemetry(site.status())["readings_acked"] > more_than)


def failed(site: Site) -> bool:
    return bool(site.part("outbox")["state"] == "failed")


@pytest.mark.timeout(900)
def test_a_disk_that_others_fill_stops_neither_reading_nor_alarms(tmp_path: Path, post: Broker, ear: Listener) -> None:
    with plant(tmp_path, post.port) as site:
        until(lambda: ear.told("alarm") and ballast(site) == 2**20, "alarms come, and the ballast is there")
        for cycle in range(CYCLES):
            hog(site.state / "hog")
            until(lambda: failed(site), f"cycle {cycle}: it says that the disk is full")
            before, alarms = reads(site.status()), len(ear.told("alarm"))
            time.sleep(1.5)
            assert reads(site.status()) > before + 10 * 60 * 3
            assert site.reads("farm-9")
            assert len(ear.told("alarm")) > alarms, "alarms go on: the ballast is theirs"
            acked = telemetry(site.status())["readings_acked"]
            (site.state / "hog").unlink()
            back = time.monotonic()
            until(lambda: not failed(site), f"cycle {cycle}: it is well", NORMAL_WITHIN)
            until(partial(delivered, site, acked), "it delivers", NORMAL_WITHIN)
            assert time.monotonic() - back < NORMAL_WITHIN
            until(lambda: ballast(site) == 2**20, "the ballast is taken again")
        found = balanced(site)
        assert telemetry(found)["readings_dropped"].keys() <= {"disk", "full"}
        assert not found["outbox"]["classes"]["alarm"]["records_dropped"]
    assert "Traceback" not in site.log.read_text()


@pytest.mark.timeout(300)
def test_a_disk_that_the_gateway_fills_itself_keeps_the_newest_and_all_alarms(tmp_path: Path, post: Broker) -> None:
    with plant(tmp_path, post.port, ballast="0B", thin="0s") as site:
        until(lambda: telemetry(site.status())["readings_acked"], "it delivers")
        post.stop()
        (site.state / "others").write_bytes(bytes(14 * 2**20))  # so that it takes seconds, not minutes
        try:
            until(lambda: telemetry(site.status())["readings_dropped"].get("full"), "its own makes room", 90.0)
            before = reads(site.status())
            time.sleep(1.0)
            assert reads(site.status()) > before
        finally:
            post.start()
        until(lambda: telemetry(site.status())["readings_queued"] < 5000, "it drains", 120.0)
        found = balanced(site)
        assert not found["outbox"]["classes"]["alarm"]["records_dropped"]
        assert telemetry(found)["readings_dropped"].keys() <= {"full", "disk"}
