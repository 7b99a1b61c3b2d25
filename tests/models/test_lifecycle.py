"""A version comes in, is tried beside the active one, takes over, and goes back; each step is told, no window lost."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway.models.compare import STEP, Comparison, Gate, distance, text
from gateway.models.lifecycle import LifecycleError, Record, State, decode
from gateway.models.shelf import Shelf
from tests.models.made import TRUSTED, bundle, mean_square, node, when_high
from tests.models.rig import Rig, twice, until

# -- the table ---------------------------------------------------------------------------------------------------------


def record(**states: str) -> Record:
    made = Record("pump-7")
    for version, state in states.items():
        made.states[version.strip("v").replace("_", ".")] = State(state)
    return made


def test_a_version_lives_from_installed_to_retired() -> None:
    made = Record("pump-7")
    made.install("1.0")
    made.promote("1.0", "first")
    made.install("2.0")
    made.shadow("2.0")
    changes = made.promote(None, "by command")
    assert [(one.version, one.state) for one in changes] == [("1.0", State.STANDBY), ("2.0", State.ACTIVE)]
    assert (made.active, made.second, made.floor) == ("2.0", "1.0", "2.0")
    made.settle()
    assert made.states == {"1.0": State.RETIRED, "2.0": State.ACTIVE}


def test_an_older_version_comes_back_only_by_rollback() -> None:
    made = Record("pump-7", {"1.0": State.RETIRED, "2.0": State.ACTIVE}, floor="2.0", history=["1.0", "2.0"])
    older: list[Callable[[], object]] = [lambda: made.shadow("1.0"), lambda: made.promote("1.0", "")]
    for step in older:
        with pytest.raises(LifecycleError, match=r"1\.0 is older than 2\.0"):
            step()
    made.roll_back(None, "by command")
    assert made.states == {"1.0": State.ACTIVE, "2.0": State.RETIRED}
    assert made.floor == "2.0", "the floor stays: 1.5 must not slip in"
    made.install("1.5")
    with pytest.raises(LifecycleError, match="older than"):
        made.shadow("1.5")


def test_the_active_version_fails_and_the_last_good_one_takes_over() -> None:
    made = Record("pump-7", {"1.0": State.RETIRED, "2.0": State.ACTIVE}, floor="2.0", history=["1.0", "2.0"])
    made.fail("2.0", "deadline")
    assert made.states == {"1.0": State.ACTIVE, "2.0": State.QUARANTINED}
    made.fail("1.0", "deadline")
    assert made.active is None, "what has failed is not gone back to"


def test_what_is_not_allowed_says_why() -> None:
    made = record(v1_0="active", v2_0="installed")
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: made.promote("2.0", ""), "only a shadow is promoted"),
        (lambda: made.promote(None, ""), "no version is in shadow"),
        (lambda: made.shadow("3.0"), "not installed; known are: 1.0, 2.0"),
        (lambda: made.shadow("1.0"), "active already"),
        (lambda: made.roll_back(None, ""), "no earlier version"),
        (lambda: record(v1_0="installed").shadow("1.0"), "nothing is active"),
    ]
    for step, word in wrong:
        with pytest.raises(LifecycleError, match=word):
            step()


def test_at_most_one_version_is_active_and_one_beside_it_whatever_happens() -> None:
    rng = np.random.default_rng(11)
    for _ in range(100):
        made = Record("pump-7", dict.fromkeys("123", State.INSTALLED))
        for _ in range(40):
            version = str(rng.integers(1, 4))
            with contextlib.suppress(LifecycleError):
                match rng.integers(6):
                    case 0 | 1:
                        made.shadow(version)
                    case 2:
                        made.promote(version if rng.random() < 0.3 else None, "")
                    case 3:
                        made.roll_back(version if rng.random() < 0.3 else None, "")
                    case 4:
                        made.settle()
                    case 5 if rng.random() < 0.3:
                        made.fail(version, "")
            held = list(made.states.values())
            assert held.count(State.ACTIVE) <= 1
            assert held.count(State.SHADOW) + held.count(State.STANDBY) <= 1
            assert decode(made.encode()) == made


def test_a_record_that_is_none_is_refused() -> None:
    for content in (b"[]", b"{}", b'{"name": "x", "states": {"../../etc": "active"}}'):
        with pytest.raises(ValueError, match="no "):
            decode(content)


# -- the comparison ----------------------------------------------------------------------------------------------------

GATE = Gate(rows=100, agreement=0.9, alarms=1.5, seconds=0.1)


def compared(active: list[float], second: list[float], before: Comparison | None = None) -> Comparison:
    made = Comparison("1.0", "2.0", before)
    made.note(made.active, np.array(active), 0.001)
    made.note(made.second, np.array(second), 0.002)
    made.pair(np.array(active), np.array(second))
    return made


def test_the_gate_is_kept_by_a_twin_and_names_what_is_not() -> None:
    scores = np.random.default_rng(0).uniform(0, 1.02, 500).tolist()
    assert all(kept for _, kept, _ in compared(scores, scores).findings(GATE))
    wild = compared(scores, [score + 0.5 for score in scores])
    assert [what for what, kept, _ in wild.findings(GATE) if not kept] == ["agreement", "alarm rate"]
    silent = compared(scores, [float("nan"), *scores[1:]])
    assert [what for what, kept, _ in silent.findings(GATE) if not kept] == ["faults"]


def test_the_report_can_be_read() -> None:
    made = compared([0.5] * 90 + [2.0] * 10, [0.6] * 95 + [2.0] * 5)
    report = made.report()
    assert (report["rows"], report["agreement"]) == (100, 0.95)
    assert [one["alarms"] for one in report["versions"]] == [10, 5]
    told = text("pump-7", report, made.findings(GATE))
    assert "pump-7: 100 windows scored by both, 95.00% agree" in told
    assert "kept  latency: p99 2.00 ms, at most 100 ms" in told


def test_a_shift_is_told_from_a_change_of_the_machine() -> None:
    rng = np.random.default_rng(1)
    calm, high = rng.uniform(0.1, 0.4, 400).tolist(), rng.uniform(0.7, 0.9, 400).tolist()
    before = compared(calm, calm)
    assert "shifted" in compared(high, calm, before).shifted()
    assert compared(high, high, before).shifted() == "", "both have moved: it is the machine"
    assert compared(calm, calm, before).shifted() == ""
    assert distance(np.array([1, 0]), np.array([0, 1])) == STEP


# -- on the plant floor ------------------------------------------------------------------------------------------------


async def test_shadow_then_promote_then_rollback_under_load_without_a_window_lost(tmp_path: Path) -> None:
    rig = Rig(tmp_path, rows=10_000)
    rig.lay(bundle())
    async with rig:
        await rig.rows(5)
        assert (await rig.shadow(twice()))["text"] == "2.0 is shadow"
        await rig.rows_until(lambda: rig.remote.comparison and rig.remote.comparison.rows >= 40, "both have scored")
        assert (await rig.command("promote"))["ok"]
        await rig.rows(10)
        rolled = await rig.command("rollback")
        assert rolled["ok"], rolled
        await rig.rows(10)
        await rig.answered()
    assert rig.failed() == 0
    assert {answer.version for answer in rig.answers.values()} == {"1.0", "2.0"}
    assert list(rig.answers) == rig.asked, "in the order of the rows"
    assert rig.moves() == [
        ("1.0", "active"), ("2.0", "shadow"), ("1.0", "standby"), ("2.0", "active"), ("2.0", "retired"),
        ("1.0", "active"),
    ]  # fmt: skip
    report = json.loads((rig.state / "models/pump-7/report.json").read_text())
    assert {one["version"] for one in report["versions"]} == {"1.0", "2.0"}
    assert "agree" in (rig.state / "models/pump-7/report.txt").read_text()


async def test_a_rollback_to_a_version_that_no_longer_runs_loses_no_window_either(tmp_path: Path) -> None:
    rig = Rig(tmp_path, rows=20)
    rig.lay(bundle())
    async with rig:
        await rig.rows(5)
        await rig.shadow(twice())
        await rig.rows_until(lambda: rig.remote.comparison and rig.remote.comparison.rows >= 40, "both have scored")
        await rig.command("promote")
        await rig.rows_until(lambda: rig.states()["1.0"] == "retired", "the former one is gone")
        assert (await rig.command("rollback"))["ok"]
        await rig.rows(20)
        await rig.answered()
    assert rig.failed() == 0
    assert list(rig.answers) == rig.asked
    assert rig.answers[rig.asked[-1]].version == "1.0"


async def test_a_shadow_that_passes_its_gate_is_promoted_and_settles(tmp_path: Path) -> None:
    rig = Rig(tmp_path, promote="gate", rows=30)
    rig.lay(bundle())
    async with rig:
        await rig.rows(5)
        await rig.shadow(bundle(version="1.1"))
        await rig.rows_until(lambda: rig.states() == {"1.0": "retired", "1.1": "active"}, "promoted and settled")
        await rig.answered()
    assert rig.failed() == 0
    assert ("1.0", "standby") in rig.moves()


async def test_a_shadow_that_alarms_too_often_stays_in_shadow(tmp_path: Path) -> None:
    rig = Rig(tmp_path, promote="gate", rows=20)
    rig.lay(bundle())
    async with rig:
        await rig.rows(5)
        await rig.shadow(bundle(mean_square(50.0), "1.1", golden={"rows": [[1, 1]] * 3, "score": 50.0}))
        await rig.rows_until(lambda: rig.remote.comparison and rig.remote.comparison.rows >= 400, "both have scored")
        assert rig.states() == {"1.0": "active", "1.1": "shadow"}


def failing_when_high() -> bytes:
    """An index beyond the end, once the newest first tag is above 100."""
    return when_high(
        [node("Cast", "above", "index", to=7), node("Gather", "table index", "more")],
        table=np.array([0.0], np.float32),
    )  # fmt: skip


async def test_a_version_that_fails_after_its_promotion_goes_back_by_itself_and_the_row_is_scored(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, rows=10_000)
    rig.lay(bundle())
    async with rig:
        await rig.rows(5)
        await rig.shadow(bundle(failing_when_high(), "2.0"))
        await rig.rows_until(lambda: rig.remote.comparison and rig.remote.comparison.rows >= 40, "both have scored")
        await rig.command("promote")
        await rig.rows(10)
        await rig.rows_until(lambda: rig.states() == {"1.0": "active", "2.0": "quarantined"}, "rolled back", 200.0)
        await rig.rows(10)
        await rig.answered()
    assert rig.failed() == 0
    assert rig.kinds().count("model quarantined") == 1


async def test_a_version_whose_scores_shift_after_its_promotion_goes_back_by_itself(tmp_path: Path) -> None:
    rig = Rig(tmp_path, rows=10_000)
    rig.lay(bundle(threshold=100_000.0))
    shifting = [node("Cast", "above", "flag", to=1), node("Mul", "flag much", "more")]
    async with rig:
        await rig.rows(5)
        await rig.shadow(bundle(when_high(shifting, much=np.float32(50_000)), "2.0", threshold=100_000.0))
        await rig.rows_until(lambda: rig.remote.comparison and rig.remote.comparison.rows >= 420, "both", 101.0)
        # In shadow the newest first tag is above 100, after the promotion just below: the old version sees no change.
        await rig.command("promote")
        await rig.rows_until(lambda: rig.states().get("2.0") == "quarantined", "rolled back", 99.0)
        await rig.answered()
    [text_of] = [one for kind, one, _ in rig.events if kind == "model quarantined"]
    assert "its scores have shifted" in text_of
    assert rig.states()["1.0"] == "active"


async def test_what_is_active_and_what_was_learnt_survive_a_restart(tmp_path: Path) -> None:
    rig = Rig(tmp_path, rows=10_000)
    rig.lay(bundle())
    async with rig:
        await rig.rows(5)
        await rig.shadow(twice())
        await rig.rows(10)
        await rig.command("promote")
    again = Rig(tmp_path, rows=10_000)
    async with again:
        assert again.states() == {"1.0": "standby", "2.0": "active"}
        await again.rows(5)
        await again.answered()
        assert {answer.version for answer in again.answers.values()} == {"2.0"}
        assert not (await again.command("shadow", "1.0"))["ok"], "an older one does not slip back"
    assert "model refused" in again.kinds()


async def test_a_reload_takes_up_what_was_decided_until_it_took_over(tmp_path: Path) -> None:
    rig, next_one = Rig(tmp_path, rows=10_000), Rig(tmp_path, rows=10_000)
    rig.lay(bundle())
    async with rig:
        await rig.rows(5)
        await asyncio.to_thread(next_one.open)  # made beside it
        await rig.shadow(twice())
        await rig.command("promote")
    await asyncio.to_thread(next_one.models.renew)
    assert next_one.states() == {"1.0": "standby", "2.0": "active"}
    assert next_one.life.record.active == "2.0"


async def test_the_worker_is_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.lay(bundle())
    async with rig:
        await rig.rows_until(lambda: rig.answers, "it scores")
        os.kill(rig.life.state()["pid"], signal.SIGKILL)
        await rig.rows(20)
        await rig.answered()
        await until(lambda: rig.health.snapshot()[0]["state"] == "ok", "it is well again")
    assert rig.failed() == 0
    assert rig.states() == {"1.0": "active"}
    assert rig.kinds() == ["model installed", "model active", "model running", "model fault"]


async def test_a_command_to_a_gateway_that_is_down_is_done_when_it_is_up(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.lay(bundle())
    async with rig:
        await rig.rows(5)
    shelf = Shelf(rig.state, TRUSTED)
    await asyncio.to_thread(shelf.put, twice())
    ticket = await asyncio.to_thread(shelf.inbox.leave, {"verb": "shadow", "name": "pump-7", "version": "2.0"})
    async with Rig(tmp_path) as again:
        await until((shelf.inbox.folder / ".answers" / ticket).exists, "it is answered")
        assert again.states() == {"1.0": "active", "2.0": "shadow"}
    assert await asyncio.to_thread(shelf.inbox.answered, ticket, 0.0) == {"ok": True, "text": "2.0 is shadow"}


async def test_rubbish_as_a_command_is_answered_and_changes_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.lay(bundle())
    async with rig:
        for verb, version in (("explode", None), ("shadow", None), ("promote", "../../etc/passwd"), ("rollback", "9")):
            assert not (await rig.command(verb, version))["ok"]
        rubbish = rig.models.shelf.inbox.folder / "1"
        rubbish.write_bytes(b"\xff{")
        await until(lambda: not rubbish.exists(), "it is taken")
        assert rig.states() == {"1.0": "active"}
