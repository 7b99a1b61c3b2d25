"""The machine's figures are those of the machine, and flash says how far it is used up."""

import os
from pathlib import Path

import pytest

from gateway.console.machine import Machine, wear


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
