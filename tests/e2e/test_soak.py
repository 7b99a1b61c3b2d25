"""Over time nothing grows: 10 min of virtual and 2 min of real time in CI, 72 h and 30 min with FIELDGATE_FULL=1."""

import os
from pathlib import Path

import pytest

from bench import soak
from bench.soak import Look, grown, real, virtual
from gateway.ops.resources import measured

FULL = os.environ.get("FIELDGATE_FULL") == "1"
HOURS = 72.0 if FULL else 1 / 6
MINUTES = 30.0 if FULL else 2.0
CALM = {"process_resident_bytes": 100 * 2**20, "process_descriptors": 20, "process_tasks": 30, "process_threads": 8}


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """A gateway that ends waits for its threads on the loop: nothing else runs then. So that is not looked for here."""


def looks(**slopes: float) -> list[Look]:
    """72 h in which some figures grow by so much an hour."""
    return [
        Look(3600.0 * hour, {name: int(value + slopes.get(name, 0) * hour) for name, value in CALM.items()})
        for hour in range(73)
    ]


def test_what_stays_is_well() -> None:
    assert grown(looks()).well


@pytest.mark.parametrize(
    ("name", "an_hour"),
    [
        ("process_resident_bytes", 0.1 * 2**20),
        ("process_descriptors", 0.5),
        ("process_tasks", 0.5),
        ("process_threads", 0.5),
    ],
)
def test_what_grows_is_seen(name: str, an_hour: float) -> None:
    assert not grown(looks(**{name: an_hour})).well


def test_what_grows_at_first_only_is_no_growth() -> None:
    early = [Look(at.at, at.figures | {"process_tasks": 10}) for at in looks()[:30]]
    assert grown([*early, *looks()[30:]]).well


@pytest.mark.slow
@pytest.mark.timeout(14_400 if FULL else 300)
def test_virtual_time_leaves_nothing_behind(tmp_path: Path) -> None:
    result = grown(virtual(HOURS, 100, tmp_path))
    assert result.well, str(result)


@pytest.mark.slow
@pytest.mark.timeout(2400 if FULL else 300)
def test_at_twenty_times_the_rate_with_devices_and_broker_that_come_and_go_nothing_is_left_behind(
    tmp_path: Path,
) -> None:
    result = grown(real(MINUTES, 100 if FULL else 20, tmp_path))
    assert result.well, str(result)


def test_a_descriptor_that_is_lost_at_each_look_would_be_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The rig itself: a gateway that forgets to close what it opens fails the soak."""
    lost = []

    def leaking(tasks: int) -> dict[str, int]:
        lost.append((tmp_path / "lost").open("w"))
        return figures(tasks)

    figures = measured
    monkeypatch.setattr(soak, "measured", leaking)
    try:
        assert not grown(virtual(0.01, 2, tmp_path)).well
    finally:
        for file in lost:
            file.close()
