"""Time, as the core and the adapters are given it.

Scheduling uses the monotonic clock only. Wall time is data: it may jump by a year and nothing stalls or bursts.
"""

from typing import Protocol


class Clock(Protocol):
    """What tells the time. `gateway.ops.clock.SystemClock` in the daemon, a fake in tests."""

    def wall_ns(self) -> int:
        """Unix time in nanoseconds, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back, the same as the event loop's `time()`."""

    async def sleep_until(self, due: float) -> None:
        """Sleep until the monotonic clock reads `due`; at least one turn of the loop is given away."""
