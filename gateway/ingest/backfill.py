"""Fills gaps: what was missed during an outage is read from the history of the device, beside what is live.

It leaves the gateway as historical telemetry and touches nothing else: not the image, no model and no alarm. What each
tag has is kept over a restart of the gateway, in the adapter's own folder.
"""

import asyncio
import json
import os
import threading
from collections import Counter
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.ingest.missed import Missed, Outage
from gateway.sdk.adapter import Host
from gateway.sdk.batch import Batch, Kind, Sink
from gateway.sdk.history import Gap, Memory, ReadsHistory
from gateway.sdk.tags import NANOSECONDS, Connection, Device

_LOOK: Final = 1.0  # s between two looks for gaps; the tags of a device that come back together are filled together
_SAVE: Final = 60.0  # s between two savings; after a crash, as much may be told twice
_SAVE_FIRST: Final = 5.0  # s after a connect
_AGAIN: Final = 1_000_000  # ns before its end from which a gap is taken up that was left off there
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 600.0  # s before a device is asked again that did not answer
_TRIES: Final = 8


class Backfill:
    """The gaps of one connection."""

    def __init__(
        self, adapter: ReadsHistory, connection: Connection, host: Host, sink: Sink, counters: Counter[str]
    ) -> None:
        """`counters`: where those of this part are counted too."""
        self.counters = counters
        counters.update(readings_backfilled_total=0, gaps_filled_total=0, gaps_given_up_total=0)
        self._adapter, self._host, self._sink = adapter, host, sink
        self._devices = {device.id: device for device in connection.devices}
        self._missed = {d.id: Missed(d.tags[0].row, np.zeros(len(d.tags), np.int64)) for d in connection.devices}
        self._memories: Sequence[Memory] = ()
        self._writing = threading.Lock()  # a saving that was cancelled still ends on its thread
        self._failed: dict[int, tuple[int, float]] = {}  # device id → attempts without an answer, and when to try again

    def note(self, batch: Batch) -> None:
        """A live batch of readings; or one of the past that the device had held back."""
        missed = self._missed[batch.device]
        if batch.kind is Kind.HISTORY:
            missed.held_back(batch.rows, batch.time)
        else:
            missed.note(batch.rows, batch.time, batch.status)

    def cut(self) -> None:
        """The connection is lost."""
        for missed in self._missed.values():
            missed.cut()

    async def restore(self) -> None:
        """Take up what an earlier run of the gateway had, as before an outage."""
        for device in self._devices.values():
            kept = await asyncio.to_thread(_load, self._file(device), self._host.log)
            missed = self._missed[device.id]
            missed.last[:] = [kept.get(tag.name, 0) for tag in device.tags]
            if missed.last.any():
                missed.cut()

    async def beside(self, live: Coroutine[Any, Any, None]) -> None:
        """Run `live`, and fill gaps beside it; ends with the first of both, by its error."""
        jobs = [asyncio.create_task(live, name="live"), asyncio.create_task(self._run(), name="backfill")]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
            next(job for job in jobs if job.done()).result()
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await self._save()

    async def _run(self) -> None:
        self._memories = await self._adapter.remembers()
        self._failed.clear()
        clock = self._host.clock
        save = clock.monotonic() + _SAVE_FIRST
        while True:
            await clock.sleep_until(clock.monotonic() + _LOOK)
            for memory in self._memories:
                await self._look(memory)
            if clock.monotonic() >= save:
                save = clock.monotonic() + _SAVE
                await self._save()

    # --- filling ---

    async def _look(self, memory: Memory) -> None:
        missed = self._missed[memory.device]
        tries, due = self._failed.get(memory.device, (0, 0.0))
        if not missed.outages or self._host.clock.monotonic() < due:
            return
        wanted = np.zeros(len(missed.last), bool)
        wanted[memory.rows - missed.first] = True
        for outage in list(missed.outages):
            at = np.flatnonzero(outage.missing() & wanted)
            if len(at) and not await self._try(memory, outage, at, tries):
                return
        missed.forget_filled()

    async def _try(self, memory: Memory, outage: Outage, at: NDArray[np.intp], tries: int) -> bool:
        """Whether the device answered, or is not asked for this any more."""
        name = self._devices[memory.device].name
        try:
            came = await self._fill(memory, outage, at)
        except TimeoutError:
            wait = min(_FIRST_WAIT * 2**tries, _LONGEST_WAIT)
            self._failed[memory.device] = tries + 1, self._host.clock.monotonic() + wait
            if tries + 1 < _TRIES:
                return False
            self.counters["gaps_given_up_total"] += 1
            self._host.log.warning("the device does not tell its history; a gap stays", device=name, attempts=_TRIES)
        else:
            self.counters["gaps_filled_total"] += 1
            self._host.log.info("gap filled", device=name, tags=len(at), readings=came)
        self._failed.pop(memory.device, None)
        outage.filled(at, int(outage.until[at].max()))
        return True

    async def _fill(self, memory: Memory, outage: Outage, at: NDArray[np.intp]) -> int:
        """Ask for what is missing at these places, no faster than allowed. How much came."""
        earliest = outage.until[at] - int(memory.longest * NANOSECONDS)
        if (outage.since[at] < earliest).any():
            name = self._devices[memory.device].name
            self._host.log.warning("gap longer than is asked for; its oldest part stays", device=name)
        since, until = np.maximum(outage.since[at], earliest), outage.until[at].copy()
        rows = (at + self._missed[memory.device].first).astype(np.uint32)
        clock, came = self._host.clock, 0
        async for found in self._adapter.missed(Gap(memory.device, rows, since, until)):
            batch = found.chosen(outage.untold(found.rows, found.time))
            self._sink(batch)
            came += len(batch)
            self.counters["readings_backfilled_total"] += len(batch)
            outage.filled(at, int(found.time.max()) - _AGAIN)
            await clock.sleep_until(clock.monotonic() + len(batch) / memory.rate)
        return came

    # --- what is kept ---

    def _file(self, device: Device) -> Path:
        return self._host.home / "history" / f"{device.name}.json"

    async def _save(self) -> None:
        for memory in self._memories:
            instants = self._missed[memory.device].complete_until()
            await asyncio.to_thread(self._store, self._devices[memory.device], memory.rows, instants)

    def _store(self, device: Device, rows: NDArray[np.uint32], instants: NDArray[np.int64]) -> None:
        """Whole or not at all: a new file in the place of the old one."""
        tags, places = device.tags, (rows - device.tags[0].row).tolist()
        kept = {tags[place].name: int(instants[place]) for place in places if instants[place]}
        path = self._file(device)
        new = path.with_suffix(".new")
        try:
            with self._writing:
                path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
                with new.open("wb") as file:
                    file.write(json.dumps({"schema": 1, "complete_until": kept}).encode())
                    file.flush()
                    os.fsync(file.fileno())
                new.replace(path)
        except OSError as error:
            self._host.log.warning("what was read cannot be kept over a restart", file=str(path), error=str(error))


def _load(path: Path, log: Any) -> dict[str, int]:
    """Up to when each tag has no gap, Unix ns; nothing where nothing was kept or it cannot be read."""
    try:
        content = json.loads(path.read_bytes())
        return {str(name): int(instant) for name, instant in content["complete_until"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        log.warning("what was read before the restart is not known: that gap stays", file=str(path), error=repr(error))
        return {}
