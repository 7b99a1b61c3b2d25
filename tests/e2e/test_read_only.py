"""A file system that the kernel makes read-only, as it does after an error of the disk: reading and alarms go on."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.kill import Broker
from tests.e2e.site import Listener, Site, farm, farm_devices, until

ASSETS = {
    "m": {
        "tags": ["farm-0.r6"],
        "rules": {"turn": {"tag": "farm-0.turn", "above": 0.5, "alarm": {"on_delay": "0s", "off_delay": "0s"}}},
    }
}


def sh(*words: str | Path) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def disk(image: Path, folder: Path) -> Iterator[Path]:
    """An ext4 of 32 MB in a file; needs the right to mount."""
    folder.mkdir(exist_ok=True)
    if not sh("mount", "-o", "loop", image, folder):
        pytest.skip("a file system cannot be mounted here: run as root, with loop devices")
    try:
        yield folder
    finally:
        assert sh("umount", folder) or sh("umount", "-l", folder)


@pytest.mark.timeout(200)
def test_a_disk_that_turns_read_only_stops_neither_reading_nor_alarms(
    tmp_path: Path, post: Broker, ear: Listener
) -> None:
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed (Debian: apt install e2fsprogs)")
    image, folder = tmp_path / "image", tmp_path / "state"
    image.write_bytes(b"")
    with image.open("r+b") as file:
        file.truncate(32 * 2**20)
    assert sh("mkfs.ext4", "-q", image)
    with farm(tmp_path, 2, registers=12, period="200ms") as (_, ready):
        devices = farm_devices(ready)
        devices[0]["tags"] = devices[0]["tags"] | {"turn": {"at": "holding:1", "type": "bool", "bit": 0}}
        outbox = {"budget": "8MiB", "segment": "256KiB", "free": "0B", "ballast": "1MiB"}
        with disk(image, folder):
            site = Site(tmp_path, devices, post.port, telemetry="all", outbox=outbox, assets=ASSETS)
            with site:
                site.start()
                until(lambda: site.reads("farm-1") and ear.told("alarm"), "it reads and tells")
                assert sh("mount", "-o", "remount,abort", folder)
                until(lambda: site.part("outbox")["state"] == "failed", "the outbox says so")
                until(lambda: site.part("state")["state"] == "failed", "the state says so")
                assert "read-only" in site.part("outbox")["why"].lower() + site.part("state")["why"].lower()
                before = site.status()["pipeline"]["readings_total"]
                until(lambda: site.status()["pipeline"]["readings_total"] > before + 100, "it reads on")
                assert site.reads("farm-1")
                assert site.get("/readyz")[0] == 503
                assert all(cls["balances"] for cls in site.status()["outbox"]["classes"].values())
                assert len(site.lines("state cannot be kept")) == 1
                assert site.stop() in (0, 1)
                assert "part failed" not in site.log.read_text()
        sh("fsck.ext4", "-y", "-f", image)  # 1: it has mended something
        with disk(image, folder), site:
            since = ear.count
            site.start()
            until(lambda: site.part("outbox")["state"] == "ok" and site.reads("farm-1"), "mended, all is well")
            until(lambda: ear.told("alarm", since=since), "alarms come")
