"""Writes that follow alarms by themselves: `then` of an alarm, once each time that it is raised.

Nobody polls alarms: a change of state sets a timer or takes it back. The id of such a write is that of the activation
(alarm, time of its raise, number of the entry), so that a restart in between cannot write twice. While the device is
away it is waited for, as long as the alarm is active and `writes.expires` lasts; nothing else is tried twice.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gateway.config.assets import ThenConfig
from gateway.operators.known import Heard
from gateway.operators.outcome import Outcome
from gateway.sdk import Clock
from gateway.stages.states import ACTIVE, State, Transition
from gateway.stages.watch import Watch
from gateway.stages.writing import OF_RULES, Action, WriteCommand

RULE = "rule"
AGAIN = 0.5  # s between two looks whether a device is there
Give = Callable[[WriteCommand, str, Heard, int], None]


class Reflexes:
    """The `then` of all alarms.

    Args:
        watch: all alarms.
        give: takes commands; see Writes.give.
        there: whether the device of device.tag answers.
        lasts: seconds after which a command that still waits is not carried out any more.
        clock: of the gateway.
        doubt: gives why it is not to be trusted now; empty: it is.
    """

    def __init__(
        self, watch: Watch, give: Give, there: Callable[[str], bool], lasts: float, clock: Clock,
        doubt: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self._watch, self._give, self._there, self._lasts, self._clock = watch, give, there, lasts, clock
        self._doubt = doubt
        self._timers: dict[int, list[asyncio.TimerHandle]] = {}  # by alarm

    def note(self, change: Transition) -> None:
        """An alarm has changed its state."""
        was, now = change.previous in ACTIVE, change.state in ACTIVE
        if now and not was:
            self._raised(change.asset, change.time, 0.0)
        elif was and not now:
            for timer in self._timers.pop(change.asset, ()):
                timer.cancel()

    def end(self) -> None:
        """Nothing follows any more."""
        for timer in [timer for timers in self._timers.values() for timer in timers]:
            timer.cancel()
        self._timers.clear()

    def restore(self, raised: Mapping[str, int]) -> None:
        """After a restart: alarms that are active go on counting from when they were raised (Unix ns UTC, by name).

        With a clock that is not trusted they count from now: late is safer than early.
        """
        state = self._watch.alarms.state
        for number, name in enumerate(self._watch.names):
            if State(state[number]) in ACTIVE and name in raised:
                age = 0.0 if self._doubt() else (self._clock.wall_ns() - raised[name]) / 1e9
                self._raised(number, raised[name], max(age, 0.0))

    def _raised(self, alarm: int, time: int, age: float) -> None:
        then: Sequence[ThenConfig] = self._watch.configs[alarm].alarm.then
        for number, one in enumerate(then):
            left = max(one.after - age, 0.0)
            until = self._clock.monotonic() + left + self._lasts
            if left:
                self._later(left, alarm, time, number, until)
            else:
                self._fire(alarm, time, number, until)

    def _later(self, wait: float, alarm: int, time: int, number: int, until: float) -> None:
        timer = asyncio.get_running_loop().call_later(wait, self._fire, alarm, time, number, until)
        timers = self._timers.setdefault(alarm, [])
        timers[:] = [timer, *(one for one in timers if one.when() > timer.when() - wait)]  # those behind us are over

    def _fire(self, alarm: int, time: int, number: int, until: float) -> None:
        name, one = self._watch.names[alarm], self._watch.configs[alarm].alarm.then[number]
        if not self._there(one.write) and self._clock.monotonic() < until:
            self._later(AGAIN, alarm, time, number, until)
            return
        command = WriteCommand(
            Action.WRITE, one.write, one.value, f"{OF_RULES}{name}/{time}/{number}", name,
            expires=self._clock.wall_ns() + round(self._lasts * 1e9),
        )  # fmt: skip
        self._give(command, RULE, _nobody, time + round(one.after * 1e9))


def _nobody(_outcome: Outcome) -> None:
    """Nobody waits for it: its event tells the plant."""
