"""What is judged: assets, the cohorts that score them, and their alarms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.config.assets import AssetConfig
from gateway.stages.alarm import Alarms
from gateway.stages.features import Readiness
from gateway.stages.operating import Operating
from gateway.stages.score import Scorer
from gateway.stages.sensor import Sensors


@dataclass(frozen=True, slots=True)
class Cohort:
    """The assets of one model and one width: n of them, D tags each, scored in one call.

    Attributes:
        scorer: what scores them.
        assets: i8[n], number of each member among all assets.
        index: i8[n, D], rows of each member's tags.
        model: name of the model, as events carry it.
        version: its version.
        sensors: what judges the tags before the model sees them; None: nothing does.
    """

    scorer: Scorer
    assets: NDArray[np.int64]
    index: NDArray[np.int64]
    model: str
    version: str
    sensors: Sensors | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """All assets, in the order of the configuration; cohorts partition them."""

    names: tuple[str, ...]
    configs: tuple[AssetConfig, ...]
    rows: tuple[tuple[int, ...], ...]  # rows of each asset's tags
    cohorts: tuple[Cohort, ...]
    alarms: Alarms
    readiness: Readiness
    operating: Operating | None = None  # where any asset has a condition

    def prompt(self, device: NDArray[np.int64]) -> frozenset[int]:
        """Devices of which an alarm without delay watches a tag, by the device of each row: they must not wait."""
        return frozenset(
            int(device[row])
            for config, rows in zip(self.configs, self.rows, strict=True)
            if not config.alarm.on_delay
            for row in rows
        )

    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each asset, the number of its cohort and its place in it."""
        cohort_of = np.zeros(len(self.names), np.int64)
        place = np.zeros(len(self.names), np.int64)
        for number, cohort in enumerate(self.cohorts):
            cohort_of[cohort.assets] = number
            place[cohort.assets] = np.arange(len(cohort.assets))
        return cohort_of, place
