"""One version of a model at work: its process, kept alive, and the calls that it takes one after the other."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.models.bundle import Bundle
from gateway.models.manifest import BundleError
from gateway.models.process import Answer, Limits, Process, WorkerError
from gateway.models.windows import Arrangement

BACK_OFF: Final = 0.25  # s before the first new start; doubles
BACK_OFF_MAX: Final = 30.0
TRIES: Final = 2  # of one call by one version: what fails twice in a row is the call's own


@dataclass(eq=False, slots=True)
class Call:
    """Windows of B assets that wait for their scores.

    Attributes:
        ticket: what the pipeline knows the call by.
        members: i8[B].
        windows: f8[B, rows, D], tags in the order of each asset, newest row last.
        count: i8[B], rows that each window really has.
        ratio: by version, what it said: f8[B] of score / threshold.
        tries: how often the active version has failed at it.
    """

    ticket: int
    members: NDArray[np.int64]
    windows: NDArray[np.float64]
    count: NDArray[np.int64]
    ratio: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    tries: int = 0


class Source(Protocol):
    """Where an engine has its calls from, and whom it tells."""

    def head(self, engine: "Engine") -> Call | None:
        """The call that is next."""

    def answered(self, engine: "Engine", call: Call, answer: Answer) -> None:
        """What the engine says to it."""

    def fault(self, engine: "Engine", call: Call | None, error: WorkerError | BundleError) -> None:
        """The engine failed at `call`, or at its start."""

    def started(self, engine: "Engine") -> None:
        """The engine's process is ready."""


class Engine:
    """Runs one bundle for one group of assets."""

    def __init__(self, bundle: Bundle, places: NDArray[np.int64], limits: Limits, source: Source) -> None:
        """`places` i8[n, D] says for each asset where the tag of each input stands."""
        self.bundle, self.version = bundle, bundle.manifest.version
        self.counters: Counter[str] = Counter()
        self.told: dict[str, Any] = {}
        self.pid = 0
        self.places = places
        self._arrangement = Arrangement(places, bundle.manifest.window.rows)
        self._limits, self._source = limits, source
        self._wake = asyncio.Event()
        self._losses = 0  # in a row

    @property
    def rows(self) -> int:
        """Rows of a window."""
        return self.bundle.manifest.window.rows

    @property
    def threshold(self) -> float:
        """The score above which an alarm is due."""
        return self.bundle.manifest.threshold

    def wake(self) -> None:
        """There may be a call."""
        self._wake.set()

    async def run(self) -> None:
        """Start, serve, start again; until cancelled."""
        while True:
            try:
                await self._live()
            except (WorkerError, BundleError) as error:
                self._losses += 1
                self.counters["starts_failed"] += isinstance(error, BundleError)
                if isinstance(error, BundleError):
                    self._source.fault(self, None, error)
            await asyncio.sleep(min(BACK_OFF * 2 ** (self._losses - 1), BACK_OFF_MAX))

    async def _live(self) -> None:
        """One life of the process. Raises WorkerError when it is gone, BundleError when it did not begin."""
        bundle = self.bundle
        process = await Process.start(bundle.model, bundle.manifest, self._limits, len(self._arrangement))
        self.counters["starts"] += 1
        self.told, self.pid = process.told, process.pid
        self._source.started(self)
        try:
            while True:
                await self._serve(process)
        finally:
            self.pid = 0
            await process.close()

    async def _serve(self, process: Process) -> None:
        call = self._source.head(self)
        if call is None:
            self._wake.clear()
            await self._wake.wait()
            return
        try:
            answer = await process.ask(self._arrangement.of(call.members, call.windows))
        except WorkerError as error:
            self._source.fault(self, call, error)
            if error.code != "failed":
                raise
            await asyncio.sleep(0)
        else:
            self._losses = 0
            self._source.answered(self, call, self._put_back(call, answer))

    def _put_back(self, call: Call, answer: Answer) -> Answer:
        """The answer with its tags in the order of each asset."""
        back = self._arrangement.back
        return Answer(
            answer.score, back(call.members, answer.contrib), back(call.members, answer.expected), answer.seconds
        )
