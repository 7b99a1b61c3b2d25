"""The scorer of a user's model: answers PENDING at once, and with the scores when the worker has them.

It keeps the windows, and the calls that wait: whatever happens to a process, a call stays until some version has
answered it, or until it is told as MODEL_FAILED. So a swap of versions leaves no window without a score.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.models.compare import Comparison
from gateway.models.engine import TRIES, Call, Engine
from gateway.models.manifest import BundleError
from gateway.models.process import Answer, WorkerError
from gateway.models.windows import Windows
from gateway.stages.score import Abstain, Scores

MOST_CALLS: Final = 256  # that wait for the active version; half as many for the one beside it
MOST_BYTES: Final = 64 * 2**20  # of windows that wait

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

    def __init__(self, name: str, members: int, width: int, keeper: Keeper) -> None:
        """`late` is called on the loop's thread with every answer; set it before the first score."""
        self.name, self.width = name, width
        self.counters: Counter[str] = Counter()
        self.active: Engine | None = None
        self.second: Engine | None = None
        self.comparison: Comparison | None = None
        self.late: Late = lambda _ticket, _scores: None
        self.dead = ""  # why there is no version that could score; empty while there is one, or one is awaited
        self._keeper = keeper
        self._windows = Windows(members, width, 1, 0)
        self._waiting: deque[Call] = deque()
        self._beside: deque[Call] = deque()
        self._ticket = 0

    # -- Scorer ------------------------------------------------------------------------------------------------------

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        """Take one row of each member; see stages.score.Scorer. Never waits."""
        windows, active = self._windows, self.active
        out = Scores.silent(len(members), self.width, Abstain.PENDING)
        usable = windows.push(members, x)
        if active is None:
            out.reason[:] = Abstain.MODEL_FAILED
            return out
        out.reason[:] = np.where(windows.count[members] >= active.rows, out.reason, Abstain.FILLING)
        out.reason[~usable] = Abstain.TOO_FEW_GOOD
        due = members[out.reason == Abstain.PENDING]
        if len(due):
            self._ticket += 1
            out.ticket = self._ticket
            self._put(Call(self._ticket, due, windows.take(due, windows.rows), windows.count[due].copy()), active)
        return out

    def _put(self, call: Call, active: Engine) -> None:
        self._waiting.append(call)
        active.wake()
        if self.second is not None:
            self._beside.append(call)
            self.second.wake()
        most = min(MOST_CALLS, max(4, MOST_BYTES // max(call.windows.nbytes, 1)))
        while len(self._waiting) > most:
            # Told later, from the loop: the pipeline must hear of this call's ticket before it hears of any answer.
            self._give_up(self._waiting.popleft(), "calls_dropped")
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
        finite = np.isfinite(answer.score) & (answer.score >= 0)
        ratio = np.where(finite, answer.score, np.nan) / engine.threshold
        self._compare(engine, call, ratio, answer.seconds)
        if not finite.all():
            self._keeper.failed(self, engine, _not_finite(engine, int(np.count_nonzero(~finite))))
        if engine is self.active and self._waiting and self._waiting[0] is call:
            self._waiting.popleft()
            self._deliver(engine, call, answer, finite)
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
        if active is not None and active is not self.active:
            self._windows.hold = active.bundle.manifest.window.hold
            for call in self._waiting:
                call.tries = 0
        for engine in (active, second):
            if engine is not None:
                self._windows.grow(engine.rows)
        if second is not self.second:
            self._beside.clear()
        self.active, self.second = active, second
        for engine in (active, second):
            if engine is not None:
                engine.wake()
        if active is None:
            while self._waiting:
                self._give_up(self._waiting.popleft(), "calls_failed")

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

    def _deliver(self, engine: Engine, call: Call, answer: Answer, finite: NDArray[np.bool_]) -> None:
        silent = ~finite
        for column in (answer.score, answer.contrib, answer.expected):
            column[silent] = np.nan
        reason = np.where(finite, Abstain.NONE, Abstain.MODEL_FAILED).astype(np.uint8)
        threshold = np.where(finite, engine.threshold, np.nan)
        self.counters["calls"] += 1
        scores = Scores(answer.score, threshold, answer.contrib, answer.expected, reason, version=engine.version)
        self.late(call.ticket, scores)

    def _give_up(self, call: Call, counter: str) -> None:
        self.counters[counter] += 1
        self.late(call.ticket, Scores.silent(len(call.members), self.width, Abstain.MODEL_FAILED))


def _not_finite(engine: Engine, rows: int) -> WorkerError:
    return WorkerError("not-finite", f"{engine.bundle.label}: {rows} answers that are no numbers")
