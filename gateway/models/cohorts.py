"""From the assets of a configuration to what the pipeline watches: cohorts by model and width, alarms, readiness."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gateway.config.assets import AlarmConfig, AssetConfig, RuleConfig
from gateway.models.detector import Detector, Member, Submit, inline
from gateway.models.fallback import Failing, Fallback
from gateway.models.ruled import expanded, scorer
from gateway.sdk.errors import ConfigError
from gateway.sdk.expression import Expression
from gateway.sdk.tags import TagTable
from gateway.stages.alarm import Alarms
from gateway.stages.features import Readiness
from gateway.stages.operating import SECOND, Operating, When
from gateway.stages.rules import RULE
from gateway.stages.score import Abstain, Scorer, Scores
from gateway.stages.sensor import Sensors
from gateway.stages.watch import Cohort, Watch

DEFAULT = "default"
QUICK = 10.0  # s between two rows, at most, for a jump to tell of a sensor: most machines take longer
FEWEST = 3000  # rows of a baseline: what is shorter would follow the faults themselves
VERSION = "2"  # of the built-in detector: another one needs another calibration


@dataclass
class Judged:
    """The watch of the pipeline, and the detectors behind it.

    Attributes:
        watch: what the pipeline needs.
        detectors: one per width, then those that stand beside a user's model.
        periods: seconds between two rows, by asset.
        timed: numbers of the assets that are scored on a period of their own.
        taught: of each detector, the numbers of its assets: i8[n].
    """

    watch: Watch
    detectors: list[Detector]
    periods: list[float]
    timed: list[int] = field(default_factory=list)
    taught: list[NDArray[np.int64]] = field(default_factory=list)


@dataclass(frozen=True)
class Watched:
    """One asset of a user's model: its tags with their units, and seconds between two rows.

    Attributes:
        fallback: whether the built-in detector stands beside the model.
        baseline: rows over which its inputs' drift is followed; 0: it is not, or the detector beside it does.
    """

    name: str
    tags: Sequence[str]
    units: Sequence[str]
    period: float
    fallback: bool = False
    baseline: float = 0.0


Rows = tuple[tuple[int, ...], ...]
Own = Callable[[str, Sequence[Watched]], Failing]
"""Gives the scorer of a user's model, bundles/NAME, for assets of one width."""


class Silent:
    """Stands for a user's model where none can be run."""

    out = True

    def __init__(self, width: int) -> None:
        self._width = width

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:  # noqa: ARG002 - as Scorer
        """No answer; see stages.score.Scorer."""
        return Scores.silent(len(members), self._width, Abstain.MODEL_FAILED)


def _silent(_model: str, assets: Sequence[Watched]) -> Silent:
    return Silent(len(assets[0].tags))


def assemble(assets: Mapping[str, AssetConfig], table: TagTable, submit: Submit = inline, own: Own = _silent) -> Judged:
    """Number the assets in the order of the configuration and put those of one width together.

    Args:
        assets: by name; their tags exist in `table`.
        table: the tags.
        submit: takes the work of fitting a calibration; inline unless given, which keeps a replay deterministic.
        own: gives the scorers of users' models; without it their assets abstain, or fall back.

    Raises:
        ConfigError: when assets of one user's model differ in their number of tags.
    """
    assets, rules = expanded(assets)
    configs = tuple(assets.values())
    rows, periods, timed = _reads(configs, table)
    made = _Cohorts(tuple(assets), configs, rows, periods, submit)
    cohorts = (*made.builtin(), *made.users(own, table), *made.ruled(rules))
    watch = Watch(
        made.names, configs, rows, cohorts, _alarms(configs, periods), _readiness(rows, timed, table),
        _operating(configs, table),
    )  # fmt: skip
    return Judged(watch, made.detectors, periods, timed, made.taught)


class _Cohorts:
    """Puts assets of one model and one width together, and makes the detectors that they need."""

    def __init__(
        self, names: tuple[str, ...], configs: tuple[AssetConfig, ...], rows: Rows, periods: list[float], submit: Submit
    ) -> None:
        self.names, self._configs, self._rows, self._periods, self._submit = names, configs, rows, periods, submit
        self.detectors: list[Detector] = []
        self.taught: list[NDArray[np.int64]] = []

    def builtin(self) -> Iterator[Cohort]:
        """Those of the built-in detector, by width."""
        for members in self._by_width(DEFAULT):
            yield self._cohort(self._teach(members), members, (DEFAULT, VERSION), sensors=True)

    def users(self, own: Own, table: TagTable) -> Iterator[Cohort]:
        """Those of users' models. Raises ConfigError where one's assets differ in their number of tags."""
        for model in sorted({config.model for config in self._configs} - {DEFAULT, RULE}):
            members = [i for i, config in enumerate(self._configs) if config.model == model]
            _one_width(model, [self._rows[i] for i in members])
            watched = [_watched(self.names[i], self._configs[i], table, self._periods[i]) for i in members]
            users = own(model, watched)
            judge: Scorer = users
            if beside := [i for i in members if self._configs[i].fallback == DEFAULT]:
                number = {asset: i for i, asset in enumerate(beside)}
                place = np.array([number.get(asset, -1) for asset in members], np.int64)
                judge = Fallback(users, self._teach(beside), place, (DEFAULT, VERSION))
            yield self._cohort(judge, members, (model, ""), sensors=True)

    def ruled(self, rules: Mapping[str, RuleConfig]) -> Iterator[Cohort]:
        """Those of rules, by width."""
        for members in self._by_width(RULE):
            given = [(rules[self.names[i]], self._periods[i]) for i in members]
            yield self._cohort(scorer(len(self._rows[members[0]]), given), members, (RULE, VERSION), sensors=False)

    def _by_width(self, model: str) -> Iterator[list[int]]:
        mine = [i for i, config in enumerate(self._configs) if config.model == model]
        for width in sorted({len(self._rows[i]) for i in mine}):
            yield [i for i in mine if len(self._rows[i]) == width]

    def _teach(self, members: list[int]) -> Detector:
        told = [member_of(self._configs[i], self._periods[i]) for i in members]
        self.detectors.append(Detector(len(self._rows[members[0]]), told, self._submit))
        self.taught.append(np.array(members, np.int64))
        return self.detectors[-1]

    def _cohort(self, judge: Scorer, members: list[int], model: tuple[str, str], *, sensors: bool) -> Cohort:
        index = np.array([self._rows[i] for i in members], np.int64)
        eyes = _sensors(self._configs, members, self._periods) if sensors else None
        return Cohort(judge, np.array(members, np.int64), index, *model, eyes)


