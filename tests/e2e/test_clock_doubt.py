"""What the whole gateway makes while its clock is not trusted says so, from the first message to the last."""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from bench.virtual import START_NS
from gateway.deliver.event import Class
from tests.e2e.test_clock import YEAR, Life, steady


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in test_clock; and seven minutes are enough."""
    monkeypatch.setattr("tests.e2e.test_clock.MINUTES", 7)


@pytest.fixture
def ntp(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool | None], None]:
    """Says what is known of a time server from now on."""

    def says(told: bool | None) -> None:
        for place in ("gateway.ops.selfwatch", "gateway.app"):
            monkeypatch.setattr(f"{place}.synchronized", lambda: told)

    return says


def doubts(life: Life, cls: Class = Class.TELEMETRY) -> list[tuple[str, int]]:
    """What the messages say of the clock, and for how many of them in a row."""
    return [(doubt, len(list(some))) for doubt, some in groupby(one.get("clock", "") for one in life.messages(cls))]


def test_from_1970_until_it_has_been_set_and_has_settled(tmp_path: Path, ntp: Callable[[bool | None], None]) -> None:
    ntp(None)

    def set_right(clock: Any, _gateway: object) -> None:
        ntp(True)
        clock.step(START_NS / 1e9)

    life = Life(tmp_path).live({3: set_right}, start=-START_NS / 1e9)
    steady(life)
    told = doubts(life)
    assert [doubt for doubt, _ in told] == ["unset", "stepped", ""]
    assert 110 <= told[1][1] <= 130, "a minute: a time server vouches for it"
    assert [doubt for doubt, _ in doubts(life, Class.EVENT)][:2] == ["unset", "stepped"]


def test_where_nobody_vouches_for_it_a_minute_is_not_enough(tmp_path: Path, ntp: Callable[[bool | None], None]) -> None:
    ntp(None)
    life = Life(tmp_path).live({4: lambda clock, _gateway: clock.step(YEAR)})
    steady(life)
    assert [doubt for doubt, _ in doubts(life)] == ["", "stepped"]
    assert life.samples["clock_doubted"] == 1.0


def test_where_it_must_follow_a_time_server_it_is_spoken_of_until_it_does(
    tmp_path: Path, ntp: Callable[[bool | None], None]
) -> None:
    ntp(False)
    must = {"gateway": {"id": "clock", "clock": "synchronised"}}
    life = Life(tmp_path, **must).live({3: lambda *_: ntp(True), 6: lambda *_: ntp(None)})
    steady(life)
    assert [doubt for doubt, _ in doubts(life)] == ["unsynchronised", "", "unsynchronised"]
    part = next(part for part in life.document["parts"] if part["name"] == "clock")
    assert (part["state"], part["why"]) == (
        "degraded", "whether the clock is synchronised cannot be known here (gateway.clock)",
    )  # fmt: skip
