"""What is done with what comes, and with time: turns, sweeps, scores by period; and what must be kept of them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from gateway.deliver.outbox import Outbox
from gateway.deliver.upkeep import report
from gateway.judging import Announce
from gateway.keeping import Keeping
from gateway.models.answers import collect
from gateway.models.tending import News
from gateway.operators.desk import Desk
from gateway.ops.health import Health
from gateway.outlet import Outlet
from gateway.running import Running
from gateway.sdk import Clock
from gateway.sdk.batch import Batch
from gateway.stages.score import Scores

SWEEP: Final = 1.0  # s between two looks for stale values
MEMORY: Final = 60.0  # s between two savings of what the detectors have smoothed


class Work:
    """Works on what runs.

    Attributes:
        running: what runs; set before anything comes, and again when another configuration takes over.
        outlet, desk: set before anything runs.
        rests: whether another configuration is just taking over.
    """

    running: Running
    outlet: Outlet
    desk: Desk

    def __init__(self, state: Path, clock: Clock, health: Health, outbox: Outbox, keeping: Keeping) -> None:
        self._state, self._clock, self._health, self._outbox, self._keeping = state, clock, health, outbox, keeping
        self.announce: Announce = lambda _name, _kind, _text, _fields: None
        self.rests = False

    def turn(self, batches: Sequence[Batch], now: int) -> None:
        """Work on what came; `now` is monotonic ns."""
        self.running.pipeline.process(batches, now)
        self._note()
        self.keep()

    def late(self, ticket: int, scores: Scores) -> None:
        """A user's model has answered."""
        pipeline = self.running.pipeline
        pipeline.scored.clear()
        pipeline.late(ticket, scores)
        self.running.status.note()
        self.keep()

    def keep(self) -> None:
        """Keep what has just been learnt, and alarms that have changed."""
        self._keeping.changes(self.running.judging.learning, self.running.judging.records)

    def remember(self) -> None:
        """Keep what detectors have smoothed and gathered, and what was recorded."""
        self._keeping.memories(self.running.judging.learning, self.running.judging.recorder)

    async def sweep(self) -> None:
        """Once a second: what has gone stale, how the parts are, what operators want. For ever."""
        remember = self._clock.monotonic() + MEMORY
        while True:
            await asyncio.sleep(SWEEP)
            if self.rests:
                continue
            self.running.judging.records.keep_shelved()
            self.running.pipeline.sweep(int(self._clock.monotonic() * 1e9), self._clock.wall_ns())
            self._look()
            await self.desk.look()
            answers = await asyncio.to_thread(collect, self._state)
            self._tell(self.running.judging.tending.answer(answers))
            if self._clock.monotonic() >= remember:
                remember += MEMORY
                self.remember()
                self._tell(self.running.judging.tending.look())
            self.keep()

    async def score_by_time(self) -> None:
        """Score the assets that have a period of their own, on absolute deadlines. For ever."""
        judged = self.running.judging.judged
        timed = np.array(judged.timed, np.int64)
        every = np.array([judged.periods[asset] for asset in judged.timed])
        due = self._clock.monotonic() + every
        while True:
            await self._clock.sleep_until(float(due.min()))
            now = self._clock.monotonic()
            ripe = due <= now
            if not self.rests:
                self.running.pipeline.scored.clear()
                self.running.pipeline.evaluate(timed[ripe], self._clock.wall_ns())
                self._note()
            due[ripe] += every[ripe] * np.ceil((now - due[ripe]) / every[ripe] + 1e-9)
            self.keep()

    def _look(self) -> None:
        report(self._health, self._outbox, self.outlet.publisher)
        self._keeping.report(self._health)
        self.outlet.tell()
        self.running.judging.flood.look(self._clock.wall_ns())

    def _note(self) -> None:
        """Remember what was scored in this turn: for those who look, and on disk."""
        self.running.status.note()
        self.running.judging.record(self.running.pipeline)

    def _tell(self, news: Sequence[News]) -> None:
        for one in news:
            if one.forget:
                self._keeping.forget(one.name)
            self.announce(one.name, one.kind, one.text, one.fields)