def _reads(configs: Sequence[AssetConfig], table: TagTable) -> tuple[Rows, list[float], list[int]]:
    """For each asset the rows of its tags and the seconds between two rows; numbers of those scored by the clock."""
    rows = tuple(tuple(table.row(tag) for tag in config.tags) for config in configs)
    periods = [_period(config, of, table) for config, of in zip(configs, rows, strict=True)]
    timed = [i for i, config in enumerate(configs) if config.every or _subscribed(rows[i], table)]
    return rows, periods, timed


def moved(judged: Judged, before: TagTable, table: TagTable) -> Watch | None:
    """The watch of `judged` over another table: whoever judges and whatever is known stays, only rows are other ones.

    Args:
        judged: what judges now; its assets are configured as before.
        before: the tags now.
        table: the tags from now on; all those of the assets are among them.

    Returns:
        None where the assets are read in another rhythm, or in other units.
    """
    old = judged.watch
    rows, periods, timed = _reads(old.configs, table)
    if periods != judged.periods or timed != judged.timed or _units(old.rows, before) != _units(rows, table):
        return None
    cohorts = tuple(replace(c, index=np.array([rows[i] for i in c.assets.tolist()], np.int64)) for c in old.cohorts)
    operating = _operating(old.configs, table)
    if operating is not None and old.operating is not None:
        operating.take_over(old.operating)
    return replace(old, rows=rows, cohorts=cohorts, readiness=_readiness(rows, timed, table), operating=operating)


def _units(rows: Sequence[Sequence[int]], table: TagTable) -> list[list[str]]:
    return [[table.units[row] for row in of] for of in rows]


def _readiness(rows: Sequence[tuple[int, ...]], timed: Sequence[int], table: TagTable) -> Readiness:
    clocked = set(timed)
    groups = [[] if i in clocked else sorted({int(table.group[row]) for row in of}) for i, of in enumerate(rows)]
    return Readiness(groups, len(table.groups))


def _operating(configs: Sequence[AssetConfig], table: TagTable) -> Operating | None:
    whens = [_when(config, table) for config in configs]
    return Operating(whens) if any(whens) else None


def _when(config: AssetConfig, table: TagTable) -> When | None:
    if config.when is None:
        return None
    condition = _compiled(config.when)
    return When(condition, tuple(table.row(tag) for tag in condition.names), round(config.settle * SECOND))


@cache
def _compiled(text: str) -> Expression:
    """One for all that say the same: they are looked at once."""
    return Expression(text)


def _watched(name: str, config: AssetConfig, table: TagTable, period: float) -> Watched:
    units = [table.units[table.row(tag)] for tag in config.tags]
    fallback = config.fallback == DEFAULT
    return Watched(name, config.tags, units, period, fallback, 0.0 if fallback else member_of(config, period).baseline)


def _one_width(model: str, rows: list[tuple[int, ...]]) -> None:
    widths = sorted({len(one) for one in rows})
    if len(widths) > 1:
        raise ConfigError(f"assets with model {model} must have equally many tags; they have {widths}")


def _sensors(configs: Sequence[AssetConfig], members: Sequence[int], periods: Sequence[float]) -> Sensors:
    """What judges the tags of a cohort; an asset that wants none has nothing to learn."""
    rows = [configs[i].calibrate if configs[i].sensors else 0 for i in members]
    return Sensors(len(configs[members[0]].tags), rows, [periods[i] <= QUICK for i in members])


def member_of(config: AssetConfig, period: float) -> Member:
    """What the detector is told of an asset with a row each `period` seconds."""
    baseline = max(config.baseline / period, FEWEST) if config.baseline else 0.0
    return Member(config.alarm.budget * period, config.calibrate, config.min_good, baseline)


def _alarms(configs: Sequence[AssetConfig], periods: Sequence[float]) -> Alarms:
    kinds = max((len(config.tags) for config in configs), default=1)
    alarms = [alarm_of(config, period) for config, period in zip(configs, periods, strict=True)]
    return Alarms(alarms, kinds, [config.model == DEFAULT for config in configs])


def alarm_of(config: AssetConfig, period: float) -> AlarmConfig:
    """Its alarm: a score holds until the next row, so that a delay that is shorter than a row is met by one."""
    return config.alarm.model_copy(update={"on_delay": 0.0}) if config.alarm.on_delay < period else config.alarm


def _period(config: AssetConfig, rows: Sequence[int], table: TagTable) -> float:
    """Seconds between two rows: its own period, or that of its slowest scan group."""
    return config.every or max(table.groups[int(table.group[row])].every for row in rows)


def _subscribed(rows: Sequence[int], table: TagTable) -> bool:
    """Whether any tag comes by subscription: then no scan says that the asset is complete, and time does."""
    return any(not table.groups[int(table.group[row])].scanned for row in rows)
