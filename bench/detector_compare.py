"""The default detector beside the plain one, on the same recordings in one run.

    ./dev bench detector_compare --root DIR [--set skab,smd,asd,tep]

Plain is what the detector is made of, without what it learnt since: three scales, shrinkage Mahalanobis, five folds, a
threshold by peaks over threshold for one event a week, an alarm wherever the score is above it. `score.py` of the data
judges both. On SKAB a line is added with one factor on the threshold, chosen on valve1 alone. At the end stands what
is asked of the detector, clause by clause (`detector_judge.py`): one that is missed fails the run.
"""

import argparse
import io
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from eval_detector import stream, training
from numpy.typing import NDArray

from bench.detector_judge import Found, Set, verdict
from gateway.models.calibration import SPANS, ewma, ledoit_wolf
from gateway.models.threshold import return_level

F8 = NDArray[np.float64]
WEEK = 604800.0
FACTORS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
KEPT = ("F1", "FAR", "MAR", "events_hit", "false_events_per_asset_week", "mean_vus_pr", "mean_auc_pr", "mean_best_f1")


def plain(train: F8, rows: F8, period: float) -> tuple[F8, NDArray[np.bool_]]:
    """Scores and alarms of the plain detector."""
    m, s = train.mean(axis=0), train.std(axis=0)
    s = np.where(s > 1e-6, s, np.maximum(0.05 * np.abs(m), 0.01))
    z, new = (np.clip((x - m) / s, -50, 50) for x in (train, rows))
    scales = [_scale(z, new, span) for span in SPANS]
    seen, scores = (np.mean([scale[i] for scale in scales], axis=0) for i in (0, 1))
    return scores, scores > return_level(seen, period / WEEK)


def _scale(z: F8, new: F8, span: int) -> tuple[F8, F8]:
    """Out-of-fold scores of the training rows, and scores of the new ones, at one scale."""
    alpha, n = 2 / (span + 1), len(z)
    smooth = ewma(z, alpha, z[: max(1, min(span, n // 10))].mean(axis=0))
    warm = min(n // 5, span)
    rows = smooth[warm:]
    cuts = np.linspace(0, len(rows), 6).astype(int)
    unseen = np.concatenate([
        _distance(rows[a:b], *_normal(np.concatenate([rows[:a], rows[b:]]))) for a, b in itertools.pairwise(cuts)
    ])  # fmt: skip
    unit = float(np.quantile(unseen, 0.99))
    padded = np.concatenate([np.full(warm, np.median(unseen)), unseen]) / unit
    return padded, _distance(ewma(new, alpha, np.zeros(z.shape[1])), *_normal(rows)) / unit


def _normal(rows: F8) -> tuple[F8, F8]:
    mu = rows.mean(axis=0)
    covariance = ledoit_wolf(rows - mu)
    d = len(mu)
    return mu, np.linalg.inv(covariance + np.eye(d) * (1e-3 * np.trace(covariance) / d + 1e-4))


def _distance(rows: F8, mu: F8, precision: F8) -> F8:
    d = rows - mu
    squared: F8 = ((d @ precision) * d).sum(axis=1) / rows.shape[1]
    return np.sqrt(squared)


def plain_frame(root: Path, name: str, series: dict[str, Any]) -> pd.DataFrame:
    data = pd.read_csv(root / name / "data" / f"{series['id']}.csv.gz")
    rows = data.iloc[:, 1:].to_numpy(float)
    train = training(root / name, series)
    scores, alarms = plain(train if len(train) else rows[: series["calib_rows"]], rows, series["period_s"])
    return pd.DataFrame({"timestamp": data.timestamp, "score": scores, "alarm": alarms.astype(int)})


def our_frame(root: Path, name: str, series: dict[str, Any], factor: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame(stream(root, name, series, None, factor), columns=["timestamp", "score", "alarm"])


def judged(root: Path, name: str, frames: Iterable[tuple[str, pd.DataFrame]]) -> Found:
    """What score.py says."""
    with tempfile.TemporaryDirectory() as folder:
        for series, frame in frames:
            frame.to_csv(Path(folder) / f"{series}.csv", index=False)
        where = ["--root", str(root), "--set", name, "--pred", folder]
        command = [sys.executable, str(root / "score.py"), *where, "--json", "--per-series"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line, _, table = said.partition("\n")
    each = pd.read_csv(io.StringIO(table), sep=r"\s+", index_col="id").to_dict("index")
    return Found(json.loads(line), {str(series): figures for series, figures in each.items()})


def show(name: str, who: str, found: Found) -> None:
    print(f"{name:5} {who:18}", " ".join(f"{key}={found.total[key]}" for key in KEPT if key in found.total), flush=True)


def factor_on(root: Path, valve1: list[dict[str, Any]]) -> float:
    """The smallest factor that keeps to a false alarm rate of 25 % on valve1."""
    for factor in FACTORS:
        f1, far = f1_far(root, [(s["id"], our_frame(root, "skab", s, factor)) for s in valve1])
        print(f"skab  valve1 x {factor}: F1={f1:.3f} FAR={far:.1f}", flush=True)
        if far <= 25:
            return factor
    return FACTORS[-1]


def f1_far(root: Path, frames: list[tuple[str, pd.DataFrame]]) -> tuple[float, float]:
    hit = false = missed = quiet = 0
    for series, frame in frames:
        labels = pd.read_csv(root / "skab" / "labels" / f"{series}.csv.gz").label.to_numpy()[400:] == 1
        alarm = frame.alarm.to_numpy()[400:] == 1
        hit, false = hit + int((alarm & labels).sum()), false + int((alarm & ~labels).sum())
        missed, quiet = missed + int((~alarm & labels).sum()), quiet + int((~alarm & ~labels).sum())
    return 2 * hit / (2 * hit + false + missed), 100 * false / (false + quiet)


def compare(root: Path, name: str, manifest: list[dict[str, Any]]) -> Set:
    """Both detectors on one set."""
    makers: dict[str, Callable[[Path, str, dict[str, Any]], pd.DataFrame]] = {"plain": plain_frame, "ours": our_frame}
    found = {}
    for who, make in makers.items():
        found[who] = judged(root, name, ((s["id"], make(root, name, s)) for s in manifest))
        show(name, who, found[who])
    if name != "skab":
        print("\n".join(f"      {series:18} {figures}" for series, figures in found["ours"].series.items()), flush=True)
        return Set(manifest, found["plain"], found["ours"])
    factor = factor_on(root, [s for s in manifest if s["id"].startswith("valve1")])
    tuned = judged(root, name, ((s["id"], our_frame(root, name, s, factor)) for s in manifest))
    show(name, f"ours x {factor}", tuned)
    return Set(manifest, found["plain"], found["ours"], tuned)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--set", default="skab,smd,asd,tep")
    args = parser.parse_args()
    root = args.root / "data" if (args.root / "data" / "manifest.json").is_file() else args.root
    manifest = json.loads((root / "manifest.json").read_text())
    clauses = list(verdict({name: compare(root, name, manifest[name]) for name in args.set.split(",")}))
    print("\n".join(map(str, clauses)), flush=True)
    return 0 if all(clause.kept for clause in clauses) else 1


if __name__ == "__main__":
    sys.exit(main())
