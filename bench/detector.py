"""The default detector alone: CPU time of one call, by number of tags and of assets.

    ./dev bench detector

Calibrated assets of Gaussian tags, CPU of one thread, medians. `score` is the detector with its slow baseline, `all`
adds the judgement of the sensors and the alarm stage. The last line is a second of 10,000 assets of 8 tags at 1 Hz, in
turns of 20 ms.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gateway.config.assets import AlarmConfig
from gateway.models.detector import Detector, Member
from gateway.stages.alarm import SECOND, Alarms
from gateway.stages.sensor import Sensors

ROWS = 600
START = 1_700_000_000 * SECOND


class Cohort:
    """n calibrated assets of `width` tags."""

    def __init__(self, n: int, width: int) -> None:
        self.rng = np.random.default_rng(1)
        self.width, self.now = width, START
        member = Member(1 / 604800, ROWS, baseline=86400.0)
        self.detector, self.sensors = Detector(width, [member] * n), Sensors(width, [ROWS] * n)
        self.alarms = Alarms([AlarmConfig()] * n, width, [True] * n)
        self._teach(n, member)
        self.values = self.rng.normal(size=(16, n, width))

    def _teach(self, n: int, member: Member) -> None:
        teacher, usual = Detector(self.width, [member]), Sensors(self.width, [ROWS])
        one = np.zeros(1, np.int64)
        for row in self.rng.normal(size=(ROWS, 1, self.width)):
            usual.step(one, row)
            teacher.score(one, row)
        teacher.poll()
        lesson = teacher.calibration(0)
        assert lesson is not None
        for i in range(n):
            self.detector.restore(i, lesson)
            self.sensors.usual.restore(i, usual.usual.snapshot(0))

    def step(self, members: NDArray[np.int64], pick: int) -> None:
        x = self.values[pick % 16][members]
        mask, _ = self.sensors.step(members, x)
        scores = self.detector.score(members, x if mask is None else np.where(mask, np.nan, x))
        time_ = np.full(len(members), self.now)
        self.alarms.step(members, scores.score, scores.threshold, time_, scores.lead)

    def tick(self) -> None:
        self.now += SECOND


def median(work: Callable[[int], None], calls: int) -> float:
    """Seconds of CPU of one call: the median of the least disturbed fifth."""
    took = []
    for number in range(calls):
        start = time.thread_time_ns()
        work(number)
        took.append(time.thread_time_ns() - start)
    return min(float(np.median(part)) for part in np.array_split(took, min(5, calls))) / 1e9


def one_call(n: int, width: int, calls: int) -> tuple[float, float]:
    """Microseconds per asset of the detector alone, and of all."""
    cohort = Cohort(n, width)
    members = np.arange(n)
    rows = [cohort.values[pick][members] for pick in range(16)]

    def whole(number: int) -> None:
        cohort.tick()
        cohort.step(members, number)

    def score(number: int) -> None:
        cohort.detector.score(members, rows[number % 16])

    median(whole, 5)
    return 1e6 * median(score, calls) / n, 1e6 * median(whole, calls) / n


def second(n: int = 10_000, width: int = 8, turns: int = 50) -> float:
    """CPU of one second of n assets at 1 Hz, spread over turns of 20 ms."""
    cohort = Cohort(n, width)
    parts = [np.arange(turn, n, turns) for turn in range(turns)]

    def work(number: int) -> None:
        cohort.tick()
        for part in parts:
            cohort.step(part, number)

    work(0)
    return median(work, 7)


def main() -> int:
    good = True
    for n, width, calls, limit in ((1, 8, 2000, 100), (1, 16, 2000, 100), (1, 32, 2000, 100), (4096, 8, 30, 3)):
        score, whole = one_call(n, width, calls)
        good &= score <= limit
        print(f"B={n:<5} D={width:<3} score {score:7.2f} us per asset (limit {limit}), all {whole:7.2f}")
    share = 100 * second()
    good &= share <= 10
    print(f"10,000 assets of 8 tags at 1 Hz: {share:.1f} % of a core (limit 10)")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
