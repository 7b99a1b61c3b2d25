"""A wall clock that is set by a year, or begins in 1970, moves nothing that waits, counts or bounds.

Each case is a row of the table in docs/reliability.md; those of the outbox, of certificates, of the recording and of
tokens have files of their own.
"""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from gateway.changes import Changes
from gateway.config.assets import RuleConfig, Severity
from gateway.console.sessions import Sessions
from gateway.console.throttle import AT_ONCE, FREE, Pace, Throttle
from gateway.ingest.image import Image
from gateway.models.cohorts import assemble
from gateway.operators.arming import Arming
from gateway.operators.plant import Plant
from gateway.operators.reflex import Reflexes
from gateway.operators.storm import Storm
from gateway.ops.quarantine import Quarantine
from gateway.sdk import DeviceConfig, TagConfig, TagTable
from gateway.sdk.testing import FakeClock
from gateway.stages.figures import AlarmFigures
from gateway.stages.states import State
from gateway.stages.writing import Action, Reason, WriteCommand, WriteError, parse
from gateway.state import history
from gateway.state.configurations import Record
from gateway.state.history import Change
from gateway.state.store import StateStore
from gateway.trial import Trial
from tests.operators.rig import ALARM, PUMP, Rig

YEAR = 365 * 86400.0
RIGHT = 1_780_000_000 * 10**9
STEPS = pytest.mark.parametrize("step", [YEAR, -YEAR, -RIGHT / 1e9 + 5], ids=["ahead", "behind", "1970"])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(RIGHT)


@STEPS
def test_a_login_lasts_as_long_as_it_should(clock: FakeClock, step: float) -> None:
    sessions = Sessions(clock, longest=100.0, idle=50.0)
    cookie, key = sessions.begin("ann", "1")
    clock.advance(40.0, step)
    assert sessions.of(cookie)
    clock.advance(40.0, step)
    assert sessions.look(key)
    clock.advance(21.0, step)
    assert sessions.look(key) is None


@STEPS
def test_wrong_logins_wait_as_long_as_they_should(clock: FakeClock, step: float) -> None:
    throttle = Throttle(clock)
    for _ in range(FREE + 3):
        throttle.wrong("ann", "here")
    wait = throttle.wait("ann", "here")
    clock.advance(1.0, step)
    assert throttle.wait("ann", "here") == pytest.approx(wait - 1)


