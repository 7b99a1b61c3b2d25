"""Users' models in a replay: the very worker of the daemon, asked row by row and waited for.

Reads the bundles of the configuration and of the state, and changes neither: a gateway may run beside it.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gateway.config.schema import ModelsConfig
from gateway.models.bundle import Bundle, places
from gateway.models.cohorts import Silent, Watched
from gateway.models.keeper import BUNDLES
from gateway.models.manifest import BundleError
from gateway.models.process import Limits, Process, WorkerError
from gateway.models.shelf import Shelf
from gateway.models.signing import read_trusted
from gateway.models.windows import Arrangement, Windows
from gateway.stages.score import Abstain, Scores


class Players:
    """All users' models of one replay; their processes end with it.

    Args:
        settings: the section `models`.
        home: folder of the configuration, with `bundles/`.
        state: folder of the state: where a version is active, that one plays.
    """

    def __init__(self, settings: ModelsConfig, home: Path, state: Path) -> None:
        self._home, self._shelf = home, Shelf(state, read_trusted(settings.keys), settings.size)
        self._limits = Limits(settings.memory, settings.deadline, tuple(settings.providers))
        self._loop = asyncio.new_event_loop()
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for process in self._processes:
            self._loop.run_until_complete(process.close())
        self._loop.close()

    def scorer(self, model: str, assets: Sequence[Watched]) -> "Played | Silent":
        """The scorer of `model` (bundles/NAME) for these assets; none where all of them can fall back.

        Raises BundleError or WorkerError.
        """
        try:
            bundle = self._bundle(model.removeprefix(BUNDLES))
        except BundleError:
            if all(asset.fallback for asset in assets):
                return Silent(len(assets[0].tags))
            raise
        arrangement = Arrangement(places(bundle, assets), bundle.manifest.window.rows)
        starting = Process.start(bundle.model, bundle.manifest, self._limits, len(assets))
        process = self._loop.run_until_complete(starting)
        self._processes.append(process)
        return Played(bundle, arrangement, process, self._loop)

    def _bundle(self, name: str) -> Bundle:
        active = self._shelf.record(name).active
        if active is not None:
            return self._shelf.take(name, active)
        folder = self._home / BUNDLES
        path = next((one for one in (folder / name, folder / f"{name}.tar") if one.exists()), None)
        if path is None:
            raise BundleError("layout", f"no version of {name} is active, and {folder} has none")
        return self._shelf.open(path)


class Played:
    """One version for n assets. Satisfies stages.score.Scorer."""

    def __init__(
        self, bundle: Bundle, arrangement: Arrangement, process: Process, loop: asyncio.AbstractEventLoop
    ) -> None:
        manifest = bundle.manifest
        self._bundle, self._arrangement, self._process, self._loop = bundle, arrangement, process, loop
        self._width = len(manifest.inputs)
        self._windows = Windows(len(arrangement), self._width, manifest.window.rows, manifest.window.hold)

    @property
    def out(self) -> bool:
        """Never: a replay without the model's version does not begin."""
        return False

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        """Take one row of each member, and wait for what the model says to it."""
        windows, rows = self._windows, self._bundle.manifest.window.rows
        out = Scores.silent(len(members), self._width, Abstain.NONE)
        out.version = self._bundle.manifest.version
        usable = windows.push(members, x)
        out.reason[windows.count[members] < rows] = Abstain.FILLING
        out.reason[~usable] = Abstain.TOO_FEW_GOOD
        due = np.flatnonzero(out.reason == Abstain.NONE)
        if len(due):
            self._ask(out, due, members[due])
        return out

    def _ask(self, out: Scores, due: NDArray[np.intp], members: NDArray[np.int64]) -> None:
        taken = self._windows.take(members, self._bundle.manifest.window.rows)
        try:
            answer = self._loop.run_until_complete(self._process.ask(self._arrangement.of(members, taken)))
        except WorkerError as error:
            if error.code != "failed":
                raise
            out.reason[due] = Abstain.MODEL_FAILED
            return
        fine = np.isfinite(answer.score) & (answer.score >= 0)
        out.reason[due[~fine]] = Abstain.MODEL_FAILED
        out.score[due] = np.where(fine, answer.score, np.nan)
        out.threshold[due] = np.where(fine, self._bundle.manifest.threshold, np.nan)
        out.contrib[due] = self._arrangement.back(members, answer.contrib)
        out.expected[due] = self._arrangement.back(members, answer.expected)
