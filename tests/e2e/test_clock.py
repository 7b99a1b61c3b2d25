"""The wall clock is data: set by a year, begun in 1970, or in summer time, it moves no poll and loses no reading.

The whole gateway, in virtual time, with a wall clock of its own.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.soak import Quiet
from bench.virtual import START_NS, Behind, VirtualClock, VirtualLoop
from gateway.app import Gateway
from gateway.cli.children import write_configuration
from gateway.config.load import load
from gateway.deliver.event import Class
from gateway.deliver.inspect import look
from gateway.ingest.registry import Registry
from gateway.ops.clock import SystemClock

YEAR = 365 * 86400.0
MINUTES = 10  # of the gateway's life; the clock is set in the midst of the fifth
RATE = 2  # scans a second: one device at 1 s, one at 2 s with two groups
ASSETS = {"mixer": {"tags": ["bench.level", "bench.flow"], "calibrate": 60, "alarm": {"on_delay": "5s"}}}


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> None:
    """A gateway that ends waits for its threads on the loop: nothing else runs then. So that is not looked for here."""


class Log(Quiet):
    """Keeps what is not for debugging."""

    def __init__(self, lines: list[tuple[str, dict[str, Any]]]) -> None:
        self.lines = lines  # type: ignore[assignment]

    def bind(self, **_fields: Any) -> "Log":
        return self

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))  # type: ignore[arg-type]

    warning = error = exception = info


class Life:
    """One run of the gateway, looked at every minute."""

    def __init__(self, folder: Path, **more: Any) -> None:
        """`more`: sections of the configuration."""
        wave = {"wave": "sine", "mean": 50.0, "amplitude": 5.0, "period": "30s", "noise": 0.5}
        devices = [
            {"device": "bench", "adapter": "sim", "every": "1s", "tags": {"level": wave, "flow": wave}},
            {"device": "oven", "adapter": "sim", "every": "1s", "tags": {"heat": wave}},
        ]
        root = {"gateway": {"id": "clock"}, "telemetry": "all", "assets": ASSETS, **more}
        self.state = folder / "state"
        self.registry = Registry()
        self.configuration = load(write_configuration(folder, root, devices), self.registry.models())
        self.batches: list[int] = []  # that came in each minute
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.document: dict[str, Any] = {}
        self.samples: dict[str, float] = {}

    def live(self, at_minute: dict[int, Callable[[VirtualClock, Gateway], Any]], start: float = 0.0) -> "Life":
        """Live for some minutes; `start` is by how much the wall clock is off at the start."""
        loop = VirtualLoop()
        self.state.mkdir(exist_ok=True)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(self._live(loop, at_minute, start))
        finally:
            loop.close()
            asyncio.set_event_loop(None)
        return self

    async def _live(self, loop: VirtualLoop, at_minute: dict[int, Any], start: float) -> None:
        clock = VirtualClock(loop)
        clock.step(start)
        gateway = await asyncio.to_thread(
            Gateway, self.configuration, self.registry.adapter, self.state, clock, Log(self.lines)
        )
        loop.busy = Behind(loop, lambda: gateway.outbox.waiting)
        stop = asyncio.Event()
        running = asyncio.create_task(gateway.run(stop))
        await asyncio.sleep(1.25)
        before = 0
        for minute in range(MINUTES):
            await asyncio.sleep(30.0)
            at_minute.get(minute, lambda _clock, _gateway: None)(clock, gateway)
            await asyncio.sleep(30.0)
            count = gateway.status.document()["pipeline"]["batches_total"]
            self.batches.append(count - before)
            before = count
        self.document = gateway.status.document()
        self.samples = {sample.name: sample.value for sample in gateway.defence.samples()}
        store = gateway.outbox._thread
        loop.busy = lambda: store.closing and store._thread.is_alive()  # it may take longer than virtual time has
        stop.set()
        await running

    def messages(self, cls: Class) -> list[dict[str, Any]]:
        """What waits in the outbox, in order."""
        return [json.loads(record.body) for record in look(self.state / "outbox", SystemClock()).records(cls)]

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


def steady(life: Life, before: int = 0) -> None:
    """No burst, no stall, no loss; `before` messages were there."""
    assert max(life.batches[1:]) <= 60 * RATE + 3, life.batches
    assert min(life.batches[1:]) >= 60 * RATE - 3, life.batches
    assert life.document["pipeline"].get("turns_failed_total", 0) == 0
    assert all(cls["balances"] for cls in life.document["outbox"]["classes"].values())
    assert not any(cls["readings_dropped"] for cls in life.document["outbox"]["classes"].values())
    telemetry, readings = life.document["outbox"]["classes"]["telemetry"], life.document["pipeline"]["readings_total"]
    assert telemetry["readings_put"] == readings + telemetry["readings_recovered"]
    assert telemetry["queued"] >= before + 60 * RATE * (MINUTES - 1)
    assert life.document["assets"][0]["phase"] == "scoring"


@pytest.mark.parametrize("seconds", [YEAR, -YEAR, 3600.0, -3600.0, 2.0, -2.0])
def test_a_clock_that_is_set_moves_no_poll_loses_nothing_and_is_told_of(tmp_path: Path, seconds: float) -> None:
    life = Life(tmp_path).live({4: lambda clock, _gateway: clock.step(seconds)})
    steady(life)
    [(_, fields)] = [line for line in life.lines if line[0] == "clock set"]
    assert fields["seconds"] == pytest.approx(seconds, abs=0.1)
    assert life.samples["clock_steps_total"] == 1
    part = next(part for part in life.document["parts"] if part["name"] == "clock")
    assert part["state"] == "degraded"
    assert (
        part["why"] == "it was set while the gateway ran" or seconds == -YEAR
    )  # then it is before this version's time
    assert "device lost" not in life.events
    bad = life.document["pipeline"]["readings_bad_total"]
    assert bad <= 3  # at a step back, the one reading of each tag that comes before the one before it


def test_a_small_correction_is_no_news(tmp_path: Path) -> None:
    life = Life(tmp_path).live({4: lambda clock, _gateway: clock.step(0.4)})
    steady(life)
    assert "clock set" not in life.events
    assert not any("clock" in message for message in life.messages(Class.TELEMETRY))


def test_a_start_in_1970_is_told_and_the_right_time_is_taken_when_it_comes(tmp_path: Path) -> None:
    off = START_NS / 1e9
    seen: list[dict[str, Any]] = []

    def set_right(clock: VirtualClock, gateway: Gateway) -> None:
        seen.extend(part for part in gateway.status.document()["parts"] if part["name"] == "clock")
        clock.step(off)

    life = Life(tmp_path).live({4: set_right}, start=-off)
    steady(life)
    assert seen[0]["state"] == "degraded"
    assert "has not been set since the start" in seen[0]["why"]
    assert life.events.count("clock set") == 1


@pytest.mark.parametrize("step", [YEAR, -YEAR])
def test_an_alarm_that_is_shelved_comes_back_in_its_time_whatever_the_clock_is_set_to(
    tmp_path: Path, step: float
) -> None:
    seen: list[str] = []

    def shelve(_clock: VirtualClock, gateway: Gateway) -> None:
        answer = gateway.desk.commands.take({"action": "shelve", "asset": "mixer", "for": "4min", "by": "me"}, "cli")
        assert answer
        assert answer["result"] == "done", answer

    def note(_clock: VirtualClock, gateway: Gateway) -> None:
        seen.append(gateway.status.document()["assets"][0]["alarm"])

    life = Life(tmp_path).live({1: shelve, 2: lambda clock, _gateway: clock.step(step), 4: note, 6: note})
    steady(life)
    assert (seen[0], seen[1] == "shelved") == ("shelved", False)


@pytest.mark.parametrize("off", [YEAR, -START_NS / 1e9], ids=["ahead", "1970"])
def test_a_restart_with_another_time_takes_up_what_was_there(tmp_path: Path, off: float) -> None:
    outbox = {"segment": "64KiB", "max_age": "1h"}
    first = Life(tmp_path, outbox=outbox).live({})
    put = first.document["outbox"]["classes"]["telemetry"]["queued"]
    second = Life(tmp_path, outbox=outbox).live({}, start=off)
    steady(second, before=put)
    assert len(list((second.state / "outbox").glob("telemetry-*"))) > 3


@pytest.mark.parametrize("instant", [1_774_745_700, 1_792_889_700], ids=["march", "october"])
def test_summer_time_is_no_event(tmp_path: Path, instant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both changes of 2026 in Central Europe fall into the run: 29 March and 25 October, 01:00 UTC."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert len({time.localtime(instant + 60 * minute).tm_isdst for minute in range(MINUTES)}) == 2
        life = Life(tmp_path).live({}, start=instant - START_NS / 1e9)
    finally:
        monkeypatch.undo()
        time.tzset()
    steady(life)
    assert "clock set" not in life.events
    for device in ("bench", "oven"):
        times = [message["time"] for message in life.messages(Class.TELEMETRY) if message["device"] == device]
        assert abs(times[0] / 1000 - instant) < 10
        assert {round(step / 1000) for step in np.diff(times)} == {1}, "a message a second, in UTC"


@pytest.mark.slow
def test_an_hour_in_which_all_is_well_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.e2e.test_clock.MINUTES", 60)
    monkeypatch.setattr("gateway.ops.selfwatch.synchronized", lambda: True)
    life = Life(tmp_path).live({})
    steady(life)
    assert Counter(life.events) == {}
