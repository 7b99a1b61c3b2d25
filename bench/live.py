"""`./dev eval --live`: a recording played by OPC UA and Modbus to a daemon of its own, alarms taken from the broker."""

import csv
import gzip
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.cli.asking import fetch
from gateway.cli.children import daemon, listening, simulator, write_configuration
from gateway.cli.subscriber import Subscriber

ASSET = "recording"


def live(root: Path, name: str, series: list[dict[str, Any]], pace: str, limit: int | None = None) -> int:
    """Play every series; 0 when each raised an alarm inside its labelled stretch and every row is accounted for."""
    print(
        f"{'series':12} {'rows':>6} {'read':>6} {'scored':>6} {'abstained':>9}  "
        f"{'alarms (row)':26} {'labelled':11} verdict"
    )
    verdicts = [_series(root / name, entry, pace, limit) for entry in series]
    return 0 if all(verdicts) else 1


def _series(folder: Path, entry: dict[str, Any], pace: str, limit: int | None) -> bool:
    with tempfile.TemporaryDirectory(prefix="fieldgate-eval-") as scratch:
        rows, counters, alarms = _play(Path(scratch), folder / "data" / f"{entry['id']}.csv.gz", entry, pace, limit)
    labels = _labels(folder / "labels" / f"{entry['id']}.csv.gz")
    scored = counters["rows_scored_total"]
    abstained = sum(count for name, count in counters.items() if name.startswith("rows_abstained_"))
    read = counters["rows_evaluated_total"]
    labels = labels[:rows]
    first, last = labels.index(True), len(labels) - 1 - labels[::-1].index(True)
    inside = [row for row in alarms if first <= row <= last]
    accounted = read == scored + abstained == rows
    good = bool(inside) and accounted
    why = "ok" if good else "NOT ACCOUNTED FOR" if inside else "NO ALARM INSIDE"
    print(f"{entry['id']:12} {rows:6} {read:6} {scored:6} {abstained:9}  {alarms!s:26} {first:5}-{last:<5} {why}")
    return good


def _play(
    scratch: Path, recording: Path, entry: dict[str, Any], pace: str, limit: int | None
) -> tuple[int, dict[str, int], list[int]]:
    """Rows played, the daemon's own counters, and the rows at which alarms went active."""
    log = scratch / "rows.csv"
    broker, ports = simulator("broker", log=scratch / "broker.log")
    options = ["--csv", str(recording), "--pace", "reads", "--log", str(log)]
    options += ["--limit", str(limit)] if limit else []
    player, ready = simulator("player", *options, log=scratch / "player.log")
    subscriber = Subscriber(ports["mqtt5"], "fieldgate/eval/alarm/#")
    state = scratch / "state"
    state.mkdir()
    config = _configuration(scratch, ready, entry, ports["mqtt5"], pace)
    gateway = daemon(config, state, scratch / "gateway.log")
    try:
        address = listening(gateway, state)
        done = player.line(within=600.0)
        counters = _settled(address)
        events = [message for _, message in subscriber.take(within=2.0)]
    finally:
        subscriber.stop()
        for child in (gateway, player, broker):
            child.stop()
    return int(done["rows"]), counters, _rows_of(events, log)


def _settled(address: str) -> dict[str, int]:
    """The counters, once they stand still."""
    counters: dict[str, int] = {}
    for _ in range(20):
        now = fetch(address)["pipeline"]
        if now.get("rows_evaluated_total") == counters.get("rows_evaluated_total"):
            return dict(now)
        counters = now
        time.sleep(0.3)
    return counters


def _configuration(folder: Path, ready: dict[str, Any], entry: dict[str, Any], port: int, pace: str) -> Path:
    """One asset of all tags. Played faster than life: delays are off, since they are times and not rows."""
    asset = {
        "tags": ready["assets"][ASSET],
        "calibrate": int(entry["calib_rows"]),
        "alarm": {"on_delay": "0s", "off_delay": "0s"},
    }
    root = {
        "gateway": {"id": "eval"},
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}"},
        "telemetry": "off",
        "pipeline": {"tick": "1ms"},
        "assets": {ASSET: asset},
    }
    devices = [
        {**device, "every": pace, **({"mode": "read"} if device["adapter"] == "opcua" else {})}
        for device in ready["devices"]
    ]
    return write_configuration(folder, root, devices)


def _rows_of(events: list[dict[str, Any]], log: Path) -> list[int]:
    """The row that was on show when each alarm went active, by the player's own log."""
    served = [(int(row), int(at)) for row, at in csv.reader(log.open())]
    rows = []
    for event in events:
        if event["state"].startswith("active"):
            at = _unix_ns(event["time"])
            rows.append(max((row for row, when in served if when <= at), default=0))
    return rows


def _unix_ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6) * 1000


def _labels(path: Path) -> list[bool]:
    with gzip.open(path, "rt") as text:
        return [float(line["label"]) == 1 for line in csv.DictReader(text)]


if __name__ == "__main__":
    sys.exit("run it as ./dev eval --live")
