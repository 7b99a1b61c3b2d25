"""From the assets of a configuration to what the pipeline watches: cohorts by model and width, alarms, readiness."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gateway.config.schema import AssetConfig
from gateway.models.detector import Detector, Member, Submit, inline
from gateway.sdk.tags import TagTable
from gateway.stages.alarm import Alarms
from gateway.stages.features import Readiness
from gateway.stages.watch import Cohort, Watch

VERSION = "1"  # of the built-in detector: another one needs another calibration


@dataclass
class Judged:
    """The watch of the pipeline, and the detectors behind it.

    Attributes:
        watch: what the pipeline needs.
        detectors: one per width, in the order of the cohorts.
        periods: seconds between two rows, by asset.
        timed: numbers of the assets that are scored on a period of their own.
    """

    watch: Watch
    detectors: list[Detector]
    periods: list[float]
    timed: list[int] = field(default_factory=list)


def assemble(assets: Mapping[str, AssetConfig], table: TagTable, submit: Submit = inline) -> Judged:
    """Number the assets in the order of the configuration and put those of one width together.

    Args:
        assets: by name; their tags exist in `table`.
        table: the tags.
        submit: takes the work of fitting a calibration; inline unless given, which keeps a replay deterministic.
    """
    names, configs = tuple(assets), tuple(assets.values())
    rows = tuple(tuple(table.row(tag) for tag in config.tags) for config in configs)
    periods = [_period(config, asset_rows, table) for config, asset_rows in zip(configs, rows, strict=True)]
    timed = [i for i, config in enumerate(configs) if config.every or _subscribed(rows[i], table)]
    groups = [[] if i in set(timed) else sorted({int(table.group[row]) for row in rows[i]}) for i in range(len(names))]
    cohorts, detectors = [], []
    for width in sorted({len(asset_rows) for asset_rows in rows}):
        members = [i for i in range(len(names)) if len(rows[i]) == width]
        detector = Detector(width, [_member(configs[i], periods[i]) for i in members], submit)
        index = np.array([rows[i] for i in members], np.int64)
        cohorts.append(Cohort(detector, np.array(members, np.int64), index, "default", VERSION))
        detectors.append(detector)
    watch = Watch(
        names, configs, rows, tuple(cohorts), Alarms([config.alarm for config in configs]),
        Readiness(groups, len(table.groups)),
    )  # fmt: skip
    return Judged(watch, detectors, periods, timed)


def _member(config: AssetConfig, period: float) -> Member:
    return Member(config.alarm.budget * period, config.calibrate, config.min_good)


def _period(config: AssetConfig, rows: Sequence[int], table: TagTable) -> float:
    """Seconds between two rows: its own period, or that of its slowest scan group."""
    return config.every or max(table.groups[int(table.group[row])].every for row in rows)


def _subscribed(rows: Sequence[int], table: TagTable) -> bool:
    """Whether any tag comes by subscription: then no scan says that the asset is complete, and time does."""
    return any(not table.devices[int(table.device[row])].config.scanned for row in rows)
