"""A steady pace for what is sent into somebody's network."""

from gateway.sdk.clock import Clock


class SteadyPace:
    """No more packets a second than were agreed: each waits for those before it, and none are saved up.

    Attributes:
        spent: packets that were allowed so far.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        """`rate` in packets a second."""
        self.spent = 0
        self._rate, self._clock = rate, clock
        self._free = clock.monotonic()

    async def spend(self, packets: int) -> None:
        """Wait until `packets` may be sent. Those who wait are served in turn."""
        due = max(self._free, self._clock.monotonic())
        self._free = due + packets / self._rate
        self.spent += packets
        await self._clock.sleep_until(self._free)
