"""What must survive a restart, on its way to the thread that keeps it: calibrations, memories, alarms, recordings."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from gateway.models.learning import Learning
from gateway.models.recorder import Recorder
from gateway.operators.records import AlarmRecords
from gateway.ops.health import Health, State
from gateway.ops.metrics import Sample
from gateway.ops.volatile import volatile
from gateway.sdk import Clock
from gateway.state.history import FILE
from gateway.state.store import StateStore
from gateway.state.thread import REMEDY, StateThread

LASTS: Final = "give it a disk: gateway.state on one, or a volume mounted there"


class Beside:
    """One thread beside the loop. A fault in its work is told, not swallowed with its future."""

    def __init__(self, name: str, log: Any) -> None:
        self._thread, self._log = ThreadPoolExecutor(1, name), log

    def __call__(self, job: Callable[[], None]) -> None:
        """Do `job` there, when all before it is done."""
        self._thread.submit(job).add_done_callback(self._told)

    async def result(self, work: Callable[[], Any]) -> Any:
        """What `work` gives there; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def end(self, *, finish: bool = True) -> None:
        """Do what waits, or with finish=False nothing more."""
        self._thread.shutdown(wait=finish, cancel_futures=not finish)

    def _told(self, future: "Future[None]") -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._log.error("work beside the loop failed", part="state", error=repr(error))


class Keeping:
    """Keeps the state of one gateway in the folder `state`."""

    def __init__(self, state: Path, clock: Clock, log: Any, history: int) -> None:
        """`history`: changes of alarms' states that are kept."""
        self._path, self._clock, self._log, self.history = state / FILE, clock, log, history
        self._thread = StateThread("state", log)
        self._store: StateStore | None = None
        self._volatile = ""

    async def open(self, learning: Learning, alarms: AlarmRecords) -> None:
        """Open the store, and take up what an earlier run knew. Raises StateError for one of a newer version."""
        store = self._store = await self._thread.result(lambda: StateStore(self._path))
        if store.set_aside:
            self._log.warning("state was damaged and set aside", part="state", file=str(store.set_aside))
        await self.restore(learning, alarms)
        self._volatile = await asyncio.to_thread(volatile, self._path.parent)
        if self._volatile:
            self._log.warning("state will be lost", part="state", why=self._volatile, remedy=LASTS)

    async def restore(self, learning: Learning, alarms: AlarmRecords) -> None:
        """Take up what is kept, behind all that was given to be kept before."""
        store = self._opened
        await self._thread.result(lambda: learning.restore(store))
        alarms.restore(await self._thread.result(store.alarms), self._log)

    def changes(self, learning: Learning, alarms: AlarmRecords) -> None:
        """Keep what has just been learnt, and alarms that have changed their state."""
        store = self._opened
        for asset, fingerprint, content in learning.poll():
            made = self._clock.wall_ns()
            self._thread(lambda a=asset, f=fingerprint, c=content, m=made: store.keep_calibration(a, f, m, c))  # type: ignore[misc]
        states, changes = alarms.take()
        if states:
            self._thread(lambda: store.keep_alarms(states, changes, self.history))

    def memories(self, learning: Learning, recorder: Recorder | None) -> None:
        """Keep what detectors remember and gather, and what was recorded; now and then."""
        store = self._opened
        if memories := learning.memories():
            self._thread(lambda: store.keep_memories(memories), "memories")
        if chunks := learning.gathering():
            self._thread(lambda: store.keep_gathered(chunks))
        if recorder:
            blocks = recorder.take()
            self._thread(lambda: recorder.write(blocks))

    def forget(self, asset: str) -> None:
        """What was learnt of `asset` must not come back with a restart."""
        store = self._opened
        self._thread(lambda: store.forget_calibration(asset))

    def report(self, health: Health) -> None:
        """Note how keeping is doing."""
        if trouble := self._thread.trouble:
            health.report("state", State.FAILED, trouble, REMEDY)
        else:
            health.report("state", State.OK, self._volatile, LASTS if self._volatile else "")

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        yield Sample("state_writes_failed_total", self._thread.failed)
        yield Sample("state_writes_given_up_total", self._thread.given_up)
        disk = shutil.disk_usage(self._path.parent)
        yield Sample("disk_free_bytes", disk.free)
        yield Sample("disk_bytes", disk.total)

    async def close(self) -> None:
        """Keep what waits, and close."""
        await self._thread.result(self._opened.close)
        self._thread.end()

    @property
    def _opened(self) -> StateStore:
        assert self._store is not None  # noqa: S101 - `open` comes before anything that keeps state
        return self._store
