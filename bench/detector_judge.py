"""The judge of bench/detector_compare.py: what is asked of the default detector, clause by clause. Pure.

A clause holds for one set of recordings, or for SMD and ASD together: the figure of the default detector, what it is
held against, and whether it is kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WEEK = 604800.0
TOGETHER = ("smd", "asd")  # the sets that are long enough for a weekly budget


@dataclass(frozen=True)
class Found:
    """What score.py says of one detector on one set.

    Attributes:
        total: the figures of the whole set.
        series: those of each series, by its id.
    """

    total: Mapping[str, Any]
    series: Mapping[str, Mapping[str, Any]]

    @property
    def hits(self) -> int:
        """Labelled segments in which an event began."""
        return int(str(self.total["events_hit"]).partition("/")[0])


@dataclass(frozen=True)
class Clause:
    """One line of the verdict."""

    where: str
    what: str
    figure: float
    limit: float
    least: bool  # whether the limit is the least that is allowed, or the most

    @property
    def kept(self) -> bool:
        """Whether the figure keeps to the limit."""
        return self.figure >= self.limit if self.least else self.figure <= self.limit

    def __str__(self) -> str:
        word, sign = "kept  " if self.kept else "MISSED", ">=" if self.least else "<="
        return f"{word} {self.where:8} {self.what:36} {self.figure:8.4g} {sign} {self.limit:.4g}"


@dataclass(frozen=True)
class Set:
    """One set: its series as the manifest has them, the plain detector, the default one, and on SKAB a tuned one."""

    manifest: Sequence[Mapping[str, Any]]
    plain: Found
    ours: Found
    tuned: Found | None = None  # one factor on the threshold, chosen on valve1

    @property
    def weeks(self) -> dict[str, float]:
        """Asset-weeks of each series."""
        return {str(one["id"]): one["rows"] * one["period_s"] / WEEK for one in self.manifest}

    @property
    def normal(self) -> dict[str, float]:
        """Normal rows of each series."""
        return {str(one["id"]): float(one["rows"] - one["anomalous"]) for one in self.manifest}


def verdict(sets: Mapping[str, Set]) -> Iterator[Clause]:
    """All clauses that these sets can be held to."""
    for name, one in sets.items():
        yield from _ranking(name, one)
    if "skab" in sets:
        yield from _skab(sets["skab"])
    if all(name in sets for name in TOGETHER):
        yield from _budget([sets[name] for name in TOGETHER])


def _ranking(name: str, one: Set) -> Iterator[Clause]:
    """The score alone, without a threshold: at least as good as the prototype's on the same rows."""
    ours, plain = one.ours.total, one.plain.total
    if "mean_vus_pr" in ours:
        yield Clause(name, "VUS-PR, against plain", ours["mean_vus_pr"], plain["mean_vus_pr"], least=True)
    else:  # score.py has no VUS-PR for TEP, where half of each series is one fault
        yield Clause(name, "AUC-PR, against plain", ours["mean_auc_pr"], plain["mean_auc_pr"], least=True)
    if name == "tep":
        yield Clause(name, "F1 at the best threshold (oracle)", ours["mean_best_f1"], 0.95, least=True)


def _skab(one: Set) -> Iterator[Clause]:
    ours = one.ours.total
    if one.tuned is not None:
        yield Clause("skab", "F1, factor chosen on valve1", one.tuned.total["F1"], 0.80, least=True)
        yield Clause("skab", "FAR %, factor chosen on valve1", one.tuned.total["FAR"], 25.0, least=False)
    yield Clause("skab", "F1, no label read", ours["F1"], 0.79, least=True)
    yield Clause("skab", "FAR %, no label read", ours["FAR"], 30.0, least=False)
    yield Clause("skab", "AUC-PR", ours["mean_auc_pr"], 0.875, least=True)


def _budget(sets: Sequence[Set]) -> Iterator[Clause]:
    """False events and time in alarm over all assets of `sets`."""
    weeks = {asset: week for one in sets for asset, week in one.weeks.items()}
    normal = {asset: rows for one in sets for asset, rows in one.normal.items()}
    series = {asset: found for one in sets for asset, found in one.ours.series.items()}
    false = {asset: float(found["false_events"]) for asset, found in series.items()}
    quiet = sum(found["far"] * normal[asset] for asset, found in series.items()) / sum(normal.values())
    worst = max(count / weeks[asset] for asset, count in false.items())
    where = "+".join(TOGETHER)
    yield Clause(where, "false events per asset-week", sum(false.values()) / sum(weeks.values()), 1.0, least=False)
    yield Clause(where, "the same, worst asset", worst, 2.0, least=False)
    yield Clause(where, "time in alarm on normal rows, %", quiet, 5.0, least=False)
    hits, plain = sum(one.ours.hits for one in sets), sum(one.plain.hits for one in sets)
    yield Clause(where, "segments hit, against plain POT", hits, plain, least=True)
