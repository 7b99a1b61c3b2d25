"""The machine's figures are those of the machine, and flash says how far it is used up."""

import json
import os
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import gateway.console
from gateway.console.machine import Machine, share, wear
from gateway.ops.resources import allowed, charged

SCRIPT = Path(gateway.console.__file__).parent / "static/parts/machine.js"
MIB = 2**20


def test_the_figures_are_plausible(tmp_path: Path) -> None:
    found = Machine(tmp_path).figures()
    assert 0 < (found.memory or 0) < found.memory_total
    assert 0 < found.disk_free <= found.disk_total
    assert found.cpus == os.cpu_count()
    assert found.cpu is None, "of no time there is no share"


@pytest.mark.parametrize(("text", "share"), [("0x01 0x03\n", 0.3), ("0x0b 0x01", 1.1), ("0x00 0x00", 0.0), ("", None)])
def test_flash_says_how_far_it_is_used_up(tmp_path: Path, text: str, share: float | None) -> None:
    number = os.makedev(179, 2)
    disk = tmp_path / "mmcblk0"
    (disk / "device").mkdir(parents=True)
    (disk / "device/life_time").write_text(text)
    (disk / "mmcblk0p2").mkdir()
    (tmp_path / "179:2").symlink_to(disk / "mmcblk0p2")
    assert wear(tmp_path, number) == share


def test_a_disk_that_says_nothing_has_no_wear(tmp_path: Path) -> None:
    assert wear(tmp_path, os.makedev(8, 1)) is None


def test_the_memory_is_that_of_the_machine_and_behind_the_unit_that_of_the_unit() -> None:
    assert share(1000, 250, 100, 200) == 0.75
    assert share(1000, None, 100, 400) == 0.25
    assert share(1000, None, 100, None) is None
    assert share(1000, None, None, 400) is None


def test_the_unit_is_charged_with_what_the_kernel_cannot_take_back(tmp_path: Path) -> None:
    group = tmp_path / Path("/proc/self/cgroup").read_text().strip().splitlines()[-1].removeprefix("0::/")
    assert (charged(tmp_path), allowed(tmp_path)) == (None, None)
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.current").write_text(f"{300 * MIB}\n")
    (group / "memory.stat").write_text(f"anon {200 * MIB}\nactive_file 7\ninactive_file {100 * MIB}\n")
    (group / "memory.max").write_text("max\n")
    (tmp_path / "memory.max").write_text(f"{1024 * MIB}\n")
    assert (charged(tmp_path), allowed(tmp_path)) == (200 * MIB, 1024 * MIB)


def drawn(machine: dict[str, Any]) -> dict[str, Any]:
    """How full each gauge of the overview is."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed (Debian: apt install nodejs)")
    outbox = {"disk_bytes": 1, "budget": 4}
    script = (
        f"const {{ figures }} = await import({json.dumps(SCRIPT.as_uri())});"
        f"console.log(JSON.stringify(figures({json.dumps(machine)}, {json.dumps(outbox)})))"
    )
    command = [node, "--no-warnings", "--input-type=module", "--eval", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {name: part for name, part, _ in json.loads(done.stdout)}


def test_what_nobody_sees_is_drawn_as_unknown_and_not_as_full(tmp_path: Path) -> None:
    seen = asdict(Machine(tmp_path).figures()) | {"cpu": 0.5, "cpus": 2, "memory_share": 0.25, "wear": None}
    gauges = drawn(seen)
    assert [gauges[f"overview.{name}"] for name in ("cpu", "memory", "flash", "outbox")] == [0.25, 0.25, None, 0.25]
    gauges = drawn({**seen, "cpu": None, "memory_available": None, "memory_share": None})
    assert [gauges[f"overview.{name}"] for name in ("cpu", "memory", "flash")] == [None, None, None]
