"""From score to alarm state, for all assets at once: the states of ISA-18.2 (`states.py`), and the delays before them.

A score must stay above its threshold for the on-delay before the alarm goes active, and below the dead-band for the
off-delay before it returns. The budget (`budget.py`) moves the threshold, so that the number of events in the long run
stays near it whatever the calibration was worth; an alarm that stays (`stuck.py`) is asked about.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.config.assets import AlarmConfig
from gateway.stages.budget import RAISE_BY, RAISE_MAX, Budget
from gateway.stages.passing import Passing
from gateway.stages.states import ACTIVE, MAY_RAISE, MAY_RETURN, TABLE, Event, State, Transition
from gateway.stages.stuck import Stuck

__all__ = ["ACTIVE", "RAISE_BY", "RAISE_MAX", "TABLE", "Event", "State", "Transition"]

SECOND: Final = 1_000_000_000
LONGEST: Final = 24 * 3600 * SECOND  # that an alarm may be shelved: what is shelved for good is forgotten
APART: Final = 60  # rows; an alarm that comes back within them is the same event
NEVER: Final = np.int64(-1)


class Alarms:
    """The alarm of every asset, one row each. Objects only for changes of state."""

    def __init__(self, configs: Sequence[AlarmConfig], kinds: int = 1, lower: Sequence[bool] | None = None) -> None:
        """As many alarms as `configs`.

        Args:
            configs: one an asset.
            kinds: into how many kinds the events of an asset are told apart, one a tag.
            lower: whose threshold the budget may lower; nobody's unless given.
        """
        n = len(configs)
        self.state = np.zeros(n, np.uint8)
        self.budget = Budget([c.budget / SECOND for c in configs], kinds, lower or [False] * n)
        self.stuck = Stuck([round(c.stays * SECOND) for c in configs])
        self._lead, self._kind = np.zeros((2, n), np.int64)  # kind of the last row, and of the last event
        self._idle = np.zeros(n, np.int64)  # ns of calm that the budget has not heard of
        self._on, self._off, self._realarm = (
            np.array([round(getattr(c, name) * SECOND) for c in configs], np.int64)
            for name in ("on_delay", "off_delay", "realarm")
        )
        self._latch = np.array([c.latch for c in configs], bool)
        self._return_at = np.array([1 - c.deadband for c in configs], float)
        self._passing = Passing(n)
        self._above_for, self._below_for = np.full((2, n), NEVER)  # ns; never: not above, not below
        self._since_raise = np.full(n, NEVER)  # ns; never: no alarm yet
        self._since = np.zeros(n, np.int64)  # when the score went above or below
        self._quiet = np.full(n, NEVER)  # rows since the alarm ended; never: it has not, or the event is accounted for
        self._until = np.full(n, NEVER)  # end of shelving
        self._score, self._threshold = np.full((2, n), np.nan)
        self._calm = np.zeros(n, bool)  # nothing counts for or against it: only a score above changes anything

    def __len__(self) -> int:
        return len(self.state)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Mask over the assets whose alarm is active."""
        return np.isin(self.state, ACTIVE)

    @property
    def limit(self) -> NDArray[np.float64]:
        """f8[n], the threshold that held for the last row of each asset; NaN while there is none."""
        return self._threshold

    def step(
        self,
        assets: NDArray[np.int64],
        score: NDArray[np.float64],
        threshold: NDArray[np.float64],
        time: NDArray[np.int64],
        kind: NDArray[np.int64] | None = None,
    ) -> list[Transition]:
        """Take one row of each of `assets` and say what changed.

        A score of NaN (the asset abstains) holds everything as it is. Only the time between rows counts, never the
        date: a source clock that is set stops the delays for one row, and no more (`passing.py`).

        Args:
            assets: i8[B], each at most once.
            score: f8[B].
            threshold: f8[B].
            time: i8[B], source time of the rows, Unix ns UTC.
            kind: i8[B], the tag that leads each score; one kind unless given.
        """
        least = np.maximum(threshold * self.budget.least[assets], np.minimum(threshold, 1.0))
        if self._calm[assets].all() and (score <= least).all() and (self._idle[assets] < self.budget.nap[assets]).all():
            self._idle[assets] += self._passing.step(assets, time)
            self._score[assets], self._threshold[assets] = score, threshold
            return []
        kind = np.zeros(len(assets), np.int64) if kind is None else kind
        moved = self._walk(assets, score, threshold, time, kind)
        self._calm[assets] = self._at_rest(assets)
        return moved

    def _walk(
        self,
        assets: NDArray[np.int64],
        score: NDArray[np.float64],
        threshold: NDArray[np.float64],
        time: NDArray[np.int64],
        kind: NDArray[np.int64],
    ) -> list[Transition]:
        """As step, through all counts."""
        known = ~np.isnan(score)
        elapsed = self._elapsed(assets, time, known)
        if not known.all():
            assets, score, threshold, time = assets[known], score[known], threshold[known], time[known]
            kind = kind[known]
        self._adapt(assets, elapsed)
        active = self.active[assets]
        kind = self._lead[assets] = np.where(active, self._kind[assets], kind)  # an event keeps its kind
        limit = np.maximum(self.budget.limit(assets, kind, threshold), self.stuck.level[assets])
        self.stuck.step(assets, active, score, elapsed)
        self._score[assets], self._threshold[assets] = score, limit
        above, below = score > limit, score < limit * self._return_at[assets]
        self._count(self._above_for, assets, above, elapsed, time)
        self._count(self._below_for, assets, below, elapsed, time)
        return self._raised(assets, time) + self._returned(assets, time)

    def command(self, asset: int, event: Event, time: int, until: int | None = None) -> Transition | None:
        """Let an operator, or the plant, move one alarm; None when its state knows no such event.

        Args:
            asset: number of the asset.
            event: anything but raise and return, which only the score gives.
            time: when, Unix ns UTC.
            until: end of shelving, Unix ns UTC; only with Event.SHELVE, LONGEST from `time` unless given.
        """
        target = TABLE.get((State(self.state[asset]), event))
        if target is None or event in (Event.RAISE, Event.RETURN):
            return None
        latest = time + LONGEST
        self._until[asset] = min(until or latest, latest) if event is Event.SHELVE else NEVER
        self._calm[asset] = False
        return self._move(asset, event, time, time)

    def expire(self, time: int) -> list[Transition]:
        """End the shelving that is over at `time`, Unix ns UTC; once a second is often enough.

        By the wall clock, not by the rows: an asset without rows must not stay shelved. An end that is further away
        than any shelving may be was kept before a restart with a clock set back, and counts as over.
        """
        over = (self.state == State.SHELVED) & ((time >= self._until) | (self._until > time + LONGEST))
        self._until[over] = NEVER
        return [self._move(asset, Event.UNSHELVE, time, time) for asset in np.flatnonzero(over).tolist()]

    def shift(self, by: int) -> list[int]:
        """The wall clock was set by so many ns: what is left of shelving is left. The numbers of those it moves."""
        shelved = np.flatnonzero(self.state == State.SHELVED)
        self._until[shelved] += by
        moved: list[int] = shelved.tolist()
        return moved

    def until(self, asset: int) -> int | None:
        """When shelving ends, Unix ns UTC; None for an alarm that is not shelved."""
        return int(self._until[asset]) if self.state[asset] == State.SHELVED else None

    def forgive(self, asset: int) -> None:
        """Forget what earlier events did to the threshold of `asset`: its normal is another one from now on."""
        self.budget.forgive(asset)
        self.stuck.forgive(asset)

    def snapshot(self, asset: int) -> dict[str, Any]:
        """What must survive a restart, as JSON takes it."""
        return {
            "state": State(self.state[asset]).name.lower(),
            "budget": self.budget.snapshot(asset),
            "kind": int(self._kind[asset]),
            "stuck": self.stuck.snapshot(asset),
            "until": int(self._until[asset]),
            "since_raise": int(self._since_raise[asset]),
            "quiet": int(self._quiet[asset]),
        }

    def restore(self, asset: int, record: dict[str, Any]) -> None:
        """Take up what `snapshot` gave. Raises KeyError, TypeError or ValueError when the record is not one."""
        state, kind = State[str(record["state"]).upper()], int(record["kind"])
        until, since_raise, quiet = int(record["until"]), int(record["since_raise"]), int(record["quiet"])
        self.stuck.restore(asset, record["stuck"])
        self.budget.restore(asset, record["budget"])
        self.state[asset] = state
        self._kind[asset] = kind if kind < self.budget.raised.shape[1] else 0
        self._until[asset] = until if state is State.SHELVED else NEVER
        self._since_raise[asset], self._quiet[asset] = since_raise, quiet
        self._calm[asset] = False

    def _at_rest(self, assets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `assets` are normal, with no count running and a threshold that nothing has raised."""
        raised, idle = self._since_raise[assets], self._quiet[assets] == NEVER
        rested = (raised == NEVER) | (raised >= self._realarm[assets])
        normal = (self.state[assets] == State.NORMAL) & (self._above_for[assets] == NEVER)
        at_rest: NDArray[np.bool_] = normal & self.budget.at_rest(assets) & self.stuck.at_rest(assets) & rested & idle
        return at_rest

    def _elapsed(
        self, assets: NDArray[np.int64], time: NDArray[np.int64], known: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Time since the last row of each asset; of the known ones, for an abstention holds everything."""
        elapsed = self._passing.step(assets, time)[known]
        raised = self._since_raise[assets[known]]
        self._since_raise[assets[known]] = np.where(raised == NEVER, NEVER, raised + elapsed)
        return elapsed

    def _adapt(self, assets: NDArray[np.int64], elapsed: NDArray[np.int64]) -> None:
        """Let time pass for the budget, and charge it with the events that are over."""
        self.budget.advance(assets, elapsed + self._idle[assets])
        self._idle[assets] = 0
        quiet = self._quiet[assets]
        quiet = np.where(quiet == NEVER, NEVER, quiet + 1)
        over = quiet > APART
        self._quiet[assets] = np.where(over, NEVER, quiet)
        self.budget.charge(assets[over], self._kind[assets[over]])

    def _count(
        self,
        column: NDArray[np.int64],
        assets: NDArray[np.int64],
        holds: NDArray[np.bool_],
        elapsed: NDArray[np.int64],
        time: NDArray[np.int64],
    ) -> None:
        """Let `column` say for how long `holds` has been so without a break."""
        so_far = column[assets]
        first = holds & (so_far == NEVER)
        column[assets] = np.where(holds, np.where(first, 0, so_far + elapsed), NEVER)
        self._since[assets[first]] = time[first]

    def _raised(self, assets: NDArray[np.int64], time: NDArray[np.int64]) -> list[Transition]:
        above, since = self._above_for[assets], self._since_raise[assets]
        rested = (since == NEVER) | (since >= self._realarm[assets])
        due = MAY_RAISE[self.state[assets]] & (above != NEVER) & (above >= self._on[assets]) & rested
        moved = [self._by_score(int(assets[i]), Event.RAISE, int(time[i])) for i in np.flatnonzero(due)]
        self._since_raise[assets[due]], self._quiet[assets[due]] = 0, NEVER
        self._kind[assets[due]] = self._lead[assets[due]]
        return moved

    def _returned(self, assets: NDArray[np.int64], time: NDArray[np.int64]) -> list[Transition]:
        below = self._below_for[assets]
        state = self.state[assets]
        latched = self._latch[assets] & (state == State.ACTIVE_UNACKNOWLEDGED)  # ISA-18.2: until acknowledged
        due = MAY_RETURN[state] & ~latched & (below != NEVER) & (below >= self._off[assets])
        return [self._by_score(int(assets[i]), Event.RETURN, int(time[i])) for i in np.flatnonzero(due)]

    def _by_score(self, asset: int, event: Event, time: int) -> Transition:
        return self._move(asset, event, time, int(self._since[asset]))

    def _move(self, asset: int, event: Event, time: int, since: int) -> Transition:
        previous = State(self.state[asset])
        state = TABLE[previous, event]
        self.state[asset] = state
        if previous in ACTIVE and state not in ACTIVE:
            self._quiet[asset] = 0  # counted when it is over, not at the raise: an alarm must not end by its own doing
        score, threshold = float(self._score[asset]), float(self._threshold[asset])
        return Transition(asset, time, previous, state, event, score, threshold, since)
