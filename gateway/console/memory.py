"""The recent past of one gateway: takes a sample each second, and finds the columns of tags and assets in it again."""

from dataclasses import dataclass

import numpy as np

from gateway.console.alarms import MS
from gateway.console.host import Host, now
from gateway.console.past import EVERY, F8, I8, Ring, depth
from gateway.running import Running
from gateway.sdk.quality import BAD


@dataclass(frozen=True, slots=True)
class Columns:
    """Where an asset stands in the samples: its tags, score, threshold, and the shares of its tags."""

    tags: I8
    score: int
    limit: int
    shares: I8


class Memory:
    """Samples of all tags, scores, thresholds and shares, side by side. On the console's loop.

    Attributes:
        running: whose samples these are.
        ring: the samples.
    """

    def __init__(self, host: Host, room: int) -> None:
        """`room`: bytes that it may take."""
        self._host, self._room = host, room
        self._take_up(now(host))

    def _take_up(self, running: Running) -> None:
        """Begin anew: another configuration has other columns."""
        self.running = running
        self._base = np.cumsum([0, *(shares.size for shares in running.status.shares)])
        width = len(running.table) + 2 * len(running.watch.names) + int(self._base[-1])
        self.ring = Ring(width, depth(width, self._room))

    async def run(self) -> None:
        """Take samples, for ever."""
        due = self._host.clock.monotonic()
        while True:
            due = max(due + EVERY, self._host.clock.monotonic())
            await self._host.clock.sleep_until(due)
            self.sample()

    def sample(self) -> None:
        """Take one."""
        running = now(self._host)
        if running is not self.running:
            self._take_up(running)
        image, status = running.pipeline.image, running.status
        value = np.where(image.status >= BAD, np.nan, image.value)
        shares = [one.ravel() for one in status.shares]
        self.ring.put(
            self._host.clock.wall_ns() // MS, np.concatenate([value, status.score, running.watch.alarms.limit, *shares])
        )

    def columns(self, asset: int) -> Columns:
        """Those of the asset of this number."""
        running = self.running
        cohort_of, place = running.watch.places()
        number, n = int(cohort_of[asset]), len(running.watch.names)
        width, first = running.watch.cohorts[number].index.shape[1], len(running.table)
        begin = first + 2 * n + int(self._base[number]) + int(place[asset]) * width
        rows = np.array(running.watch.rows[asset], np.int64)
        return Columns(rows, first + asset, first + n + asset, np.arange(begin, begin + width))

    def read(self, columns: I8, since: int) -> tuple[I8, F8]:
        """Times i8[n] (Unix ms) from `since` on, and samples f8[n, columns]."""
        return self.ring.read(columns, since)
