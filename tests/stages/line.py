"""One asset that is given scores, for the tests of its alarm."""

import numpy as np

from gateway.config.assets import AlarmConfig
from gateway.stages.alarm import SECOND, Alarms, Event, State, Transition

START = 1_700_000_000 * SECOND
PLAIN = AlarmConfig(on_delay=0.0, off_delay=0.0, deadband=0.0)


class Line:
    """One asset that is given a row a second."""

    def __init__(self, config: AlarmConfig = PLAIN) -> None:
        self.alarms, self.now = Alarms([config]), START

    def rows(self, *scores: float, threshold: float = 1.0, step: float = 1.0) -> list[Transition]:
        moved = []
        for score in scores:
            self.now += round(step * SECOND)
            columns = np.array([score]), np.array([threshold]), np.array([self.now])
            moved += self.alarms.expire(self.now) + self.alarms.step(np.zeros(1, np.int64), *columns)
        return moved

    def command(self, event: Event, until: int | None = None) -> Transition | None:
        return self.alarms.command(0, event, self.now, until)

    @property
    def state(self) -> State:
        return State(self.alarms.state[0])
