"""The clock of the daemon."""

import asyncio
import time


class SystemClock:
    """Wall and monotonic time of this machine; sleeps on the running loop."""

    def wall_ns(self) -> int:
        """Unix time in nanoseconds, UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds on CLOCK_MONOTONIC, as the event loop's `time()`."""
        return time.monotonic()

    async def sleep_until(self, due: float) -> None:
        """Sleep until the monotonic clock reads `due`; at least one turn of the loop is given away."""
        await asyncio.sleep(max(0.0, due - time.monotonic()))
