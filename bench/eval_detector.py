"""Streams a labelled set through the default detector and the alarm stage, row by row, and scores what they say.

python bench/eval_detector.py --root DIR --set skab [--series valve1_0,other_2] [--rows N] [--out DIR]

Labels are never read here: `score.py` of the data folder does that afterwards. Rows of a training file, where a series
has one, or its first `calib_rows` rows, calibrate; then everything is scored with the default configuration.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gateway.config.assets import AssetConfig
from gateway.models.cohorts import QUICK, alarm_of, member_of
from gateway.models.detector import Detector
from gateway.stages.alarm import SECOND, Alarms
from gateway.stages.sensor import Sensors

MEMBER = np.zeros(1, np.int64)


class Asset:
    """One asset: its detector, its alarm, and its clock."""

    def __init__(self, width: int, calibrate: int, period: float, factor: float = 1.0) -> None:
        config = AssetConfig(tags=[f"series.t{i}" for i in range(width)], calibrate=max(calibrate, 50))
        self.detector = Detector(width, [member_of(config, period)])
        self.sensors = Sensors(width, [calibrate], [period <= QUICK])
        self.alarms = Alarms([alarm_of(config, period)], width, [True])
        self._factor = factor
        self._step, self._now = round(period * SECOND), SECOND

    def row(self, x: NDArray[np.float64]) -> tuple[float, int]:
        """The score of one row (NaN while calibrating) and whether the alarm is active."""
        faulty, _ = self.sensors.step(MEMBER, x[None])
        scores = self.detector.score(MEMBER, x[None] if faulty is None else np.where(faulty, np.nan, x))
        self._now += self._step
        threshold = self._factor * scores.threshold
        self.alarms.step(MEMBER, scores.score, threshold, np.array([self._now]), scores.lead)
        self.detector.poll()
        return float(scores.score[0]), int(self.alarms.active[0])


def stream(
    root: Path, name: str, series: dict[str, Any], rows: int | None, factor: float = 1.0
) -> Iterator[tuple[Any, float, int]]:
    """(timestamp, score, alarm) of every row of a series; thresholds are multiplied by `factor`."""
    data = pd.read_csv(root / name / "data" / f"{series['id']}.csv.gz", nrows=rows)
    values = data.iloc[:, 1:].to_numpy(float)
    train = training(root / name, series)
    asset = Asset(values.shape[1], len(train) or series["calib_rows"], series["period_s"], factor)
    for x in train:
        asset.row(x)
    for timestamp, x in zip(data.timestamp, values, strict=True):
        yield timestamp, *asset.row(x)


def training(folder: Path, series: dict[str, Any]) -> NDArray[np.float64]:
    """Rows of the separate training file of a series; none where it has no such file."""
    if series["train_rows"]:
        path = folder / "data" / f"{series['id']}.train.csv.gz"
    elif "train_file" in series:
        path = folder / series["train_file"]
    else:
        return np.empty((0, series["tags"]))
    rows: NDArray[np.float64] = pd.read_csv(path).iloc[:, 1:].to_numpy(float)
    return rows


def evaluate(root: Path, name: str, chosen: set[str], rows: int | None, out: Path) -> None:
    """Write one csv per series into `out`, and say what it took."""
    manifest = json.loads((root / "manifest.json").read_text())[name]
    count, start = 0, time.perf_counter()
    for series in manifest:
        if chosen and series["id"] not in chosen:
            continue
        frame = pd.DataFrame(stream(root, name, series, rows), columns=["timestamp", "score", "alarm"])
        frame.to_csv(out / f"{series['id']}.csv", index=False)
        count += len(frame)
    each = (time.perf_counter() - start) / max(count, 1)
    print(f"{name}: {count} rows, {each * 1e6:.0f} us a row, calibration included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--set", required=True)
    parser.add_argument("--series", default="", help="comma-separated ids; all unless given")
    parser.add_argument("--rows", type=int, help="only the first rows of each series: for the prefix check")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = args.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        evaluate(args.root, args.set, {s for s in args.series.split(",") if s}, args.rows, out)
        score = [sys.executable, str(args.root / "score.py"), "--root", str(args.root), "--set", args.set]
        subprocess.run([*score, "--pred", str(out), "--json"], check=True)


if __name__ == "__main__":
    main()
