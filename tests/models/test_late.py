"""What a model answers late is judged as if it had answered at once, and every row is counted once."""

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.config.assets import AlarmConfig, AssetConfig
from gateway.deliver.event import Class
from gateway.models.cohorts import Watched, assemble
from gateway.pipeline import Outward, Pipeline
from gateway.replay import Kept
from gateway.sdk import Batch, DeviceConfig, TagConfig, TagTable
from gateway.sdk.errors import ConfigError
from gateway.stages.score import Abstain, Scores

SECOND = 10**9
ALARM = AlarmConfig(on_delay=2.0, off_delay=2.0)


class Slow:
    """Scores with the first tag; the answer is fetched later, or given at once."""

    out = False

    def __init__(self, width: int, *, late: bool) -> None:
        self.width, self.late = width, late
        self.open: list[tuple[int, Scores]] = []
        self._tickets = itertools.count(1)

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        n = len(members)
        answer = Scores(x[:, 0], np.full(n, 10.0), np.full(x.shape, 0.5), x, np.zeros(n, np.uint8), version="7")
        if not self.late:
            return answer
        out = Scores.silent(n, self.width, Abstain.PENDING)
        out.ticket = next(self._tickets)
        self.open.append((out.ticket, answer))
        return out


def two_tags() -> TagTable:
    tags = {"a": TagConfig(), "b": TagConfig()}
    return TagTable.build([DeviceConfig(device="p", adapter="x", every=1.0, tags=tags)])


def alarms(delay: int, *, late: bool) -> tuple[list[tuple[int, str]], dict[str, int]]:
    """(time, state) of the alarms of one day, with answers `delay` rows late; and what was counted."""
    table = two_tags()
    config = AssetConfig(tags=["p.a", "p.b"], model="bundles/slow", alarm=ALARM)
    slow = Slow(2, late=late)

    def own(model: str, assets: Any) -> Slow:
        assert (model, assets) == ("bundles/slow", [Watched("one", ["p.a", "p.b"], ["", ""], 1.0, baseline=86400.0)])
        return slow

    out = Kept()
    judged = assemble({"one": config}, table, own=own)
    pipeline = Pipeline(table, judged.watch, Outward("g", out, lambda c, n: f"{c}/{n}", "off"))
    values = [1.0] * 5 + [20.0] * 6 + [1.0] * 6
    for second, value in enumerate(values, 1):
        batch = Batch.of(table.groups[0], np.array([value, 0.0]), second * SECOND)
        pipeline.process([batch], second * SECOND)
        while len(slow.open) > delay:
            pipeline.late(*slow.open.pop(0))
    for ticket, answer in slow.open:
        pipeline.late(ticket, answer)
    sent = [message.body.decode() for message in out.messages if message.cls is Class.ALARM]
    return [(sent_at(body), body) for body in sent], dict(pipeline.counters)


def sent_at(body: str) -> int:
    return int(body.partition('"time":"')[2][17:19])


def test_late_answers_give_the_alarms_of_prompt_ones() -> None:
    prompt, counted = alarms(0, late=False)
    assert [at for at, _ in prompt] == [8, 14], "two seconds after the score went above, and below"
    assert all('"version":"7"' in body for _, body in prompt)
    for delay in (0, 1, 4):
        late, counted_late = alarms(delay, late=True)
        assert late == prompt
        rows = {name: count for name, count in counted.items() if name.startswith("rows_")}
        assert {name: count for name, count in counted_late.items() if name.startswith("rows_")} == rows
        assert rows == {"rows_evaluated_total": 17, "rows_scored_total": 17}


def test_without_a_way_to_run_it_the_assets_of_a_users_model_abstain() -> None:
    table = two_tags()
    assets = {
        "own": AssetConfig(tags=["p.a"], model="bundles/x"),
        "built-in": AssetConfig(tags=["p.a", "p.b"]),
    }
    judged = assemble(assets, table)
    assert [cohort.model for cohort in judged.watch.cohorts] == ["default", "bundles/x"]
    scores = judged.watch.cohorts[1].scorer.score(np.array([0]), np.array([[1.0]]))
    assert scores.reason.tolist() == [Abstain.MODEL_FAILED]


def test_assets_of_one_model_have_equally_many_tags() -> None:
    table = two_tags()
    assets = {
        "one": AssetConfig(tags=["p.a"], model="bundles/x"),
        "two": AssetConfig(tags=["p.a", "p.b"], model="bundles/x"),
    }
    with pytest.raises(ConfigError, match="bundles/x"):
        assemble(assets, table)
