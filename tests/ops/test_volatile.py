"""State that will be lost is told of: it lies in memory, or in the layer of a container."""

from pathlib import Path

import pytest

from gateway.ops.volatile import volatile

MOUNTS = r"""
22 1 0:21 / / rw,relatime - overlay overlay rw,lowerdir=/a
23 22 0:22 / /proc rw,nosuid shared:12 - proc proc rw
24 22 254:1 / /var/lib/fieldgate rw,relatime shared:1 master:2 - ext4 /dev/vda1 rw
25 22 0:23 / /run rw,nosuid - tmpfs tmpfs rw
26 22 254:2 / /my\040disk rw - xfs /dev/vdb rw
27 25 254:3 / /run/kept rw - ext4 /dev/vdc rw
28 22 0:24 / /twice rw - ext4 /dev/vdd rw
29 28 0:25 / /twice rw - tmpfs tmpfs rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "wanted"),
    [
        ("/var/lib/fieldgate", ""),
        ("/var/lib/fieldgate-2", "the layer of a container"),
        ("/run/fieldgate", "in memory"),
        ("/run/kept/state", ""),
        ("/my disk/state", ""),
        ("/twice", "in memory"),
        ("/", "the layer of a container"),
    ],
)
def test_the_nearest_mount_counts(folder: str, wanted: str, tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS + "\n")
    said = volatile(Path(folder), tmp_path / "mountinfo")
    assert wanted in said
    assert bool(said) is bool(wanted)


def test_where_nothing_can_be_seen_nothing_is_said(tmp_path: Path) -> None:
    assert volatile(tmp_path, tmp_path / "none") == ""


def test_a_folder_in_memory_is_told_on_a_real_machine() -> None:
    shared = Path("/dev/shm")
    if not any(line.split()[4] == str(shared) for line in Path("/proc/self/mountinfo").read_text().splitlines()):
        pytest.skip("/dev/shm is no mount here")
    assert "in memory" in volatile(shared)
