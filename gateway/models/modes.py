"""Modes of operation: each is an asset of its own, ASSET-MODE, judged while its condition holds."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.config.assets import AssetConfig, ModeConfig
from gateway.sdk.expression import Expression
from gateway.sdk.tags import TagTable


def moded(assets: Mapping[str, AssetConfig]) -> dict[str, AssetConfig]:
    """`assets`, with one for each mode in place of those that have some; rules are not looked at."""
    found = dict[str, AssetConfig]()
    for name, asset in assets.items():
        found |= {f"{name}-{mode}": _mode(asset, config) for mode, config in asset.modes.items()} or {name: asset}
    return found


def _mode(asset: AssetConfig, mode: ModeConfig) -> AssetConfig:
    return asset.model_copy(update={"when": mode.when, "settle": mode.settle, "modes": {}, "rules": {}})


def running(asset: AssetConfig, table: TagTable, rows: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """In which of `rows` (f8[M, N], NaN where not good) the condition of `asset` holds.

    All where it has none; None where it is never known, as in a recording of the asset's own tags alone.
    """
    if asset.when is None:
        return np.ones(len(rows), np.bool_)
    condition = Expression(asset.when)
    values = rows[:, [table.row(tag) for tag in condition.names]]
    found = [condition([float(one) if np.isfinite(one) else None for one in row]) for row in values]
    if all(one is None for one in found):
        return None
    return np.array([bool(one) for one in found])
