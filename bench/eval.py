"""Detection on recorded data, through the stages or through sockets.

    ./dev eval --root DIR --set skab [--series valve1_0,other_5] [--out DIR] [--limit ROWS]
    ./dev eval --live --root DIR --set skab --series valve1_0

Streams a labelled set row by row (no row sees what comes after it), writes SERIES.csv (timestamp, score, alarm) and
prints the table of DIR/score.py. `--live` plays the recordings by OPC UA and Modbus to a daemon and takes the alarms
from the broker.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from live import live

from gateway.config.assets import AssetConfig
from gateway.replay import Recording, Replay
from gateway.sdk.config import DeviceConfig, TagConfig
from gateway.stages.alarm import ACTIVE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of the sets: ROOT or ROOT/data")
    parser.add_argument("--set", dest="name", required=True, help="skab, smd, asd, tep or nab")
    parser.add_argument("--series", help="only these, separated by commas")
    parser.add_argument("--out", type=Path, help="where the prediction files go (default: a temporary folder)")
    parser.add_argument("--limit", type=int, help="only the first rows of each series (for the prefix check)")
    parser.add_argument("--live", action="store_true", help="through sockets: player, daemon, broker")
    parser.add_argument("--pace", default="80ms", help="period of the scans with --live (default: %(default)s)")
    args = parser.parse_args()
    root = args.root / "data" if (args.root / "data" / "manifest.json").is_file() else args.root
    series = chosen(root, args.name, args.series)
    if args.live:
        return int(live(root, args.name, series, args.pace, args.limit))
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        started, rows = time.process_time(), 0
        for entry in series:
            rows += stream(root / args.name, entry, out, args.limit)
        spent = time.process_time() - started
        print(f"{len(series)} series, {rows} rows, {1e6 * spent / max(rows, 1):.0f} us of CPU per row", file=sys.stderr)
        return score(root, args.name, out)


def chosen(root: Path, name: str, series: str | None) -> list[dict[str, Any]]:
    """Entries of the manifest that are wanted."""
    manifest: list[dict[str, Any]] = json.loads((root / "manifest.json").read_text())[name]
    wanted = set(series.split(",")) if series else {entry["id"] for entry in manifest}
    unknown = wanted - {entry["id"] for entry in manifest}
    if unknown:
        sys.exit(f"no series {', '.join(sorted(unknown))} in {name}")
    return [entry for entry in manifest if entry["id"] in wanted]


def training(folder: Path, entry: dict[str, Any]) -> Path | None:
    """The recording of normal running that belongs to a series, where there is a separate one."""
    if entry.get("train_file"):
        return folder / str(entry["train_file"])
    path = folder / "data" / f"{entry['id']}.train.csv.gz"
    return path if path.is_file() else None


def stream(folder: Path, entry: dict[str, Any], out: Path, limit: int | None) -> int:
    """One series through a fresh gateway; its predictions go to OUT/ID.csv. Gives the number of rows."""
    recording = Recording(folder / "data" / f"{entry['id']}.csv.gz")
    train = training(folder, entry)
    learn = [values for _, _, values in Recording(train).rows()] if train else []
    period = float(entry["period_s"])
    replay = Replay("eval", *configuration(recording.columns, len(learn) or int(entry["calib_rows"]), period))
    first = next(recording.rows())[0]
    for number, values in enumerate(learn):
        replay.row(first - int((len(learn) - number) * period * 1e9), np.array(values))
    alarms, count = replay.judged.watch.alarms, 0
    with (out / f"{entry['id']}.csv").open("w") as file:
        file.write("timestamp,score,alarm\n")
        for moment, stamp, values in recording.rows():
            if count == limit:
                break
            count += 1
            replay.row(moment, np.array(values))
            if not np.isnan(replay.score):
                file.write(f"{stamp},{replay.score:.9g},{int(alarms.state[0] in ACTIVE)}\n")
    return count + len(learn)


def configuration(
    columns: list[str], calibrate: int, period: float
) -> tuple[list[DeviceConfig], dict[str, AssetConfig]]:
    """What a person would write for this machine: its tags, one asset, everything else as it comes."""
    tags = {f"t{i}": TagConfig(description=column) for i, column in enumerate(columns)}
    device = DeviceConfig(device="series", adapter="replay", every=period, tags=tags)
    names = [f"series.{tag}" for tag in tags]
    return [device], {"machine": AssetConfig(tags=names, calibrate=calibrate)}


def score(root: Path, name: str, out: Path) -> int:
    """The table of score.py."""
    return subprocess.run(
        [sys.executable, root / "score.py", "--root", root, "--set", name, "--pred", out], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