@STEPS
def test_acts_are_paced_as_they_should(clock: FakeClock, step: float) -> None:
    pace = Pace(clock)
    assert [pace.wait("ann") for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    clock.advance(0.0, step)
    assert pace.wait("ann") == pytest.approx(1.0)
    clock.advance(1.0, step)
    assert pace.wait("ann") == 0.0


@STEPS
def test_a_storm_of_commands_is_one(clock: FakeClock, step: float) -> None:
    storm = Storm(5, clock.monotonic)
    took = [storm.room("mqtt") for _ in range(5)]
    clock.advance(0.1, step)
    assert (took, storm.room("mqtt")) == ([True] * 5, False)


@STEPS
def test_what_is_armed_stays_so_for_its_time(clock: FakeClock, step: float) -> None:
    arming = Arming(30.0, clock.monotonic)
    command = WriteCommand(Action.WRITE, "a.b", 1, "id", "ann")
    for wait, good in ((29.0, True), (31.0, False)):
        token = arming.arm(command, "cli")
        clock.advance(wait, step)
        assert arming.take(WriteCommand(Action.WRITE, "a.b", 1, "id", "ann", token=token), "cli") is good


@STEPS
def test_a_flood_of_alarms_is_counted_in_minutes_that_passed(clock: FakeClock, step: float) -> None:
    figures = AlarmFigures([Severity.HIGH])
    for _ in range(3):
        figures.raised(0, clock.monotonic())
    clock.advance(60.0, step)
    assert sum(figures.ten_minutes(clock.monotonic()).values()) == 3
    clock.advance(600.0, step)
    assert sum(figures.ten_minutes(clock.monotonic()).values()) == 0


@STEPS
def test_who_is_set_aside_stays_so_over_a_restart(tmp_path: Path, clock: FakeClock, step: float) -> None:
    first = Quarantine(tmp_path, clock)
    assert first.strike("press", "leaks", "grew")
    clock.advance(1.0, step)
    again = Quarantine(tmp_path, FakeClock(clock.wall_ns(), monotonic=5.0)).load()
    assert again.of("press")


@STEPS
async def test_a_configuration_is_on_trial_for_as_long_as_was_said(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    ties: Any = SimpleNamespace(clock=clock, silent=lambda _watched: {})
    unused: Any = None
    changes, reverted = Changes(unused, tmp_path, unused, ties, unused), list[str]()

    async def revert(_trial: Trial, why: str) -> dict[str, Any]:
        reverted.append(why)
        return {}

    monkeypatch.setattr(changes, "_revert", revert)
    changes.trial = Trial(Record(2, "d", clock.wall_ns() / 1e9), unused, clock.monotonic() + 60.0, 30.0, [])
    clock.advance(59.0, step)
    await changes._look()
    assert reverted == []
    clock.advance(2.0, step)
    await changes._look()
    assert reverted == ["nobody has confirmed it in time"]


def test_a_write_is_refused_by_a_clock_that_differs_and_never_done_late() -> None:
    """Its sender's clock is right, ours is a year ahead or behind."""
    right = 1_780_272_000 * 10**9
    table = {"tag": "a.b", "value": 1, "id": "x", "expires": "2026-06-01T00:00:30Z", "action": "write"}
    ahead, behind = (right + int(off * 1e9) for off in (YEAR, -YEAR))
    assert right < parse(table, right, 60.0).expires
    assert parse(table, ahead, 60.0).expires <= ahead, "expired, whenever it is judged"
    with pytest.raises(WriteError) as error:
        parse(table, behind, 60.0)
    assert error.value.reason is Reason.MALFORMED


# -- shelving ----------------------------------------------------------------------------------------------------------


def plant() -> Rig:
    """One whose clock is right."""
    rig = Rig()
    rig.clock.advance(0.0, RIGHT / 1e9 - rig.clock.wall_ns() / 1e9)
    rig.records.keep_shelved()
    return rig


def number(rig: Rig) -> int:
    return rig.judged.watch.names.index(ALARM)


def shelved(rig: Rig) -> bool:
    return State(rig.judged.watch.alarms.state[number(rig)]) is State.SHELVED


def second(rig: Rig, seconds: float = 1.0, step: float = 0.0) -> None:
    """What the sweep does once a second."""
    rig.clock.advance(seconds, seconds + step)
    rig.records.keep_shelved()
    rig.pipeline.sweep(int(rig.clock.monotonic() * 1e9), rig.clock.wall_ns())


@STEPS
def test_an_alarm_stays_shelved_for_as_long_as_was_said(step: float) -> None:
    rig = plant()
    rig.ask("shelve", **{"for": "10min"})
    second(rig, 60.0, step)
    second(rig, 530.0)
    assert shelved(rig)
    second(rig, 11.0)
    assert not shelved(rig)


@STEPS
def test_what_is_left_of_shelving_is_kept_over_a_restart_after_a_step(step: float) -> None:
    rig, after = plant(), plant()
    rig.ask("shelve", **{"for": "10min"})
    rig.records.take()
    second(rig, 60.0, step)
    states, _ = rig.records.take()
    assert list(states) == [ALARM], "the state that is kept says when it ends by the clock of now"
    after.clock.advance(0.0, (rig.clock.wall_ns() - after.clock.wall_ns()) / 1e9)
    after.records.keep_shelved()
    after.judged.watch.alarms.restore(number(after), orjson.loads(states[ALARM]))
    after.records.keep_shelved()
    second(after, 530.0)
    assert shelved(after)
    second(after, 11.0)
    assert not shelved(after)


def test_the_last_activation_is_the_one_that_came_last_whatever_the_clock_said(tmp_path: Path) -> None:
    """A rule's write has the id of its activation: an older one with a later time must not stand in its place."""
    store = StateStore(tmp_path / history.FILE)
    times = [RIGHT + int(YEAR * 1e9), RIGHT]
    changes = [
        Change(time, "hot", "normal", "active-unacknowledged", "high", math.pi, 1.0, "", "", "hot") for time in times
    ]
    store.keep_alarms({}, changes, 100)
    store.close()
    assert history.raised(tmp_path / history.FILE) == {"hot": RIGHT}


# -- writes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("doubt", "at_once"), [("", 1), ("unset", 0), ("unsynchronised", 0)])
async def test_what_follows_an_alarm_counts_from_now_where_nobody_knows_since_when_it_stands(
    clock: FakeClock, doubt: str, at_once: int
) -> None:
    then = {"write": "plc.feed", "value": 3, "after": "10min"}
    hot = RuleConfig.model_validate({"tag": "pump.t", "above": 90, "alarm": {"then": [then]}})
    watch = assemble({"pump": PUMP.model_copy(update={"rules": {"hot": hot}})}, Rig().table).watch
    watch.alarms.state[watch.names.index(ALARM)] = State.ACTIVE_UNACKNOWLEDGED
    given: list[object] = []
    reflexes = Reflexes(watch, lambda *one: given.append(one), lambda _tag: True, 60.0, clock, lambda: doubt)
    reflexes.restore({ALARM: clock.wall_ns() - int(YEAR * 1e9)})
    assert len(given) == at_once
    assert len(reflexes._timers) == 1 - at_once, "it is not forgotten"
    reflexes.end()


@pytest.mark.parametrize(("doubt", "ago", "since"), [("", 600, 600), ("unset", 600, 0), ("", -600, 0)])
def test_a_restart_with_a_clock_that_is_not_trusted_is_no_way_round_the_rate(
    clock: FakeClock, doubt: str, ago: int, since: int
) -> None:
    tags = {"feed": TagConfig.model_validate({"write": {"rate": "1/h"}})}
    table = TagTable.build([DeviceConfig(device="plc", adapter="x", every=1.0, tags=tags)])
    plant = Plant(table, Image(table), (), clock, lambda: doubt)
    plant.remember("plc.feed", clock.wall_ns() - ago * 10**9)
    assert clock.monotonic() - plant._written["plc.feed"] == since
