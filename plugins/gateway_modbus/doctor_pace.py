"""How a device wants to be asked: the pause that it needs between requests, and the timeout that suits it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway_modbus.faults import SILENT

PAUSES: Final = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)  # s
TRIALS: Final = 6  # requests in a row that must all be answered
MARGIN: Final = 1.2  # on top of the shortest pause that did
ROUND: Final = 0.01  # s: a pause is told in steps of it
TIMEOUTS: Final = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)  # s
SLACK: Final = 3.0  # times the slowest answer

Try = Callable[[float], Awaitable[int]]
"""Ask for something harmless after a pause of so many seconds: → outcome (`faults`)."""


async def needed_pause(attempt: Try) -> float | None:
    """Seconds that must lie between an answer and the next request; None where even the longest pause is not enough."""
    for pause in PAUSES:
        if await _all_answered(attempt, pause):
            return pause
    return None


async def _all_answered(attempt: Try, pause: float) -> bool:
    for _ in range(TRIALS):
        if await attempt(pause) in SILENT:
            return False
    return True


def advised_pause(needed: float) -> float:
    """The pause to configure: a fifth more than what was needed, in whole hundredths of a second."""
    return -(-needed * MARGIN // ROUND) * ROUND if needed else 0.0


def advised_timeout(times: Sequence[float]) -> float:
    """The timeout to configure: three times the slowest answer, rounded up."""
    wanted = SLACK * max(times, default=0.0)
    return next((timeout for timeout in TIMEOUTS if timeout >= wanted), TIMEOUTS[-1])
