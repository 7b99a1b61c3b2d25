"""The default detector: multi-timescale EWMA and shrinkage Mahalanobis, for all assets with the same number of tags.

An asset first gathers rows of its normal running, then its calibration is computed, then it is scored: one inference
call for all members of a cohort. Nothing is random and nothing looks at a clock: the same rows give the same scores.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.models.baseline import Baseline
from gateway.models.calibration import SPANS, Calibration, CalibrationError, alphas, fit
from gateway.models.rows import Rows
from gateway.models.session import Session, open_session
from gateway.models.threshold import threshold
from gateway.stages.score import Abstain, Scores

Submit = Callable[[Callable[[], None]], None]
"""Runs what it is given, now or later, here or in another thread."""

OUTPUTS: Final = ("score", "contrib", "expected", "e_out", "residual")


def inline(job: Callable[[], None]) -> None:
    """Run `job` now: fits happen between two rows, so that a replay gives the same answers every time."""
    job()


@dataclass(frozen=True)
class Member:
    """What the detector is told of one asset.

    Attributes:
        rate: false alarms per row that are allowed: the budget in events per second, times the period in seconds.
        calibrate: good rows to learn from.
        min_good: share of the tags that must be good for a row to count.
        baseline: rows over which slow change counts as normal; 0: it never does.
    """

    rate: float
    calibrate: int = 600
    min_good: float = 0.5
    baseline: float = 0.0


class Detector:
    """Assets of `width` tags each. Satisfies stages.score.Scorer."""

    def __init__(self, width: int, members: Sequence[Member], submit: Submit = inline) -> None:
        """Nothing is loaded before the first row is scored.

        Args:
            width: number of tags of every member.
            members: the assets, which are numbered from 0 in this order.
            submit: takes the work of computing a calibration; at once and here unless given.
        """
        n, k = len(members), len(SPANS)
        self.width, self.members = width, tuple(members)
        self.counters: Counter[str] = Counter()  # calibrations_total, fits_failed_total
        self._submit = submit
        self._session: Session | None = None
        self._phase = np.full(n, Abstain.CALIBRATING, np.uint8)
        self._threshold = np.full(n, np.nan)
        self._min_good = np.array([member.min_good for member in members]) * width
        self._bank = _empty_bank(n, k, width)
        self._baseline = Baseline(width, [member.baseline for member in members])
        self._stiffness = np.ones((n, k, 1, 1), np.float32)
        self._alpha = alphas(SPANS).astype(np.float32)[:, None, None]
        self._e = np.zeros((n, k, 1, width), np.float32)
        self._said = np.zeros((n, k, 1, width), np.float32)  # how far each tag was from what the others let expect
        self._fitted: dict[int, Calibration] = {}
        self._rows = Rows(width, np.array([member.calibrate for member in members], np.int64))
        self._done: deque[tuple[int, int, Calibration | None]] = deque()  # filled by the thread that fits
        self._attempt = np.zeros(n, np.int64)  # a fit that a recalibration has overtaken is dropped

    def __len__(self) -> int:
        return len(self._phase)

    def score(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> Scores:
        """Score one row of each member, or gather it; see stages.score.Scorer.

        A row with too few good tags changes nothing. Of a row that counts, a bad tag goes where the others let expect
        it, but for what it had said beyond that, which fades at the speed of each scale.
        """
        phase = self._phase[members]
        good = np.isfinite(x)
        if not phase.any() and good.all():
            return self._infer(members, x, phase)
        return self._partly(members, np.where(good, x, np.nan), good, phase)

    def _partly(
        self, members: NDArray[np.int64], x: NDArray[np.float64], good: NDArray[np.bool_], phase: NDArray[np.uint8]
    ) -> Scores:
        """As score, where some members have no calibration or some tags are bad."""
        enough = good.sum(axis=1) >= self._min_good[members]
        gather = enough & (phase == Abstain.CALIBRATING)
        if gather.any():
            self._gather(members[gather], x[gather])
        out = Scores.silent(len(members), self.width, Abstain.NONE)
        out.reason[:] = np.where(enough | (phase != Abstain.NONE), phase, Abstain.TOO_FEW_GOOD)
        out.threshold[:] = self._threshold[members]
        ready = out.reason == Abstain.NONE
        if ready.any():
            some = self._infer(members[ready], x[ready], out.reason[ready], ~good[ready])
            out.score[ready], out.contrib[ready], out.expected[ready] = some.score, some.contrib, some.expected
        return out

    def _infer(
        self,
        members: NDArray[np.int64],
        x: NDArray[np.float64],
        reason: NDArray[np.uint8],
        bad: NDArray[np.bool_] | None = None,
    ) -> Scores:
        """Score members that are ready; `bad` marks the tags that are bad, if any is."""
        smooth = self._e[members]
        found = self._call(members, x, smooth)
        lost = () if bad is None else np.flatnonzero(bad.any(axis=1))
        if bad is not None and len(lost):  # once more, with the bad tags where they belong
            smooth[lost] = self._hold(members[lost], bad[lost], smooth[lost], found[-1][lost])
            for column, again in zip(found, self._call(members[lost], x[lost], smooth[lost]), strict=True):
                column[lost] = again
        score, contrib, expected, e, self._said[members] = found
        threshold, scores = self._threshold[members], score[:, 0, 0].astype(float)
        fall = self._baseline.follow(members, x, scores, self._bank["m"])
        self._e[members] = e if fall is None else e - fall
        return Scores(scores, threshold, contrib[:, 0].astype(float), expected[:, 0, 0], reason)

    def _call(self, members: NDArray[np.int64], x: NDArray[np.float64], e: NDArray[np.float32]) -> list[NDArray[Any]]:
        """One inference call: OUTPUTS for rows x[B, D] after the smoothed tags e[B, K, 1, D]."""
        session = self._session = self._session or open_session()
        feed: dict[str, NDArray[Any]] = {"x": x[:, None, None], "e": e, "a": members, "alpha": self._alpha}
        return list(session.run(OUTPUTS, feed | self._bank))

    def _hold(
        self, members: NDArray[np.int64], bad: NDArray[np.bool_], e: NDArray[np.float32], residual: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The smoothed tags e[B, K, 1, D], the bad ones moved; `residual` is how far each is from what it should be.

        A bad tag goes where the others let expect it, but for what it had said beyond that, which fades at the speed of
        each scale. Several bad tags pull at each other: steps of 1/n of n of them, or of 1/w where that is larger,
        cannot swing up, for w bounds the eigenvalues of every part of the scaled precision (interlacing).
        """
        count = bad.sum(axis=1).astype(np.float32)[:, None, None, None]
        weight = np.maximum(np.minimum(count, self._stiffness[members]), 1)
        away = residual - self._said[members] * (1 - self._alpha)
        moved: NDArray[np.float32] = e - np.where(bad[:, None, None], away, 0) / weight
        return moved

    def poll(self) -> list[int]:
        """Take over the calibrations that are done since the last call; the members that score from now on."""
        fresh = []
        while self._done:
            member, attempt, calibration = self._done.popleft()
            if attempt != self._attempt[member]:
                continue
            if calibration is None:
                self.counters["fits_failed_total"] += 1
                self.recalibrate(member)
                continue
            self._apply(member, calibration)
            self._e[member, :, 0] = calibration.last
            self.counters["calibrations_total"] += 1
            fresh.append(member)
        return fresh

    def calibration(self, member: int) -> bytes | None:
        """The calibration of `member` for the state store; None while there is none."""
        fitted = self._fitted.get(member)
        return None if fitted is None else fitted.serialise()

    def restore(self, member: int, data: bytes) -> None:
        """Take up a stored calibration. Raises CalibrationError when it is damaged, or of other tags or scales."""
        calibration = Calibration.deserialise(data)
        if calibration.width != self.width or tuple(calibration.spans) != SPANS:
            raise CalibrationError(
                f"stored calibration is of {calibration.width} tags and scales {tuple(calibration.spans)}, "
                f"the asset has {self.width} tags and scales {SPANS}"
            )
        self._attempt[member] += 1
        self._rows.close(member)
        self._apply(member, calibration)
        self._e[member] = 0

    def memory(self, member: int) -> bytes:
        """The smoothed tags of `member` and its baseline: with them a restart goes on where it stopped."""
        memory: bytes = self._e[member].tobytes() + self._baseline.shift[member].astype(np.float32).tobytes()
        return memory

    def remember(self, member: int, data: bytes) -> None:
        """Take up what `memory` gave. Raises CalibrationError when it is of another shape, or no numbers."""
        size = self._e[member].nbytes
        kept = np.frombuffer(data, np.float32) if len(data) == size + 4 * self.width else np.array([np.nan])
        if not np.isfinite(kept).all():
            raise CalibrationError("stored memory is not of this asset")
        self._e[member] = kept[: -self.width].reshape(self._e[member].shape)
        self._baseline.put(member, kept[-self.width :], self._bank["m"])

    @property
    def drift(self) -> NDArray[np.float64]:
        """f8[n, D], how far each tag has moved from its calibration, slowly, in standard deviations."""
        return self._baseline.shift

    def accept(self, member: int) -> None:
        """Let what `member` is like now, by its slowest scale, be its normal."""
        away = self._e[member, -1, 0].astype(float)
        self._baseline.put(member, self._baseline.shift[member] + away, self._bank["m"])
        self._e[member, :, 0] -= away.astype(np.float32)

    def gathered(self, member: int, first: int) -> NDArray[np.float64]:
        """The rows from `first` on that `member` has gathered for its calibration; none when it does not gather."""
        return self._rows.since(member, first)

    def gather(self, member: int, rows: NDArray[np.float64]) -> None:
        """Take up rows that were gathered before a restart. Raises CalibrationError when they are of other tags."""
        if rows.ndim != 2 or rows.shape[1] != self.width:  # noqa: PLR2004 - rows by tags
            raise CalibrationError(f"stored rows are not of {self.width} tags")
        for row in rows[: self.members[member].calibrate]:
            self._gather(np.array([member]), row[None])

    def recalibrate(self, member: int) -> None:
        """Forget what is normal for `member` and learn it anew, from its next row on."""
        self._attempt[member] += 1
        self._phase[member] = Abstain.CALIBRATING
        self._threshold[member] = np.nan
        self._fitted.pop(member, None)
        self._rows.restart(member)

    def status(self, member: int) -> Abstain:
        """CALIBRATING, FITTING, or NONE for a member that is scored."""
        return Abstain(self._phase[member])

    def progress(self, member: int) -> tuple[int, int]:
        """Rows gathered, and rows needed."""
        return int(self._rows.count[member]), self.members[member].calibrate

    def _gather(self, members: NDArray[np.int64], x: NDArray[np.float64]) -> None:
        for member in self._rows.append(members, x).tolist():
            self._phase[member] = Abstain.FITTING
            self._submit(self._job(member, self._rows.take(member)))

    def _job(self, member: int, rows: NDArray[np.float64]) -> Callable[[], None]:
        attempt, done = int(self._attempt[member]), self._done

        def job() -> None:
            try:
                calibration = fit(rows)
            except np.linalg.LinAlgError:
                done.append((member, attempt, None))
            else:
                done.append((member, attempt, calibration))

        return job

    def _apply(self, member: int, calibration: Calibration) -> None:
        bank = self._bank
        bank["m"][member], bank["s"][member] = calibration.m, calibration.s
        self._baseline.begin(member, calibration.m, calibration.s)
        bank["mu"][member, :, 0] = calibration.mu
        bank["P"][member] = calibration.P / (self.width * calibration.c[:, None, None] ** 2)
        bank["v"][member, :, 0] = 1 / np.einsum("kii->ki", bank["P"][member])
        self._stiffness[member, :, 0, 0] = calibration.w
        self._said[member] = 0
        self._threshold[member] = threshold(calibration.scores, self.members[member].rate, max(SPANS))
        self._fitted[member] = calibration
        self._phase[member] = Abstain.NONE


def _empty_bank(n: int, k: int, width: int) -> dict[str, NDArray[Any]]:
    """The inputs of the graph that belong to assets, one row a member."""
    f4 = np.float32
    return {
        "m": np.zeros((n, 1, 1, width)),
        "s": np.ones((n, 1, 1, width)),
        "mu": np.zeros((n, k, 1, width), f4),
        "P": np.zeros((n, k, width, width), f4),
        "v": np.ones((n, k, 1, width), f4),
    }
