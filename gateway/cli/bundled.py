"""`fieldgate fit --bundle`: a fitted detector as the folder that `fieldgate model pack` signs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.cli.common import FAILED, OK, complain
from gateway.cli.replay import Row
from gateway.models import portable
from gateway.models.bundle import MANIFEST, MODEL
from gateway.models.calibration import SPANS, Calibration
from gateway.models.threshold import threshold
from gateway.replay import Replay


def bundle(folder: Path, fitted: Replay, rows: Sequence[Row]) -> int:
    """Write the one asset of `fitted`, which has learnt from `rows`, into `folder`; the exit code."""
    judged = fitted.judged
    if len(judged.watch.names) != 1 or len(judged.detectors) != 1:
        complain(f"a bundle is of one asset without rules, name it with --asset: {', '.join(judged.watch.names)}")
        return FAILED
    content = judged.detectors[0].calibration(0)
    assert content is not None  # noqa: S101 - it has just been fitted
    calibration, name = Calibration.deserialise(content), judged.watch.names[0]
    x = np.array([values for _, values, _ in rows])[:, list(judged.watch.rows[0])]
    if lacks := _lacks(fitted, x, calibration):
        complain(f"{name}: no bundle can be made of this recording: {lacks}")
        return FAILED
    _write(folder, fitted, x, calibration)
    learnt = len(calibration.scores)
    print(f"{folder}: {name} 1.0, calibrated from {learnt} rows; `fieldgate model pack {folder} --key KEY` signs it")
    return OK


def _lacks(fitted: Replay, x: NDArray[np.float64], calibration: Calibration) -> str:
    """What keeps a model from being made; empty where nothing does."""
    tags = fitted.judged.watch.configs[0].tags
    unknown = [tag for tag, s in zip(tags, calibration.s, strict=True) if not np.isfinite(s)]
    if unknown:
        return f"{unknown[0]} was hardly ever good"
    return "" if len(x) >= portable.ROWS else f"it has {len(x)} rows, {portable.ROWS} are needed"


def _write(folder: Path, fitted: Replay, x: NDArray[np.float64], calibration: Calibration) -> None:
    watch, period, table = fitted.judged.watch, fitted.judged.periods[0], fitted.table
    limit = threshold(calibration.scores, watch.configs[0].alarm.budget * period, max(SPANS))
    tags = [(table.names[row].rpartition(".")[2], table.units[row]) for row in watch.rows[0]]
    manifest = portable.manifest(watch.names[0], tags, x, calibration, limit, period)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(portable.model(calibration))
    (folder / MANIFEST).write_bytes(manifest.encode())
