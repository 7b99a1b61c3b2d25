import json

import numpy as np
import pytest
from pydantic import ValidationError

from gateway.config.assets import AssetConfig, RuleConfig
from gateway.deliver.event import Class
from gateway.replay import Replay
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.stages.rules import Kind, Rule, Rules
from gateway.stages.score import Abstain

ONE = np.zeros(1, np.int64)
INF = np.inf


def over(rule: Rule, *rows: float | tuple[float, float]) -> list[bool | None]:
    """Whether each row is beyond its limit; None where the rule keeps silent."""
    width = 2 if isinstance(rows[0], tuple) else 1
    rules, found = Rules(width, [rule]), []
    for row in rows:
        score = float(rules.score(ONE, np.atleast_2d(row)).score[0])
        found.append(None if np.isnan(score) else score > 1)
    return found


def test_a_limit_holds_on_both_sides() -> None:
    assert over(Rule(Kind.LIMIT, -5, 10, 1.0), 0, 10, 10.1, -5, -5.1) == [False, False, True, False, True]


def test_a_limit_of_nought_is_one() -> None:
    assert over(Rule(Kind.LIMIT, 0, INF, 1.0), 0.1, -0.1) == [False, True]


def test_a_rate_is_per_second_and_either_way() -> None:
    assert over(Rule(Kind.RATE, -INF, 2, 0.5), 5, 5.9, 7.0, 5.0, 5.0) == [False, False, True, True, False]


def test_a_smoothed_limit_does_not_mind_a_single_row() -> None:
    assert over(Rule(Kind.EWMA, -INF, 10, 1.0, span=9), 0, 40, *[0] * 5) == [False] * 7
    assert over(Rule(Kind.EWMA, -INF, 10, 1.0, span=9), *[0.0] * 2, *[12.0] * 30)[-1] is True


def test_a_cusum_finds_a_shift_that_no_limit_would() -> None:
    rng = np.random.default_rng(0)
    rule = Rule(Kind.CUSUM, -INF, 8, 1.0, learn=500)
    calm, shifted = rng.normal(100, 1, 700), rng.normal(101.2, 1, 50)
    found = over(rule, *calm, *shifted)
    assert found[:500] == [None] * 500
    assert not any(found[500:700])
    assert found[-1]


def test_a_ratio_and_a_division_by_nought() -> None:
    assert over(Rule(Kind.RATIO, 0.9, 1.1, 1.0), (10, 10), (12, 10), (8, 10)) == [False, True, True]
    assert over(Rule(Kind.RATIO, -INF, 2, 1.0), (10.0, 0.0)) == [False]


def test_a_residual_is_what_the_other_tag_does_not_explain() -> None:
    rng = np.random.default_rng(1)
    other = rng.normal(1e6, 100, 400)
    own = 3 * other + 7 + rng.normal(0, 1, 400)
    rows = list(zip(own.tolist(), other.tolist(), strict=True))
    rule = Rule(Kind.RESIDUAL, -INF, 6, 1.0, learn=300)
    assert not any(over(rule, *rows)[300:])
    assert over(rule, *rows, (3 * 1e6 + 7 + 20, 1e6))[-1]


def test_a_bad_tag_silences_the_rule_and_changes_nothing() -> None:
    rules = Rules(1, [Rule(Kind.RATE, -INF, 2, 1.0)])
    rules.score(ONE, np.array([[5.0]]))
    assert rules.score(ONE, np.array([[np.nan]])).reason.tolist() == [Abstain.TOO_FEW_GOOD]
    assert rules.score(ONE, np.array([[9.0]])).score[0] > 1


def test_rules_are_judged_each_by_itself() -> None:
    kinds = [Rule(Kind.LIMIT, -INF, 1, 1.0), Rule(Kind.RATE, -INF, 1, 1.0), Rule(Kind.CUSUM, -INF, 3, 1.0, learn=20)]
    together, alone, rng = Rules(1, kinds), [Rules(1, [kind]) for kind in kinds], np.random.default_rng(2)
    for _ in range(100):
        members = rng.permutation(3)[: rng.integers(1, 4)].astype(np.int64)
        x = rng.normal(size=(len(members), 1))
        score = together.score(members, x).score
        for i, member in enumerate(members.tolist()):
            assert score[i] == pytest.approx(alone[member].score(ONE, x[i : i + 1]).score[0], nan_ok=True)


def test_what_a_rule_has_learnt_survives_a_restart() -> None:
    rule = Rule(Kind.CUSUM, -INF, 8, 1.0, learn=100)
    first, again = Rules(1, [rule]), Rules(1, [rule])
    for value in np.random.default_rng(0).normal(100, 1, 150):
        first.score(ONE, np.array([[value]]))
    again.restore(0, first.snapshot(0))
    assert again.score(ONE, np.array([[100.0]])).reason.tolist() == [Abstain.NONE]


@pytest.mark.parametrize(
    "options",
    [{}, {"above": 1, "rate": True, "ewma": 5}, {"rate": True}, {"above": 1, "ratio": "a.b", "residual": "a.b"}],
)
def test_a_rule_compares_one_thing_with_at_least_one_limit(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RuleConfig.model_validate({"tag": "a.b", **options})


def test_a_rule_has_an_alarm_of_its_own_and_no_budget_moves_its_limit() -> None:
    tags = {"heat": TagConfig(unit="°C"), "flow": TagConfig()}
    device = DeviceConfig(device="pump", adapter="replay", every=1.0, tags=tags)
    alarm = {"on_delay": 0.0, "off_delay": 0.0}
    asset = {"tags": ["pump.heat", "pump.flow"], "rules": {"hot": {"tag": "pump.heat", "above": 80.0, "alarm": alarm}}}
    replay = Replay("x", [device], {"pump": AssetConfig.model_validate(asset)})
    raised = []
    for row in range(2000):
        heat = 90.0 if row % 100 == 99 else 20.0
        replay.row(1_700_000_000_000_000_000 + row * 1_000_000_000, np.array([heat, 1.0]))
        raised += [json.loads(m.body) for m in replay.out.take() if m.cls is Class.ALARM]
    active = [body for body in raised if body["state"] == "active-unacknowledged"]
    assert len(active) == 20
    assert {body["asset"] for body in raised} == {"pump-hot"}
    assert active[0]["message"] == "pump-hot: pump.heat is 90 °C; its rule says 80"
    assert active[-1]["threshold"] == 1.0
