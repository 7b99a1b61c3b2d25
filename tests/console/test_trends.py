"""The past of an asset from its recording: piece by piece, one at a time, and of what runs when it is there."""

import asyncio
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gateway.console import trends
from gateway.console.past import Ring
from gateway.console.trends import Trends
from gateway.models.recorder import Recorder, pieces
from gateway.sdk.testing import FakeClock
from tests.console.plant import Plant

MS, TAGS = 1_000_000, ("p.a", "p.b")


def running(*names: str, tags: tuple[str, ...] = TAGS) -> Any:
    """A configuration with these assets, all of the same tags."""
    config, rows = SimpleNamespace(tags=tags), list(range(len(tags)))
    return SimpleNamespace(
        watch=SimpleNamespace(names=list(names), configs=[config] * len(names), rows=[rows] * len(names)),
        table=SimpleNamespace(names=tags),
        meanings=SimpleNamespace(unit=lambda _row: ""),
        judging=SimpleNamespace(recorder=True),
    )


class Scene:
    """Trends over a recording of one asset, and no samples in memory."""

    def __init__(self, state: Path) -> None:
        self.state, self.clock = state, FakeClock()
        self.memory: Any = type("Memory", (), {"running": running("one"), "ring": Ring(1, 1)})()
        self.trends = Trends(self, self.memory)  # type: ignore[arg-type]

    async def asset(self, name: str = "one", points: int = 10) -> dict[str, Any]:
        return await self.trends.asset(name, 0, 10**9, points, live=False)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """4,000 rows in several segments."""
    recorder = Recorder(tmp_path / "recording", ["one"], [TAGS], 32_000)
    for first in range(0, 4000, 500):
        at = np.arange(first, first + 500, dtype=np.int64)
        recorder.note(np.zeros(500, np.int64), at * MS, np.stack([at, -at], axis=1).astype(float))
        recorder.write(recorder.take())
    return Scene(tmp_path)


async def test_a_recording_is_drawn_from_its_pieces_with_their_extremes(scene: Scene) -> None:
    found = await scene.asset(points=16)
    assert found["source"] == "recording"
    assert list(found["tags"]) == list(TAGS)
    a, b = (found["tags"][name] for name in TAGS)
    assert 8 <= len(found["time"]) == len(a["value"]) <= 32
    assert (a["high"].max(), b["low"].min()) == (3999, -3999)
    assert (np.diff(found["time"]) > 0).all()
    assert (a["low"] == found["time"]).all()


async def test_no_more_than_one_piece_is_held_and_one_recording_read_at_a_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, held, reading, most, guard = pieces, [0], [0], [0, 0], threading.Lock()

    def gone() -> None:
        held[0] -= 1

    def counted(*given: Any) -> Iterator[Any]:
        with guard:
            reading[0] += 1
            most[1] = max(most[1], reading[0])
        time.sleep(0.01)
        for at, x in inner(*given):
            held[0] += 1
            weakref.finalize(x, gone)
            most[0] = max(most[0], held[0])
            yield at, x
        with guard:
            reading[0] -= 1

    monkeypatch.setattr(trends, "pieces", counted)
    found = await asyncio.gather(*(scene.asset() for _ in range(4)))
    assert all(one["source"] == "recording" for one in found)
    assert most[0] <= 3, "the one that is drawn, and the one that is being read"
    assert most[1] == 1


async def test_another_configuration_meanwhile_has_its_own_numbers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, int]] = []

    def began(_folder: Path, _name: str) -> None:
        scene.memory.running = running("zero", "one")

    def remembered(now: Any, asset: int, *_: Any) -> dict[str, Any]:
        asked.append((now, asset))
        return {}

    monkeypatch.setattr(trends, "began", began)
    monkeypatch.setattr(scene.trends, "_remembered", remembered)
    await scene.asset()
    assert asked == [(scene.memory.running, 1)]


def test_instants_beyond_what_can_be_counted_are_refused_and_the_last_one_is_not(plant: Plant) -> None:
    page, last = plant.admin(), (2**63 - 1) // MS
    for path in ("/alarms/history?since={}", "/assets/bench/trend?from=0&to={}", "/assets/bench/trend?from={}"):
        assert page.get(path.format(last)).status == 200, path
        assert page.get(path.format(last + 1)).status == 400, path
