"""The thread on which state is kept. What a full or read-only disk refuses waits, and is kept when the disk takes it.

One line when it begins, one when it is over; in between the part `state` of the health says why.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

_MOST: Final = 1000  # jobs that wait for the disk; beyond it the oldest are given up and counted
REMEDY: Final = "free space, or mount the disk read-write; until then a restart forgets what has changed"

Job = Callable[[], None]


class StateThread:
    """Does one job after the other.

    Attributes:
        trouble: why nothing can be kept now; "" while all is well.
        failed: attempts that failed.
        given_up: jobs that were given up because too many waited.
    """

    def __init__(self, name: str, log: Any) -> None:
        self.trouble, self.failed, self.given_up = "", 0, 0
        self._thread, self._log = ThreadPoolExecutor(1, name), log
        self._jobs: dict[object, Job] = {}  # in their order
        self._lock = threading.Lock()

    def __call__(self, job: Job, key: str = "") -> None:
        """Do `job`, when all before it is done; one with a `key` stands for a former one that still waits."""
        with self._lock:
            self._jobs.pop(key, None)
            self._jobs[key or object()] = job
            while len(self._jobs) > _MOST:
                self._jobs.pop(next(iter(self._jobs)))
                self.given_up += 1
        self._thread.submit(self._work).add_done_callback(self._told)

    async def result(self, work: Callable[[], Any]) -> Any:
        """What `work` gives there, behind all that can be kept; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def end(self) -> None:
        """Do what waits, and end. Blocks."""
        self._thread.shutdown()

    def _work(self) -> None:
        while self._jobs:
            with self._lock:
                key, job = next(iter(self._jobs.items()))
            try:
                job()
            except (sqlite3.OperationalError, OSError) as error:  # full, read-only, broken: it may be otherwise later
                self._fails(error)
                return
            except BaseException:
                self._over(key, job)  # a bug in one job costs that job
                raise
            self._over(key, job)
        if self.trouble:
            self.trouble = ""
            self._log.warning("state is kept again")

    def _over(self, key: object, job: Job) -> None:
        with self._lock:
            if self._jobs.get(key) is job:  # no newer one has taken its place
                del self._jobs[key]

    def _told(self, future: "Future[None]") -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._log.error("work beside the loop failed", part="state", error=repr(error))

    def _fails(self, error: Exception) -> None:
        self.failed += 1
        if not self.trouble:
            self._log.error("state cannot be kept", part="state", why=str(error), remedy=REMEDY)
        self.trouble = str(error) or repr(error)
