"""The runner: what every adapter shares. One per connection.

It connects, lets the adapter run, and when that ends closes and tries again: back-off with full jitter, under a budget
of attempts for the whole gateway. One line when a device is lost, one when it is back. A fault that is no
DisconnectedError is a bug of that adapter: it is counted and logged with its traceback, and after a few in a row the
connection is set aside for minutes (circuit breaker) while all others go on.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.ingest.backfill import Backfill
from gateway.ingest.renumber import Shift, renumber, shifts
from gateway.ops.health import Health, State
from gateway.sdk.adapter import Adapter
from gateway.sdk.batch import Batch, Kind, Sink
from gateway.sdk.call import CallFailedError, CallRefusedError
from gateway.sdk.clock import Clock
from gateway.sdk.errors import DisconnectedError
from gateway.sdk.events import Tell, unheard
from gateway.sdk.history import ReadsHistory
from gateway.sdk.quality import BAD, BAD_CONFIGURATION_ERROR, BAD_DEVICE_FAILURE, BAD_NOT_CONNECTED, name
from gateway.sdk.tags import Connection, Device, Tag
from gateway.sdk.write import Value, WriteRefusedError, Writes, Written

_T = TypeVar("_T")
_CONNECT_WITHIN = 30.0  # s; adapters are to be quicker, this is the last bound
_CLOSE_WITHIN = 5.0  # s
_SETTLED = 10.0  # s of running after which a connection counts as good again


@dataclass(frozen=True)
class Retry:
    """How attempts are spaced, in seconds.

    Waits grow with the time that a device has been away, not with attempts: what was restarted is there again within a
    second, and what is dead for hours is asked twice a minute.
    """

    first: float = 1.0
    longest: float = 30.0
    share: float = 0.1  # of the time away, that a wait may take
    open_after: int = 5  # faults in a row after which the breaker opens
    open_for: float = 300.0

    def wait(self, away: float, faults: int, draw: float) -> float:
        """Seconds before the next attempt, `away` seconds after the first failure.

        Full jitter (0..cap), `draw` in [0, 1); never less than 50 ms.
        """
        if faults >= self.open_after:
            return self.open_for
        cap = min(self.longest, max(self.first, self.share * away))
        return float(max(0.05, cap * draw))


@dataclass(frozen=True)
class Surroundings:
    """What a runner shares with all others."""

    clock: Clock
    log: Any
    health: Health
    budget: asyncio.Semaphore  # attempts to connect that may be under way at one time
    tell: Callable[[str, str, str], None] = lambda _device, _kind, _text: None  # an event for the plant
    hear: Tell = unheard  # what happens in the devices themselves
    draw: Callable[[], float] = random.random
    retry: Retry = Retry()


class Runner:
    """Keeps one connection alive, for ever."""

    def __init__(self, adapter: Adapter, sink: Sink, around: Surroundings) -> None:
        self.adapter = adapter
        self.connection: Connection = adapter.connection
        self.counters: Counter[str] = Counter(connects_total=0, losses_total=0, faults_total=0, scans_failed_total=0)
        self._sink, self._around = sink, around
        self._backfill: Backfill | None = None
        if isinstance(adapter, ReadsHistory):
            self._backfill = Backfill(adapter, adapter.connection, adapter.host, self._out, self.counters)
        self._muted = False
        self._shifts: dict[int, Shift] = {}  # by device, as the adapter numbers them; empty: as the table does
        self._sequence: Counter[int] = Counter()
        self._lost: dict[int, int] = {}  # device id → StatusCode for which it is lost
        self._faults = 0
        self._failing: float | None = None  # since when, monotonic; None: all is well
        self._starting = {device.id for device in self.connection.devices}  # not heard from yet

    @property
    def lost(self) -> dict[int, int]:
        """Devices of `connection` that are lost now, with the StatusCode that says why."""
        return dict(self._lost)

    def mute(self, *, on: bool = True) -> None:
        """Let nothing more out: another configuration has taken over, whether the adapter has ended yet or not."""
        self._muted = on

    def renumber(self, now: Mapping[str, Device]) -> None:
        """From now on batches bear the numbers that their devices, by name, have in another table."""
        self._shifts = shifts(self.connection.devices, now)

    async def run(self) -> None:
        """Connect, run, lose, wait, and again, until cancelled."""
        for device in self.connection.devices:
            self._around.health.report(part_of(device.name), State.STARTING)
        if self._backfill:
            await self._backfill.restore()
        while True:
            try:
                await self._attempt()
            finally:
                await self._close()
            away = self._around.clock.monotonic() - (self._failing or 0.0)
            await asyncio.sleep(self._around.retry.wait(away, self._faults, self._around.draw()))

    async def _attempt(self) -> None:
        started = self._around.clock.monotonic()
        try:
            async with self._around.budget, asyncio.timeout(_CONNECT_WITHIN):
                await self.adapter.connect()
            self.counters["connects_total"] += 1
            started = self._around.clock.monotonic()
            live = self.adapter.run(self._take)
            await (self._backfill.beside(live) if self._backfill else live)
        except (DisconnectedError, TimeoutError) as error:
            self._failed(started, fault=False)
            self._lose(BAD_NOT_CONNECTED, str(error) or "no connection in time")
        except Exception:  # first of the three named doors: a bug of this adapter degrades its own devices only
            self._failed(started, fault=True)
            self.counters["faults_total"] += 1
            self._around.log.exception("adapter fault", connection=self.connection.name)
            self._lose(BAD_DEVICE_FAILURE, "fault in the adapter; see the log")
        else:
            self._failed(started, fault=True)
            self._lose(BAD_DEVICE_FAILURE, "the adapter's run ended by itself")

    def _failed(self, started: float, *, fault: bool) -> None:
        now = self._around.clock.monotonic()
        if now - started >= _SETTLED:
            self._failing, self._faults = None, 0
        self._failing = now if self._failing is None else self._failing
        self._faults = self._faults + 1 if fault else 0

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self.adapter.close()
        except (TimeoutError, DisconnectedError, OSError) as error:
            self._around.log.warning("close failed", connection=self.connection.name, error=str(error))

    # -- writes on their way out -------------------------------------------------------------------------------------

    def there(self, device_id: int) -> bool:
        """Whether a device of `connection` has been heard and is not lost."""
        return device_id not in self._lost and device_id not in self._starting

    async def write(self, tag: Tag, value: Value, within: float) -> Written:
        """Write one tag (raw) and read it back, within so many seconds.

        Raises:
            WriteRefusedError: nothing was changed.
            DisconnectedError, TimeoutError: whether the device took the value is not known.
        """
        adapter = self.adapter
        if not isinstance(adapter, Writes):
            raise WriteRefusedError(f"adapter {type(adapter).__name__} cannot write")
        return await self.ask(adapter.write(tag, value), within, tag.name)

    async def ask(self, asked: Awaitable[_T], within: float, about: str) -> _T:
        """What a device is asked for beside its readings: `asked` of the adapter, within so many seconds.

        Raises:
            WriteRefusedError, CallRefusedError: nothing was changed.
            CallFailedError: it was tried, and failed.
            DisconnectedError, TimeoutError: whether the device took it is not known.
        """
        try:
            async with asyncio.timeout(within):
                return await asked
        except (WriteRefusedError, CallRefusedError, CallFailedError, DisconnectedError, TimeoutError):
            raise
        except Exception as error:  # the same door: a bug of this adapter costs what was asked
            self.counters["faults_total"] += 1
            self._around.log.exception("adapter fault", connection=self.connection.name, tag=about)
            raise DisconnectedError("fault in the adapter; see the log") from error

    # -- batches on their way in -------------------------------------------------------------------------------------

    def _take(self, batch: Batch) -> None:
        """Number the batch, note whether its device is there, pass it on."""
        if self._muted:
            return
        self._sequence[batch.device] += 1
        batch.sequence = self._sequence[batch.device]
        if self._backfill and len(batch):
            self._backfill.note(batch)
        if len(batch) and batch.kind is not Kind.HISTORY:
            code = int(batch.status.min())
            if code >= BAD and self._tells_of_all(batch):
                self.counters["scans_failed_total"] += 1
                self._device_lost(batch.device, code, name(code))
            elif code < BAD and (self._lost or self._starting):
                self._device_back(batch.device)
        self._out(batch)

    def _out(self, batch: Batch) -> None:
        if self._muted:
            return
        if self._shifts:
            renumber(batch, self._shifts[batch.device])
        self._sink(batch)

    def _tells_of_all(self, batch: Batch) -> bool:
        """Whether it is a whole scan, or every tag of the device: some bad tags in a message make no lost device."""
        return batch.group >= 0 or len(batch) >= len(self._device(batch.device).tags)

    def _lose(self, code: int, why: str) -> None:
        """The connection is gone: every tag of every device on it turns bad."""
        if self._lost.keys() != {device.id for device in self.connection.devices}:
            self.counters["losses_total"] += 1
        if self._backfill:
            self._backfill.cut()
        received = self._around.clock.wall_ns()
        for device in self.connection.devices:
            self._device_lost(device.id, code, why)
            for group in device.groups:
                self._out(Batch.failed(group, code, received, Kind.LOST))

    def _device_lost(self, device_id: int, code: int, why: str) -> None:
        device = self._device(device_id)
        self._starting.discard(device_id)
        known = device_id in self._lost
        self._lost[device_id] = code
        self._around.health.report(
            part_of(device.name), State.DEGRADED, why, "check power, network and address of the device"
        )
        if not known:
            self._around.log.warning("device lost", device=device.name, why=why)
            self._around.tell(device.name, "device lost", f"{device.name} does not answer: {why}")

    def _device_back(self, device_id: int) -> None:
        if device_id not in self._lost and device_id not in self._starting:
            return
        device = self._device(device_id)
        self._starting.discard(device_id)
        self._around.health.report(part_of(device.name), State.OK)
        if self._lost.pop(device_id, None) is not None:
            self._around.log.warning("device back", device=device.name)
            self._around.tell(device.name, "device back", f"{device.name} answers again")

    def _device(self, device_id: int) -> Device:
        return next(device for device in self.connection.devices if device.id == device_id)


def part_of(device: str) -> str:
    """The name under which the health of a device is told."""
    return f"device {device}"


def silent(health: Health, devices: Iterable[str]) -> dict[str, str]:
    """Those of `devices`, by name, that give no data, and why."""
    parts = {name: health.part(part_of(name)) for name in devices}
    return {name: one.why or one.state.value for name, one in parts.items() if one and one.state is not State.OK}


def broken(devices: list[tuple[Device, str]], sink: Sink, around: Surroundings) -> None:
    """Devices whose plugin could not be loaded: their tags are bad, their health says why, nothing is tried."""
    received = around.clock.wall_ns()
    for device, why in devices:
        around.health.report(part_of(device.name), State.FAILED, why, "repair or reinstall the plugin, then restart")
        around.log.error("device out of service", device=device.name, why=why)
        for group in device.groups:
            sink(Batch.failed(group, BAD_CONFIGURATION_ERROR, received, Kind.LOST))
