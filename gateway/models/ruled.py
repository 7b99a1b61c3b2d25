"""Modes and rules of a configuration as what the pipeline watches: each is an asset of its own, ASSET-NAME."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from gateway.config.assets import AssetConfig, RuleConfig
from gateway.models.modes import moded
from gateway.stages.rules import LEARNS, RULE, Kind, Rule, Rules

_NO_BUDGET: Final = 1e6  # events per second: nothing raises a limit that somebody wrote down


def expanded(assets: Mapping[str, AssetConfig]) -> tuple[dict[str, AssetConfig], dict[str, RuleConfig]]:
    """`assets`, one for each mode where they have some, then one for each of their rules; and those rules by name."""
    found, rules = moded(assets), dict[str, RuleConfig]()
    for name, asset in assets.items():
        for rule_name, rule in asset.rules.items():
            rules[f"{name}-{rule_name}"] = rule
            found[f"{name}-{rule_name}"] = _asset(asset, rule)
    return found, rules


def _asset(asset: AssetConfig, rule: RuleConfig) -> AssetConfig:
    other = rule.ratio or rule.residual
    alarm = rule.alarm.model_copy(update={"budget": _NO_BUDGET, "stays": 0.0})
    return asset.model_copy(
        update={
            "tags": [rule.tag, other] if other else [rule.tag],
            "model": RULE,
            "sensors": False,
            "rules": {},
            "modes": {},
            "when": rule.when,
            "settle": rule.settle,
            "alarm": alarm,
            "min_good": 1.0,
        }
    )


def scorer(width: int, rules: Sequence[tuple[RuleConfig, float]]) -> Rules:
    """What scores rules on `width` tags each, given with their periods in seconds."""
    return Rules(width, [_rule(rule, period) for rule, period in rules])


def _rule(rule: RuleConfig, period: float) -> Rule:
    kind = _kind(rule)
    return Rule(
        kind=kind,
        low=-np.inf if rule.below is None else rule.below,
        high=np.inf if rule.above is None else rule.above,
        period=period,
        span=rule.ewma or 1,
        learn=rule.calibrate if kind in LEARNS else 0,
    )


def _kind(rule: RuleConfig) -> Kind:
    given = {
        Kind.RATE: rule.rate, Kind.EWMA: rule.ewma, Kind.CUSUM: rule.cusum, Kind.RATIO: rule.ratio,
        Kind.RESIDUAL: rule.residual,
    }  # fmt: skip
    return next((kind for kind, value in given.items() if value), Kind.LIMIT)
