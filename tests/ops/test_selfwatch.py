"""The process looks after itself: bounds are told once each way, a leak has a name, the clock is not just believed."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.ops import selfwatch, walltime
from gateway.ops.culprit import Plugins
from gateway.ops.health import Health, State
from gateway.ops.leak import culprit
from gateway.ops.resources import NAMES, Resources, measured
from gateway.ops.selfwatch import SelfWatch, Ties
from gateway.ops.supervisor import GivenUpError
from gateway.ops.walltime import MADE, WallWatch, judged
from gateway.sdk.testing import FakeClock, SilentLog
from tests.ops.plugged import plugin

MIB = 2**20
NOW = (MADE + 1_000_000) * 1_000_000_000


class Log(SilentLog):
    def error(self, event: str, **fields: object) -> None:
        self.lines.append(("error", event, fields))


class Rig:
    """A watch with figures that the test sets."""

    def __init__(self, wall: int = NOW) -> None:
        self.figures = dict.fromkeys(NAMES, 10)
        self.clock, self.log, self.told = FakeClock(wall), Log(), list[tuple[str, str, str]]()
        self.health, self.plugins, self.accused = Health(self.clock), Plugins(), list[tuple[str, str]]()
        self.synchronised = True
        self.watch = SelfWatch(
            dict.fromkeys(NAMES, 100),
            Ties(self.clock, self.log, self.health, self.plugins, self._tell, lambda *what: self.accused.append(what)),
        )

    def _tell(self, *what: str) -> None:
        self.told.append(what)  # type: ignore[arg-type]

    def look(self, seconds: float = 1.0, wall: float | None = None) -> None:
        self.clock.advance(seconds, wall)
        self.watch.look(dict(self.figures), self.synchronised)

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.log.lines]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_what_is_measured_is_this_process() -> None:
    before = measured(7)
    with Path(__file__).open() as _, Path(__file__).open() as _:
        more = measured(7)
    assert more["process_descriptors"] == before["process_descriptors"] + 2
    assert before["process_resident_bytes"] > 10 * MIB
    assert before["process_tasks"] == 7
    assert before["process_threads"] == threading.active_count()


@pytest.mark.parametrize("name", NAMES)
def test_a_bound_is_told_once_when_it_is_passed_and_once_when_it_holds_again(rig: Rig, name: str) -> None:
    for value in (50, 101, 150, 95, 101, 89, 50):
        rig.figures[name] = value
        rig.look()
    assert [kind for _, kind, _ in rig.told] == ["resources", "resources"]
    assert ["beyond" in text for _, _, text in rig.told] == [True, False]
    assert rig.health.state("resources") is State.OK


def test_while_it_is_passed_the_health_says_so(rig: Rig) -> None:
    rig.figures["process_descriptors"] = 101
    rig.look()
    part = rig.health.part("resources")
    assert part
    assert (part.state, part.why) == (State.DEGRADED, "descriptors: 101, beyond its bound of 100")


def test_growth_is_that_of_the_last_looks() -> None:
    one = Resources({})
    for number in range(20):
        one.look({"process_resident_bytes": 3 * MIB * number})
    assert one.growth == 3 * MIB


def test_before_the_kernel_ends_it_the_process_ends_in_order(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfwatch, "allowed", lambda: 200 * MIB)
    watch = SelfWatch({}, Ties(rig.clock, rig.log, rig.health, rig.plugins, lambda *_: None, lambda *_: None))
    watch.look({"process_resident_bytes": 179 * MIB}, None)
    with pytest.raises(GivenUpError, match="181 MiB of the 200 MiB"):
        watch.look({"process_resident_bytes": 181 * MIB}, None)


# -- leaks -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def villain(tmp_path: Path) -> Iterator[Any]:
    with plugin(tmp_path) as module:
        yield module


async def leaking(by: Callable[[int], object], plugins: Plugins) -> tuple[str, float]:
    async def leak() -> None:
        while True:
            by(MIB // 10)
            await asyncio.sleep(0.01)

    task = asyncio.create_task(leak())
    try:
        return await culprit(plugins, 0.3)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_leak_has_the_name_of_its_plugin(villain: Any) -> None:
    plugins = Plugins()
    plugins.know("villain", "press", "villain")
    name, rate = await leaking(villain.keeps, plugins)
    assert name == "villain"
    assert rate > MIB


async def test_what_the_gateway_takes_itself_is_nobodys_leak(villain: Any) -> None:
    plugins, heap = Plugins(), []
    plugins.know("villain", "press", "villain")
    name, rate = await leaking(lambda size: heap.append(bytearray(size)), plugins)
    assert name == ""
    assert rate > MIB
    assert villain.HEAP == []


# -- the clock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [365 * 86400.0, -365 * 86400.0, 3600.0, -1.5])
def test_a_clock_that_is_set_is_told_once(rig: Rig, seconds: float) -> None:
    for _ in range(5):
        rig.look()
    rig.look(1.0, wall=1.0 + seconds)
    for _ in range(5):
        rig.look()
    assert rig.events.count("clock set") == 1
    [(_, _, text)] = [one for one in rig.told if one[1] == "clock set"]
    assert f"{seconds:+.0f} s" in text
    assert rig.health.state("clock") is State.DEGRADED


def test_a_step_is_forgotten_after_a_while(rig: Rig) -> None:
    rig.look(1.0, wall=3600.0)
    assert rig.health.state("clock") is State.DEGRADED
    rig.look(601.0)
    assert rig.health.state("clock") is State.OK


def test_a_clock_that_is_slewed_is_no_news(rig: Rig) -> None:
    for _ in range(1000):
        rig.look(1.0, wall=1.0005)  # adjtime(3): at most 500 ppm
    assert rig.events == []


@pytest.mark.parametrize(
    ("wall", "told", "trusted"),
    [(0, True, False), (0, None, False), (NOW, True, True), (NOW, False, False), (NOW, None, None)],
)
def test_whether_a_clock_is_to_be_believed(wall: int, told: bool | None, trusted: bool | None) -> None:
    found, why = judged(wall, told)
    assert found is trusted
    assert bool(why) is (trusted is False)


def test_a_missing_time_server_is_told_once_and_not_at_once(rig: Rig) -> None:
    rig.synchronised = False
    for _ in range(60):
        rig.look(10.0)
        assert rig.health.state("clock") is State.OK  # many plants have none: it is said, and nothing is wrong
    assert rig.events == ["clock not synchronised"]
    samples = {sample.name: sample.value for sample in rig.watch.samples()}
    assert samples["clock_synchronized"] == 0.0


def test_a_clock_that_begins_in_1970_is_not_believed() -> None:
    rig = Rig(wall=1_000_000_000)
    rig.look()
    part = rig.health.part("clock")
    assert part
    assert part.state is State.DEGRADED
    assert "has not been set since the start" in part.why


def test_ntp_is_known_from_the_file_of_timesyncd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walltime, "_SYNCHRONIZED", tmp_path / "synchronized")
    monkeypatch.setattr(walltime, "_TIMESYNCD", tmp_path)
    monkeypatch.setattr(walltime, "_adjtimex", lambda: None)
    assert walltime.synchronized() is False
    (tmp_path / "synchronized").touch()
    assert walltime.synchronized() is True
    monkeypatch.setattr(walltime, "_SYNCHRONIZED", tmp_path / "gone" / "synchronized")
    monkeypatch.setattr(walltime, "_TIMESYNCD", tmp_path / "gone")
    assert walltime.synchronized() is None


def test_a_step_says_what_the_clock_said_before() -> None:
    clock = FakeClock(NOW)
    watch = WallWatch(clock)
    clock.advance(10.0, wall=110.0)
    step = watch.look(None)
    assert step
    assert (round(step.seconds), step.before, step.now) == (100, NOW + 10 * 10**9, NOW + 110 * 10**9)
