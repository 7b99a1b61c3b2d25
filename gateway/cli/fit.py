"""`fieldgate fit`: calibrate detectors from a recording of normal running, where the daemon finds them."""

import argparse
import time
from pathlib import Path

import numpy as np

from gateway.cli import report
from gateway.cli.bundled import bundle
from gateway.cli.common import FAILED, OK, add_config, complain, state_folder
from gateway.cli.history import Histories
from gateway.cli.replay import Row, add_recording, given, known, through
from gateway.config.assets import AssetConfig
from gateway.config.load import Configuration, load
from gateway.ingest.registry import Registry
from gateway.models.cohorts import DEFAULT
from gateway.models.learning import Learning
from gateway.models.modes import moded, running
from gateway.ops.lock import lock
from gateway.replay import Replay
from gateway.sdk.tags import TagTable
from gateway.state.store import StateStore


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "fit",
        help="calibrate from a recording",
        description="Calibrate the built-in detector of each asset from a CSV recording of normal running (all of its "
        "good rows) and keep that in the state folder, where a stopped gateway finds it at its next start. What "
        "was learnt of the asset before is replaced.",
    )
    add_config(parser)
    add_recording(parser)
    parser.add_argument("--asset", action="append", help="only this asset; may be given several times")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--report", type=Path, help="write a page with the recording as the fitted detectors see it")
    what.add_argument(
        "--bundle", type=Path, help="write it as a model into this folder instead, to be signed and taken elsewhere"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Fit, keep, report."""
    configuration = load(args.config, Registry().models())
    chosen = {
        name: asset.model_copy(update={"model": DEFAULT})
        for name, asset in configuration.root.assets.items()
        if DEFAULT in (asset.model, asset.fallback) and (not args.asset or name in args.asset)
    }
    if not chosen:
        complain(f"no asset of the configuration is meant ({', '.join(configuration.root.assets) or 'it has none'})")
        return FAILED
    table = TagTable.build(configuration.devices)
    rows = given(args, configuration, table, moded(chosen))
    assets = moded(known(chosen, table, rows))
    fitted = _fit(configuration, assets, rows)
    if not fitted:
        return FAILED
    if args.bundle:
        return bundle(args.bundle, fitted, rows)
    state = state_folder(args.state, configuration.root.gateway.state)
    state.mkdir(parents=True, exist_ok=True)
    lock(state)
    _keep(state, fitted, assets, configuration, args.report, rows)
    return OK


def _fit(configuration: Configuration, assets: dict[str, AssetConfig], rows: list[Row]) -> Replay | None:
    """A replay whose detectors have learnt from all good rows; None when an asset has too few, which is told."""
    table = TagTable.build(configuration.devices)
    values = np.array([row for _, row, _ in rows]).reshape(len(rows), len(table))
    learning = {}
    for name, asset in assets.items():
        good = ~np.isnan(values[:, [table.row(tag) for tag in asset.tags]])
        runs = running(asset, table, values)
        if runs is None:
            complain(f"{name}: the recording says nothing of its condition: {asset.when}")
            return None
        count = int(np.count_nonzero(runs & (good.mean(axis=1) >= asset.min_good)))
        if count < 50:  # noqa: PLR2004 - as AssetConfig.calibrate
            complain(f"{name}: the recording has {count} rows with enough good tags, 50 are needed")
            return None
        learning[name] = asset.model_copy(update={"calibrate": count, "sensors": False, "settle": 0.0})
    replay = Replay(configuration.root.gateway.id, configuration.devices, learning)
    through(replay, rows)
    return replay


def _keep(
    state: Path, fitted: Replay, assets: dict[str, AssetConfig], configuration: Configuration, page: Path | None,
    rows: list[Row],
) -> None:  # fmt: skip
    """What was learnt goes into the store, and through a second replay onto the page."""
    store = StateStore(state / "state.db")
    learnt = Learning(fitted.judged, lambda _asset, _rows: None, None)
    for detector, taught in zip(fitted.judged.detectors, fitted.judged.taught, strict=True):
        for member, asset in enumerate(taught.tolist()):
            content = detector.calibration(member)
            assert content is not None  # noqa: S101 - all rows were counted before
            name = fitted.judged.watch.names[asset]
            store.forget_calibration(name)
            store.keep_calibration(name, learnt.fingerprint(asset), time.time_ns(), content)
            print(f"{name}: calibrated from {detector.members[member].calibrate} rows")
    if page:
        again = Replay(configuration.root.gateway.id, configuration.devices, assets)
        Learning(again.judged, lambda _asset, _rows: None, None).restore(store)
        histories = Histories(again)
        through(again, rows, histories)
        report.write(page, "Fit", histories.of.values())
    store.close()
