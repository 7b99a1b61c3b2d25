"""The scorer of a user's model: answers PENDING at once, and with the scores when the worker has them.

It keeps the windows, and the calls that wait: whatever happens to a process, a call stays until some version has
answered it, or until it is told as MODEL_FAILED. So a swap of versions leaves no window without a score.
"""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.models.compare import Comparison
from gateway.models.engine import TRIES, Call, Engine
from gateway.models.inputs import Inputs
from gateway.models.manifest import BundleError
from gateway.models.process import Answer, WorkerError
from gateway.models.windows import Windows
from gateway.stages.score import Abstain, Scores

MOST_CALLS: Final = 1024  # that wait for the active version; half as many for the one beside it
MOST_BYTES: Final = 64 * 2**20  # of windows that wait
_TICKETS: Final = itertools.count(1)  # of all models: 0 is no ticket

Late = Callable[[int, Scores], None]
"""Takes (ticket, scores of the rows that were PENDING, in their order)."""


class Keeper(Protocol):
    """Whoever decides what a fault means."""

    def failed(self, remote: "Remote", engine: Engine, error: WorkerError | BundleError) -> None:
        """A version has failed once more; may call `Remote.swap`."""

    def ready(self, remote: "Remote", engine: Engine) -> None:
        """A version's process is ready."""


