"""`fieldgate replay`: recorded readings through the stages, events to stdout."""

import argparse
import sys
from pathlib import Path

import numpy as np

from gateway.cli.common import OK, add_config
from gateway.config.load import load
from gateway.ingest.registry import Registry
from gateway.replay import Recording, RecordingError, Replay


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "replay",
        help="run a recording through the configuration",
        description="Run a CSV recording (timestamp, then one column per device.tag) through the configuration and "
        "print the alarms that it gives, one JSON object a line.",
    )
    add_config(parser)
    parser.add_argument("recording", type=Path, help="CSV file, may be gzipped")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Replay and print."""
    configuration = load(args.config, Registry().models())
    replay = Replay(configuration.root.gateway.id, configuration.devices, configuration.root.assets)
    recording = Recording(args.recording)
    columns = recording.columns
    place = {name: i for i, name in enumerate(columns)}
    missing = [name for name in replay.table.names if name not in place]
    if len(missing) == len(replay.table):
        raise RecordingError(f"{args.recording}: no column is a tag of the configuration (for instance {missing[0]})")
    index = np.array([place.get(name, len(columns)) for name in replay.table.names])
    for time, _, values in recording.rows():
        replay.row(time, np.array([*values, np.nan])[index])
        for message in replay.out.take():
            sys.stdout.buffer.write(message.body + b"\n")
    sys.stdout.flush()
    return OK
