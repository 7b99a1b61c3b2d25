"""While a user's model is out the built-in detector judges, where the configuration says so; it has learnt before."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from gateway.config.assets import AlarmConfig, AssetConfig
from gateway.deliver.event import Class
from gateway.models.cohorts import VERSION, Judged, Watched, assemble
from gateway.models.learning import Learning
from gateway.pipeline import Outward, Pipeline
from gateway.replay import Kept
from gateway.sdk.batch import Batch
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.sdk.tags import TagTable
from gateway.sdk.testing import SilentLog
from gateway.stages.score import Abstain, Scores
from gateway.state.store import StateStore
from tests.models.made import bundle, sluggish
from tests.models.rig import Rig, twice, until

ROWS, SECOND = 100, 1_000_000_000
OWN = "bundles/pump-7"
BOTH = np.arange(2)


class Users:
    """A user's model that says 1 of every row, or nothing at all."""

    def __init__(self) -> None:
        self.out = False

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        n = len(members)
        if self.out:
            return Scores.silent(n, x.shape[1], Abstain.MODEL_FAILED)
        return Scores(np.ones(n), np.full(n, 10.0), np.full(x.shape, 0.5), x, np.zeros(n, np.uint8), version="7")


def made(users: Users, *fallbacks: str) -> tuple[Judged, TagTable]:
    """An asset of two tags for each of `fallbacks`."""
    tags = {f"t{i}": TagConfig() for i in range(2 * len(fallbacks))}
    table = TagTable.build([DeviceConfig(device="p", adapter="none", every=1.0, tags=tags)])
    alarm = AlarmConfig(on_delay=0.0, off_delay=0.0)
    assets = {
        f"pump-{i}": AssetConfig.model_validate(
            {"tags": [f"p.t{2 * i}", f"p.t{2 * i + 1}"], "model": OWN, "fallback": one, "calibrate": ROWS,
             "sensors": False, "alarm": alarm}
        )
        for i, one in enumerate(fallbacks)
    }  # fmt: skip

    def own(model: str, assets: Sequence[Watched]) -> Users:
        assert (model, [one.fallback for one in assets]) == (OWN, [one == "default" for one in fallbacks])
        return users

    return assemble(assets, table, own=own), table


def feed(judged: Judged, count: int, away: float = 0.0) -> Scores:
    """`count` rows of both assets through their scorer; what it says to the last."""
    scorer, rng = judged.watch.cohorts[0].scorer, np.random.default_rng(count)
    scores = Scores.silent(2, 2, Abstain.NONE)
    for _ in range(count):
        scores = scorer.score(BOTH, rng.normal(10 + away, 1, (2, 2)))
        for detector in judged.detectors:
            detector.poll()
    return scores


def test_the_detector_learns_beside_and_judges_when_the_model_is_out() -> None:
    users = Users()
    judged, _ = made(users, "default", "default")
    scores = feed(judged, ROWS + 50)
    assert (scores.score.tolist(), scores.model, scores.version) == ([1.0, 1.0], "", "7")
    users.out = True
    scores = feed(judged, 1)
    assert (scores.model, scores.version, scores.reason.tolist()) == ("default", VERSION, [0, 0])
    assert (scores.score < scores.threshold).all()
    scores = feed(judged, 20, away=9.0)
    assert (scores.score > scores.threshold).all()
    assert scores.contrib.sum(axis=1) == pytest.approx(1.0, abs=1e-3)
    users.out = False
    scores = feed(judged, 1)
    assert (scores.score.tolist(), scores.model, scores.version) == ([1.0, 1.0], "", "7")


def test_one_that_is_out_before_it_has_learnt_abstains_until_it_has() -> None:
    users = Users()
    users.out = True
    judged, _ = made(users, "default", "default")
    assert feed(judged, ROWS - 1).reason.tolist() == [Abstain.CALIBRATING] * 2
    feed(judged, 1)
    assert feed(judged, 1).reason.tolist() == [Abstain.NONE] * 2


def test_only_assets_that_ask_for_it_fall_back() -> None:
    users = Users()
    judged, _ = made(users, "none", "default")
    assert [one.tolist() for one in judged.taught] == [[1]]
    feed(judged, ROWS + 1)
    users.out = True
    assert feed(judged, 1).reason.tolist() == [Abstain.MODEL_FAILED, Abstain.NONE]


def test_an_alarm_says_who_raised_it() -> None:
    users = Users()
    judged, table = made(users, "default", "default")
    out = Kept()
    pipeline = Pipeline(table, judged.watch, Outward("g", out, lambda c, n: f"{c}/{n}", "off"))
    rng = np.random.default_rng(0)
    for second in range(1, ROWS + 60):
        users.out = second > ROWS
        value = rng.normal(10, 1, 4) + (0 if second < ROWS + 20 else 9)
        pipeline.process([Batch.of(table.groups[0], value, second * SECOND)], second * SECOND)
        for detector in judged.detectors:
            detector.poll()
    told = [json.loads(message.body) for message in out.messages if message.cls is Class.ALARM]
    assert {one["asset"] for one in told} == {"pump-0", "pump-1"}
    assert all(one["model"] == {"name": "default", "version": VERSION} for one in told)


def test_what_it_has_learnt_survives_a_restart(tmp_path: Path) -> None:
    users, store = Users(), StateStore(tmp_path / "state.db")
    judged, _ = made(users, "none", "default")
    learnt = learning(judged)
    feed_unpolled(judged, ROWS)
    for asset, fingerprint, content in learnt.poll():
        assert asset == "pump-1"
        store.keep_calibration(asset, fingerprint, 0, content)
    feed(judged, 30, 0.5)
    store.keep_memories(learnt.memories())
    users.out = True
    again, _ = made(users, "none", "default")
    learning(again).restore(store)
    assert [one["phase"] for one in learning(again).states()] == ["scoring"]
    assert feed(again, 5).score[1] == pytest.approx(feed(judged, 5).score[1], rel=1e-3)
    store.close()


def learning(judged: Judged) -> Learning:
    return Learning(judged, lambda _asset, _rows: None, SilentLog())


def feed_unpolled(judged: Judged, count: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(count):
        judged.watch.cohorts[0].scorer.score(BOTH, rng.normal(10, 1, (2, 2)))


def test_a_fallback_of_the_built_in_detector_itself_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs none"):
        AssetConfig(tags=["p.a"], fallback="default")


# -- a gateway's models ------------------------------------------------------------------------------------------------


async def test_each_way_is_told_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, fallback=True, faults=1, deadline=0.2)
    rig.lay(bundle(sluggish()))
    async with rig:
        await rig.rows(5)
        await rig.answered()
        assert dict(rig.models.phases()) == {"north": "scoring", "south": "scoring"}
        await rig.rows_until(lambda: rig.remote.out, "it is quarantined", 200.0)
        await rig.rows(5)
        assert dict(rig.models.phases()) == {"north": "fallback", "south": "fallback"}
        await asyncio.to_thread(rig.models.shelf.put, twice())
        assert await rig.command("promote", "2.0") == {"ok": True, "text": "2.0 is active"}
        await until(lambda: not rig.remote.out, "it is back")
    said = [(kind, fields["assets"]) for kind, _, fields in rig.events if kind.startswith("fallback")]
    assert said == [("fallback", ["north", "south"]), ("fallback over", ["north", "south"])]
