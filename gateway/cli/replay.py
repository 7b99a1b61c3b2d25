"""`fieldgate replay`: recorded readings through the stages, events to stdout, and a page to look at."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.cli import report
from gateway.cli.common import FAILED, OK, add_config, complain, state_folder
from gateway.cli.history import Histories
from gateway.cli.progress import watched
from gateway.config.assets import AssetConfig
from gateway.config.load import Configuration, load
from gateway.deliver.event import Class
from gateway.ingest.registry import Registry
from gateway.models.cohorts import DEFAULT, Own
from gateway.models.manifest import BundleError
from gateway.models.modes import moded, running
from gateway.models.process import WorkerError
from gateway.models.recorder import recorded
from gateway.replay import Recording, RecordingError, Replay
from gateway.sdk.tags import TagTable

LABEL = "label"  # column of a recording that says with 1 where something was wrong

Row = tuple[int, NDArray[np.float64], float]
"""Unix ns, values in table order, label."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "replay",
        help="run a recording through the configuration",
        description="Run a CSV recording (timestamp, then one column per device.tag) through the configuration and "
        "print the alarms and events that it gives, one JSON object a line. A column `label` holds 1 where something "
        "was wrong; the report then has figures.",
    )
    add_config(parser)
    add_recording(parser)
    parser.add_argument("--report", type=Path, help="write a page with tags, score, threshold, alarms, contributions")
    parser.add_argument("--asset", action="append", help="only this asset in the report; may be given several times")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Replay and print."""
    configuration = load(args.config, Registry().models())
    table, assets = TagTable.build(configuration.devices), configuration.root.assets
    rows = given(args, configuration, table, moded(assets))
    try:
        with played(args, configuration) as own:
            replay = Replay(configuration.root.gateway.id, configuration.devices, known(assets, table, rows), own)
            histories = Histories(replay, args.asset) if args.report else None
            through(replay, rows, histories, sys.stdout.buffer)
    except (BundleError, WorkerError) as error:
        complain(str(error))
        return FAILED
    sys.stdout.flush()
    if histories:
        report.write(
            args.report,
            f"Replay of {args.recording.name if args.recording else 'the recording'}",
            histories.of.values(),
        )
    return OK


@contextmanager
def played(args: argparse.Namespace, configuration: Configuration) -> Iterator[Own | None]:
    """What gives the scorers of users' models; None where there are none."""
    root = configuration.root
    if all(asset.model == DEFAULT for asset in root.assets.values()):
        yield None
        return
    from gateway.models.played import Players  # noqa: PLC0415 - what a replay without models need not pay

    with Players(root.models, configuration.files[0].parent, state_folder(args.state, root.gateway.state)) as players:
        yield players.scorer


def add_recording(parser: argparse.ArgumentParser) -> None:
    """What is read: a file, or the gateway's own recording."""
    parser.add_argument(
        "recording", type=Path, nargs="?", help="CSV file, may be gzipped; without one, the gateway's own recording"
    )
    parser.add_argument("--state", type=Path, help="state folder of the gateway")


def given(
    args: argparse.Namespace, configuration: Configuration, table: TagTable, assets: Mapping[str, AssetConfig]
) -> list[Row]:
    """The rows that the command line means. Raises RecordingError or RecordingMissingError."""
    if args.recording:
        return read(Recording(args.recording), table)
    folder = state_folder(args.state, configuration.root.gateway.state) / "recording"
    rows: list[Row] = []
    for name, asset in assets.items():
        index = [table.row(tag) for tag in asset.tags]
        for time, x in zip(*recorded(folder, name, asset.tags), strict=True):
            values = np.full(len(table), np.nan)
            values[index] = x
            rows.append((int(time), values, float("nan")))
    return rows


def known(assets: Mapping[str, AssetConfig], table: TagTable, rows: Sequence[Row]) -> dict[str, AssetConfig]:
    """`assets` without the conditions that `rows` say nothing of: what the gateway records is what it has judged."""
    values = np.array([row for _, row, _ in rows]).reshape(len(rows), len(table))
    return {
        name: asset if running(asset, table, values) is not None else asset.model_copy(update={"when": None})
        for name, asset in assets.items()
    }


def read(recording: Recording, table: TagTable) -> list[Row]:
    """All rows, in the order of the table. Raises RecordingError when no column is a tag of it."""
    columns = recording.columns
    place = {name: i for i, name in enumerate(columns)}
    missing = [name for name in table.names if name not in place]
    if len(missing) == len(table):
        raise RecordingError(f"{recording.path}: no column is a tag of the configuration (for instance {missing[0]})")
    index = np.array([place.get(name, len(columns)) for name in table.names])
    label = place.get(LABEL, len(columns))
    found = []
    for time, _, values in watched(recording.rows(), "reading"):
        row = np.array([*values, np.nan])
        found.append((time, row[index], float(row[label])))
    return found


def through(replay: Replay, rows: list[Row], histories: Histories | None = None, out: BinaryIO | None = None) -> None:
    """Replay `rows`; take down what there is to see, and write the messages, one JSON object a line."""
    for time, values, label in watched(rows, "replaying"):
        replay.row(time, values)
        if histories:
            histories.note(time, label)
        for message in replay.out.take():
            if out:
                out.write(message.body + b"\n")
            if histories and message.cls is not Class.TELEMETRY:
                histories.tell(message, orjson.loads(message.body))
