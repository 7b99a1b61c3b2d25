"""The package in a real systemd: a fresh Debian is booted in a container, and the driver does to it what years do.

Not part of the suite, for it takes some minutes, root, and packages from Debian's mirror. `.ci/nightly` runs it:

    python -m pytest tests/systemd/booted.py
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.house import ROOT

HERE = Path(__file__).resolve().parent
DEBIAN = "bookworm"
CONTENT = "systemd,systemd-sysv,dbus,python3,procps"
CACHE = Path(os.environ.get("FIELDGATE_ROOTFS", "/var/tmp")) / f"fieldgate-{DEBIAN}.tar"  # made once
WATCHDOG, RESTART = 6.0, 0.5  # s; of the driver's drop-in, and of the unit

MAIN = """\
gateway: {id: trial}
metrics: {listen: "127.0.0.1:9184"}
telemetry: all
assets: {bench: {tags: [bench.level, bench.flow], calibrate: 50}}
"""
BENCH = """\
device: bench
adapter: freezer
every: 100ms
tags: {level: {wave: noise}, flow: {wave: noise}}
"""
# The simulated device, but for one thing: when it is told to, it never gives the loop back, nor the interpreter.
FREEZER = """\
import ctypes
import pathlib

from gateway_sim.adapter import SimAdapter


class Freezer(SimAdapter):
    async def read(self, group):
        while pathlib.Path("/trial/freeze").exists():
            ctypes.PyDLL(None).sleep(60)
        return await super().read(group)
"""
Found = dict[str, str]

pytestmark = pytest.mark.timeout(900)


def sh(*words: str | Path, within: float = 300.0, **more: str) -> str:
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, timeout=within, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Debian in a folder."""
    for tool in ("systemd-nspawn", "mmdebstrap"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: apt install systemd-container mmdebstrap)")
    if os.geteuid() != 0:
        pytest.skip("only root may boot a container")
    if not CACHE.is_file():
        sh("mmdebstrap", "--variant=minbase", f"--include={CONTENT}", DEBIAN, CACHE)
    folder = tmp_path_factory.mktemp("machine")
    sh("tar", "-xf", CACHE, "-C", folder)
    return folder


def packages(folder: Path) -> None:
    """The package, and one of the next version."""
    sh("packaging/wheels", folder / "wheels", "3.11", PY=str(ROOT / ".venv/bin/python"))
    old = Path(sh("packaging/deb", folder / "wheels", folder).strip())
    sh("dpkg-deb", "-R", old, folder / "tree")
    control = folder / "tree/DEBIAN/control"
    control.write_text(re.sub(r"^Version: (.*)$", r"Version: \1+next", control.read_text(), flags=re.MULTILINE))
    sh("dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "-b", folder / "tree", folder / "new.deb")
    old.rename(folder / "old.deb")
    shutil.rmtree(folder / "tree")
    shutil.rmtree(folder / "wheels")


def plugin(site: Path) -> None:
    """An adapter as another distribution would bring it."""
    info = site / "freezer-1.dist-info"
    info.mkdir(parents=True)
    (site / "freezer.py").write_text(FREEZER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: freezer\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fieldgate.adapters]\nfreezer = freezer:Freezer\n")


@pytest.fixture(scope="module")
def found(machine: Path) -> Found:
    """What the driver found."""
    trial = machine / "trial"
    trial.mkdir()
    packages(trial)
    (trial / "fieldgate.yaml").write_text(MAIN)
    (trial / "bench.yaml").write_text(BENCH)
    plugin(machine / "opt/fieldgate/lib/python3.11/site-packages")
    shutil.copy(HERE / "driver.sh", trial / "driver.sh")
    unit = machine / "etc/systemd/system/trial.service"
    unit.write_text(
        "[Unit]\nAfter=multi-user.target\n[Service]\nExecStart=/bin/sh /trial/driver.sh\n"
        "StandardOutput=file:/trial/log\nStandardError=file:/trial/log\n[Install]\nWantedBy=multi-user.target\n"
    )
    wanted = machine / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    (wanted / "trial.service").symlink_to("../trial.service")
    boot: list[str | Path] = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "-D",
        machine,
        "--private-network",
        "-b",
    ]
    subprocess.run(
        ["timeout", "600", *boot, "--console=pipe"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    lines = (trial / "result").read_text().splitlines()
    said = {name: value for name, _, value in (line.partition(" ") for line in lines)}
    assert said.get("done") == "yes", (lines, (trial / "log").read_text()[-4000:])
    return said


def test_the_package_installs_enabled_and_waits_for_a_configuration(found: Found) -> None:
    assert not {"install", "check"} & set(found)
    assert (found["enabled"], found["active_without_configuration"]) == ("enabled", "inactive")


def test_the_service_becomes_ready_and_answers(found: Found) -> None:
    assert int(found["ready"]) < 15_000
    assert json.loads(found["answers"]) == {"alive": True}
    assert found["phase"] == "scoring"
    assert found["user"] != "root"


def test_nothing_is_written_outside_its_folders(found: Found) -> None:
    assert found["written"].split() == []


def test_killed_it_is_back_within_three_seconds(found: Found) -> None:
    _, answers = found["killed"].split()
    assert int(answers) <= 3_000


def test_frozen_it_is_restarted_by_the_watchdog(found: Found) -> None:
    restarted, _ = found["frozen"].split()
    assert int(restarted) <= 1000 * (WATCHDOG + RESTART + 1.0)  # systemd needs a moment to take the old one away
    assert int(found["reason"]) >= 1


def test_what_froze_it_is_left_alone_by_the_next_process_until_it_is_released(found: Found) -> None:
    assert found["aside"].startswith("bench ")
    assert "freezer.py" in found["aside"]
    assert found["released"] == "bench is tried again"


def test_it_stops_within_five_seconds_and_in_order(found: Found) -> None:
    assert int(found["stopped"]) <= 5_000
    assert found["result"] == "success 0"


def test_an_upgrade_keeps_calibration_and_outbox(found: Found) -> None:
    assert "upgrade" not in found
    assert found["version"].endswith("+next")
    assert found["phase_after"] == "scoring"
    before, after = json.loads(found["waiting_before"]), json.loads(found["waiting_after"])
    assert after["epoch"] == before["epoch"]
    assert after["classes"]["telemetry"]["messages"] > before["classes"]["telemetry"]["messages"] > 0


def test_five_fast_crashes_lead_to_safe_mode_and_a_restart_out_of_it(found: Found) -> None:
    assert json.loads(found["safe_mode"]) == {"alive": True, "safe_mode": True}
    assert "5 starts in a row" in found["safe_status"]
    assert json.loads(found["after_restart"]) == {"alive": True}


def test_the_demo_names_a_fault_behind_the_walls_of_the_unit_and_without_network(found: Found) -> None:
    assert found["demo"] == "0"


def test_removing_keeps_state_and_configuration_and_purging_keeps_nothing(found: Found) -> None:
    files, *devices = found["kept"].split()
    assert int(files) > 0
    assert devices == ["bench.yaml"]
    assert found["left"].split() == []
