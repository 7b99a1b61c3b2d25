"""Devices asked directly, beside the gateway: what `fieldgate read` shows, once or for as long as somebody watches."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.cli.common import complain
from gateway.ingest.connections import connections
from gateway.ingest.image import Image
from gateway.ingest.registry import Registry
from gateway.ops.clock import SystemClock
from gateway.sdk.adapter import Adapter, Host
from gateway.sdk.batch import Batch, Kind
from gateway.sdk.config import DeviceConfig
from gateway.sdk.errors import DisconnectedError
from gateway.sdk.quality import BAD, BAD_NOT_CONNECTED
from gateway.sdk.tags import TagTable
from gateway.stages.condition import Conditioner, Readings
from gateway.stages.meaning import Meanings

Rows = NDArray[np.int64]
_FIRST, _LONGEST = 1.0, 10.0  # s between two attempts to connect
_OPEN_WITHIN: Final = 30.0  # s, as the gateway allows
_STEP, _STEPS = 1.0, 3  # s, and how often: devices say what values mean in steps of half a second, for minutes


def narrowed(devices: Sequence[DeviceConfig], tags: Sequence[str]) -> list[DeviceConfig]:
    """`devices` with no more than the tags that are meant: DEVICE or DEVICE.TAG; all of them where none is named."""
    found = []
    for device in devices:
        whole = not tags or device.device in tags
        chosen = {name: tag for name, tag in device.tags.items() if whole or f"{device.device}.{name}" in tags}
        if chosen:
            found.append(device.model_copy(update={"tags": chosen}))
    return found


@contextlib.contextmanager
def borrowed(own: Path) -> Iterator[Path]:
    """A folder with what the gateway keeps for an adapter (certificates), to be thrown away; `own` is not touched."""
    with tempfile.TemporaryDirectory(prefix="fieldgate-") as folder:
        home = Path(folder) / "home"
        try:
            shutil.copytree(own, home)
        except OSError:  # somebody else than the gateway looks, or it has never run: a certificate of their own
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
        yield home


class Reading:
    """The tags of a table as their devices give them: an image that fills.

    Attributes:
        meanings: of the tags, as far as the devices have said by now.
        tell: called with the rows of each batch once the image has them, and of each loss.
        say: called with what is wrong.
    """

    def __init__(self, table: TagTable, broken: set[str]) -> None:
        """`broken`: devices that nothing can read."""
        self.image, self.table, self.broken = Image(table), table, broken
        self.meanings = Meanings(table)
        self.tell: Callable[[Rows], None] = _ignore
        self.say: Callable[[str], None] = complain
        self._conditioner, self._rows = Conditioner(table), np.arange(len(table))
        self._waiting = {group.id for group in table.groups if table.devices[group.device].name not in broken}
        self._complete = asyncio.Event()
        self._finish(set())

    def __call__(self, batch: Batch) -> None:
        """The sink of the adapters."""
        rows = self._rows[batch.rows]
        if batch.kind is Kind.DATA:
            raw = Readings(rows, batch.value, batch.time, batch.status)
            new = self._conditioner(raw, self.image.time[rows], np.isin(rows, list(batch.other)))
            self.image.forget(rows, batch.other)
            self.image.update(new, batch.status < BAD, 0)
            self.image.other.update(batch.other)
            self._heard(rows)

    async def once(self, adapter: Adapter) -> None:
        """Connect and read until cancelled; a device that is away is told of, and not waited for."""
        try:
            await adapter.connect()
            await adapter.run(self)
        except DisconnectedError as error:
            self.say(f"{adapter.connection.name}: {error}")
            self._finish({group.id for group in adapter.connection.groups})

    async def on_and_on(self, adapter: Adapter) -> None:
        """Connect and read until cancelled, and again after each loss, which is told of once."""
        wait, told = _FIRST, ""
        while True:
            try:
                async with asyncio.timeout(_OPEN_WITHIN):
                    await adapter.connect()
                wait, told = _FIRST, ""
                await adapter.run(self)
            except (DisconnectedError, TimeoutError) as error:
                if told != (told := str(error) or "no answer"):
                    self.say(f"{adapter.connection.name}: {told}")
            self._lost(adapter)
            await adapter.close()
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST)

    async def complete(self, within: float) -> None:
        """Wait until one scan of every group has come, `within` seconds at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._complete.wait(), within)

    async def learnt(self) -> None:
        """Wait until the devices that say what their values mean say no more of it, a few seconds at most."""
        known = -1
        for _ in range(_STEPS if self.meanings.may_say else 0):
            if known == (known := self.meanings.known):
                return
            await asyncio.sleep(_STEP)

    def _lost(self, adapter: Adapter) -> None:
        for group in adapter.connection.groups:
            rows = self._rows[group.rows]
            self.image.value[rows], self.image.status[rows] = np.nan, BAD_NOT_CONNECTED
            self.image.forget(rows, ())
            self._heard(rows)

    def _heard(self, rows: Rows) -> None:
        self.tell(rows)
        self._finish(set(np.unique(self.table.group[rows]).tolist()))

    def _finish(self, groups: set[int]) -> None:
        self._waiting -= groups
        if not self._waiting:
            self._complete.set()


@contextlib.asynccontextmanager
async def opened(registry: Registry, reading: Reading, homes: Path) -> AsyncIterator[list[Adapter]]:
    """An adapter for each connection, closed again when the block is left; `homes` has a folder for each kind."""
    found = []
    for kind, connection in connections(reading.table, reading.broken):
        await asyncio.to_thread((homes / kind).mkdir, exist_ok=True)
        found.append(registry.adapter(kind)(connection, Host(SystemClock(), homes / kind, structlog.get_logger())))
    reading.meanings.said_by(found)
    try:
        yield found
    finally:
        for adapter in found:
            await adapter.close()


async def ask(reading: Reading, found: Sequence[Adapter], within: float, *, meanings: bool = False) -> None:
    """One look: until everything has been heard or told of, `within` seconds at most; and what it means, if wanted."""
    async with running([reading.once(adapter) for adapter in found]):
        await reading.complete(within)
        if meanings:
            await reading.learnt()


@contextlib.asynccontextmanager
async def running(work: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """`work` goes on in tasks while the block runs; a bug of an adapter is told, and costs its own devices only."""
    tasks = [asyncio.create_task(one) for one in work]
    for task in tasks:
        task.add_done_callback(_tell_fault)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_fault(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        complain(f"a fault of the adapter: {fault!r}")


def _ignore(_rows: Rows) -> None:
    pass