class Remote:
    """One model for n assets of `width` tags. Satisfies stages.score.Scorer, and engine.Source."""

    def __init__(
        self, name: str, members: int, width: int, keeper: Keeper, spans: Sequence[float] | None = None
    ) -> None:
        """`spans`: rows over which the drift of each member's inputs is followed.

        `late` is called on the loop's thread with every answer that was PENDING; set it before the first score.
        """
        self.name, self.width = name, width
        self.counters: Counter[str] = Counter()
        self.active: Engine | None = None
        self.second: Engine | None = None
        self.comparison: Comparison | None = None
        self.late: Late = lambda _ticket, _scores: None
        self._keeper = keeper
        self._windows = Windows(members, width, 1, 0)
        self._inputs = Inputs(width, spans or [0.0] * members)
        self._waiting: deque[Call] = deque()
        self._beside: deque[Call] = deque()

    # -- Scorer ------------------------------------------------------------------------------------------------------

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        """Take one row of each member; see stages.score.Scorer. Never waits."""
        windows, active = self._windows, self.active
        out = Scores.silent(len(members), self.width, Abstain.PENDING)
        usable = windows.push(members, x)
        self._inputs.follow(members, x)
        if active is None:
            out.reason[:] = Abstain.MODEL_FAILED
            return out
        out.reason[:] = np.where(windows.count[members] >= active.rows, out.reason, Abstain.FILLING)
        out.reason[~usable] = Abstain.TOO_FEW_GOOD
        due = members[out.reason == Abstain.PENDING]
        if len(due):
            out.ticket = next(_TICKETS)
            self._put(Call(out.ticket, due, windows.take(due, windows.rows), windows.count[due].copy()), active)
        return out

    def _put(self, call: Call, active: Engine) -> None:
        self._waiting.append(call)
        active.wake()
        if self.second is not None:
            self._beside.append(call)
            self.second.wake()
        most = min(MOST_CALLS, max(4, MOST_BYTES // max(call.windows.nbytes, 1)))
        while len(self._waiting) > most:  # told from the loop: the pipeline is in the middle of its turn
            asyncio.get_running_loop().call_soon(self._give_up, self._waiting.popleft(), "calls_dropped")
        while len(self._beside) > most // 2:
            self._beside.popleft()
            self.counters["calls_beside_dropped"] += 1

    # -- engine.Source -----------------------------------------------------------------------------------------------

    def head(self, engine: Engine) -> Call | None:
        """The call that is next for this version."""
        if engine is self.active:
            return self._waiting[0] if self._waiting else None
        while engine is self.second and self._beside:
            call = self._beside[0]
            if (call.count >= engine.rows).all() and engine.version not in call.ratio:
                return call
            self._beside.popleft()
        return None

    def answered(self, engine: Engine, call: Call, answer: Answer) -> None:
        """Give the answer on, and compare it."""
        finite, enough = np.isfinite(answer.score) & (answer.score >= 0), call.count >= engine.rows
        self._compare(engine, call, np.where(finite & enough, answer.score, np.nan) / engine.threshold, answer.seconds)
        if wrong := int(np.count_nonzero(enough & ~finite)):
            self._keeper.failed(self, engine, _not_finite(engine, wrong))
        if engine is self.active and self._waiting and self._waiting[0] is call:
            self._waiting.popleft()
            self._deliver(
                engine, call, answer, np.where(enough, np.where(finite, 0, Abstain.MODEL_FAILED), Abstain.FILLING)
            )
        elif engine is self.second and self._beside and self._beside[0] is call:
            self._beside.popleft()

    def fault(self, engine: Engine, call: Call | None, error: WorkerError | BundleError) -> None:
        """Have the keeper decide; then let go of a call that this version will never answer."""
        self.counters["faults"] += 1
        self._keeper.failed(self, engine, error)
        if call is None:
            return
        if engine is self.active and self._waiting and self._waiting[0] is call:
            call.tries += 1
            if call.tries >= TRIES:
                self._give_up(self._waiting.popleft(), "calls_failed")
        elif engine is self.second and self._beside and self._beside[0] is call:
            self._beside.popleft()
            if self.comparison is not None:
                self.comparison.second.failed += len(call.members)

    def started(self, engine: Engine) -> None:
        """Pass it on."""
        self._keeper.ready(self, engine)

    # -- versions ----------------------------------------------------------------------------------------------------

    def swap(self, active: Engine | None, second: Engine | None) -> None:
        """Let these versions score from now on. What waits is scored by the new active one, in its order."""
        engines = [engine for engine in (active, second) if engine is not None]
        self._windows.grow(max((engine.rows for engine in engines), default=1))
        if second is not self.second:
            self._beside.clear()
        if active is not self.active:
            self._take_over(active)
        self.active, self.second = active, second
        for engine in engines:
            engine.wake()

    def _take_over(self, active: Engine | None) -> None:
        if active is not None:
            self._windows.hold = active.bundle.manifest.window.hold
            self._inputs.begin(active.bundle.manifest.inputs, active.places)
        for call in self._waiting:
            call.tries = 0
        while active is None and self._waiting:
            self._give_up(self._waiting.popleft(), "calls_failed")

    @property
    def out(self) -> bool:
        """Whether no version is active."""
        return self.active is None

    @property
    def drift(self) -> NDArray[np.float64]:
        """f8[n, D], how far each tag has moved, slowly, from what the active version was trained on."""
        return self._inputs.drift

    def filling(self) -> NDArray[np.bool_]:
        """Which assets have no full window yet."""
        rows = self.active.rows if self.active else 1
        mask: NDArray[np.bool_] = self._windows.count < rows
        return mask

    @property
    def waiting(self) -> int:
        """Calls without an answer."""
        return len(self._waiting)

    # -- answers -----------------------------------------------------------------------------------------------------

    def _compare(self, engine: Engine, call: Call, ratio: NDArray[np.float64], seconds: float) -> None:
        comparison = self.comparison
        if comparison is None or engine.version in call.ratio:
            return
        call.ratio[engine.version] = ratio
        sides = {comparison.active.version: comparison.active, comparison.second.version: comparison.second}
        if engine.version in sides:
            comparison.note(sides[engine.version], ratio, seconds)
        if sides.keys() <= call.ratio.keys():
            comparison.pair(call.ratio[comparison.active.version], call.ratio[comparison.second.version])

    def _deliver(self, engine: Engine, call: Call, answer: Answer, reason: NDArray[np.int64]) -> None:
        silent = reason != Abstain.NONE
        for column in (answer.score, answer.contrib, answer.expected):
            column[silent] = np.nan
        threshold = np.where(silent, np.nan, engine.threshold)
        self.counters["calls"] += 1
        columns = (answer.score, threshold, answer.contrib, answer.expected, reason.astype(np.uint8))
        self.late(call.ticket, Scores(*columns, version=engine.version))

    def _give_up(self, call: Call, counter: str) -> None:
        self.counters[counter] += 1
        self.late(call.ticket, Scores.silent(len(call.members), self.width, Abstain.MODEL_FAILED))


def _not_finite(engine: Engine, rows: int) -> WorkerError:
    return WorkerError("not-finite", f"{engine.bundle.label}: {rows} answers that are no numbers")
