"""The judge of bench/detector_compare.py says what is kept and what is missed."""

from typing import Any

import pytest

from bench.detector_judge import WEEK, Found, Set, verdict

FIGURES: dict[str, Any] = {"mean_vus_pr": 0.5, "mean_auc_pr": 0.9, "mean_best_f1": 0.96, "F1": 0.81, "FAR": 20.0}


def found(hits: int, false: int = 0, far: float = 1.0, **more: Any) -> Found:
    series = {"a": {"false_events": false, "far": far}}
    return Found({**FIGURES, "events_hit": f"{hits}/9", **more}, series)


def one(ours: Found, plain: Found, tuned: Found | None = None) -> Set:
    """A set of one series: 100 rows that are a week, ten of them wrong."""
    return Set([{"id": "a", "rows": 100, "anomalous": 10, "period_s": WEEK / 100}], plain, ours, tuned)


def missed(sets: dict[str, Set]) -> list[str]:
    return [f"{clause.where}: {clause.what}" for clause in verdict(sets) if not clause.kept]


def test_as_good_as_plain_is_good_enough() -> None:
    same = {name: one(found(5), found(5), found(5)) for name in ("skab", "smd", "asd", "tep")}
    assert missed(same) == []


def test_each_set_is_held_to_its_own_ranking() -> None:
    better, worse = one(found(5, mean_vus_pr=0.9), found(5)), one(found(5, mean_vus_pr=0.49), found(5))
    assert missed({"smd": better, "asd": worse}) == ["asd: VUS-PR, against plain"]
    del worse.ours.total["mean_vus_pr"]  # type: ignore[attr-defined]
    assert missed({"tep": worse}) == [], "where there is no VUS-PR, AUC-PR is looked at"


@pytest.mark.parametrize(
    ("ours", "what"),
    [
        (found(5, false=3), ["false events per asset-week", "the same, worst asset"]),
        (found(5, far=6.0), ["time in alarm on normal rows, %"]),
        (found(4), ["segments hit, against plain POT"]),
    ],
)
def test_the_budget_holds_over_both_sets_of_servers(ours: Found, what: list[str]) -> None:
    sets = {name: one(ours, found(5)) for name in ("smd", "asd")}
    for name in sets:
        sets[name] = one(Found(ours.total, {name: ours.series["a"]}), found(5))
        sets[name].manifest[0]["id"] = name  # type: ignore[index]
    assert missed(sets) == [f"smd+asd: {one}" for one in what]


def test_a_miss_is_shown_as_one() -> None:
    lines = [str(clause) for clause in verdict({"skab": one(found(5, F1=0.7), found(5), found(5, FAR=26.0))})]
    assert [line.split()[0] for line in lines].count("MISSED") == 2
    assert any(line.startswith("MISSED skab") and line.endswith("0.7 >= 0.79") for line in lines)
