"""The edge node: which births, data and deaths are said, in which order, under which numbers (Sparkplug 3.0 §5, §6.4).

Sequence numbers belong to the connection, so they are given when a message is sent, not when it is stored. Whatever was
stored before its device was born goes out as historical, for the birth has said what is true now.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway import __version__
from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.deliver.sparkplug.host import DCMD, NCMD, REBIRTH, Command, Listener, PrimaryHost
from gateway.deliver.sparkplug.late import chosen, historical
from gateway.deliver.sparkplug.telemetry import SparkplugTelemetry, Stored, stored
from gateway.deliver.sparkplug.wire import Datatype, bytes_field, metric, payload, value_field, varint
from gateway.deliver.voice import NOTHING, SPARKPLUG, Frame, Hears, Line
from gateway.sdk import Clock, Log

_NUMBERS: Final = 256  # seq and bdSeq run from 0 to 255
_MS: Final = 1_000_000
_DEBOUNCE: Final = 1.0  # s between two births that hosts may cause
_BDSEQ, _LOST, _VERSION, _CLOCK = 1, 2, 3, 4  # aliases of the node's own metrics
_HELD: Final = frozenset({Class.TELEMETRY})
LOST_METRIC: Final = "Devices/Lost"
CLOCK_METRIC: Final = "Properties/Clock"
_TRUSTED: Final = "trusted"  # a String that is empty reads as none in some hosts


@dataclass(frozen=True, slots=True)
class Address:
    """Where the node is: group and name, as they stand in its topics."""

    group: str
    node: str

    def topic(self, kind: str, device: str = "") -> str:
        """`spBv1.0/plant/DDATA/line-3/pump-7` (§4.1)."""
        return f"{SPARKPLUG}{self.group}/{kind}/{self.node}" + (f"/{device}" if device else "")


class EdgeNode:
    """One edge node, a voice of the publisher.

    Args:
        address: its group and name.
        devices: their names, by number.
        telemetry: which puts the messages that are framed here, and knows the catalog of the tags.
        following: gives the sequence that the next message of telemetry gets.
        clock: for timestamps and the pause between births.
        log: one line when the primary host goes or comes.
        primary: the host that is waited for; "": none.

    Attributes:
        line: the publisher; set before it runs.
        telemetry: as given; its image is set before the publisher runs, too.
        doubt: gives why the clock is not to be trusted now; empty: it is.
        take: called with each command that is no rebirth; they are counted and refused unless somebody takes them.
        counters: of births, commands refused or not read, and metrics of other configurations that were left out.
    """

    line: Line
    hears: Hears | None
    leaves_will = True

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a node
        self,
        address: Address,
        devices: Sequence[str],
        telemetry: SparkplugTelemetry,
        following: Callable[[], int],
        clock: Clock,
        log: Log,
        primary: str = "",
    ) -> None:
        self._address, self._devices, self.telemetry = address, devices, telemetry
        self._catalog = telemetry.catalog
        self._following, self._clock, self._log = following, clock, log
        self._device_of = {address.topic("DDATA", name): number for number, name in enumerate(devices)}
        self._bdseq = self._connected = self._seq = -1  # of this attempt, of the last connection; of the last message
        self._alive: dict[int, int] = {}  # by device that is born: what has a lower sequence is historical
        self._lost = 0  # what the host knows of devices that are lost
        self.doubt: Callable[[], str] = str
        self._clock_told = ""  # what the host knows of the clock
        self._told = 0  # fingerprint that the births told of
        self._born = False
        self._born_at = -_DEBOUNCE
        self._due: asyncio.TimerHandle | None = None
        self.counters: Counter[str] = Counter()
        self.take: Callable[[Command], None] = self._refuse
        self.host = PrimaryHost(primary) if primary else None
        topics = [address.topic(NCMD), address.topic(DCMD) + "/+"]
        self.hears = Listener(topics, primary, self._commanded, self._state, self._not_read, log)

    # -- what the publisher asks -------------------------------------------------------------------------------------

    def will(self) -> Frame:
        """NDEATH, under the bdSeq behind that of the last connection (§6.4.25): attempts in vain do not count."""
        self._forget()
        self._bdseq = (self._connected + 1) % _NUMBERS
        return self._death()

    def birth(self) -> Sequence[Frame]:
        """NBIRTH, and DBIRTH of each device that answers; nothing while the primary host is not known to be there."""
        self._forget()
        self._connected = self._bdseq
        return [] if self.host else self._births()

    def silent(self) -> frozenset[Class]:
        """Telemetry waits for the birth, or for the one that a host has asked for."""
        return NOTHING if self._born and self._due is None else _HELD

    def waits(self) -> str:
        """For the primary host, while it is away."""
        return f"telemetry waits for the primary host {self.host.name}" if self.host and not self._born else ""

    def frames(self, record: Record) -> Sequence[Frame]:
        """DDATA of a record of telemetry, behind the births that it needs, before the death that it tells of."""
        if not record.topic.startswith(SPARKPLUG):  # alarms, events, and telemetry from before we were an edge node
            return (Frame(record.topic, record.body),)
        device = self._device_of.get(record.topic)
        return () if device is None else self._data(device, record.sequence, stored(record.body))

    def goodbye(self) -> Frame:
        """NDEATH, before we disconnect (§5.3)."""
        self._forget()
        return self._death()

    # -- births and deaths -------------------------------------------------------------------------------------------

    def _data(self, device: int, sequence: int, one: Stored) -> list[Frame]:
        metrics = self._known(one)
        if not metrics:
            return []
        frames = [] if self._told == self._catalog.fingerprint else self._births()
        if device not in self._alive:
            frames += [self._device_birth(device), *self._count_lost()]
        frames += self._tell_clock()
        past = one.past or sequence < self._alive[device]
        frames.append(self._numbered("DDATA", historical(metrics) if past else metrics, device))
        if (one.lost and not past) or (sequence >= self._last(device) and not self.telemetry.present(device)):
            del self._alive[device]
            frames += [self._numbered("DDEATH", b"", device), *self._count_lost()]
        return frames

    def _known(self, one: Stored) -> bytes:
        """Its metrics; of those from another configuration, the ones that are the same in this."""
        if one.fingerprint == self._catalog.fingerprint:
            return one.metrics
        metrics, left_out = chosen(one.metrics, self._catalog.knows)
        self.counters["sparkplug_unknown"] += left_out
        return metrics

    def _last(self, device: int) -> float:
        return self.telemetry.last.get(device, float("inf"))

    def _births(self) -> list[Frame]:
        self._seq, self._born, self._born_at = -1, True, self._clock.monotonic()
        self._told, self._alive = self._catalog.fingerprint, {}
        self.counters["sparkplug_births"] += 1
        present = [number for number in range(len(self._devices)) if self.telemetry.present(number)]
        self._lost = len(self._devices) - len(present)
        return [self._node_birth(), *(self._device_birth(number) for number in present)]

    def _node_birth(self) -> Frame:
        now = self._now()
        metrics = metric("bdSeq", now, Datatype.INT64, self._bdseq, alias=_BDSEQ)
        metrics += metric(REBIRTH, now, Datatype.BOOLEAN, value=False)  # never an alias (§5.14)
        metrics += metric(LOST_METRIC, now, Datatype.INT64, self._lost, alias=_LOST)
        metrics += metric("Properties/Fieldgate Version", now, Datatype.STRING, __version__, alias=_VERSION)
        self._clock_told = self.doubt() or _TRUSTED
        metrics += metric(CLOCK_METRIC, now, Datatype.STRING, self._clock_told, alias=_CLOCK)
        return self._numbered("NBIRTH", metrics)

    def _device_birth(self, device: int) -> Frame:
        self._alive[device] = self._following()
        return self._numbered("DBIRTH", self._catalog.birth(device, self.telemetry.image, self._now()), device)

    def _count_lost(self) -> list[Frame]:
        """NDATA when the number of devices that are lost is another than the host knows."""
        lost = len(self._devices) - len(self._alive)
        if lost == self._lost:
            return []
        self._lost = lost
        return [self._node_data(_LOST, Datatype.INT64, lost)]

    def _tell_clock(self) -> list[Frame]:
        """NDATA when the clock is trusted no more, or again: there is no quality for doubtful times (§6.4.9.1)."""
        told = self.doubt() or _TRUSTED
        if told == self._clock_told:
            return []
        self._clock_told = told
        return [self._node_data(_CLOCK, Datatype.STRING, told)]

    def _node_data(self, alias: int, datatype: Datatype, value: int | str) -> Frame:
        """One metric of the node's own, by its alias."""
        body = b"\x10" + varint(alias) + b"\x18" + varint(self._now()) + value_field(datatype, value)
        return self._numbered("NDATA", bytes_field(2, body))

    def _death(self) -> Frame:
        metrics = metric("bdSeq", self._now(), Datatype.INT64, self._bdseq)
        return Frame(self._address.topic("NDEATH"), payload(self._now(), metrics, None))

    def _numbered(self, kind: str, metrics: bytes, device: int | None = None) -> Frame:
        self._seq = (self._seq + 1) % _NUMBERS
        topic = self._address.topic(kind, "" if device is None else self._devices[device])
        return Frame(topic, payload(self._now(), metrics, self._seq), qos=0)

    def _forget(self) -> None:
        """The connection, or its birth, is no more."""
        self._born = False
        self._alive.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _now(self) -> int:
        return self._clock.wall_ns() // _MS

    # -- what hosts say ----------------------------------------------------------------------------------------------

    def _commanded(self, command: Command) -> None:
        if command.rebirth:
            self._rebirth_asked()
        else:
            self.take(command)

    def _rebirth_asked(self) -> None:
        """Be born again, once for all that ask within a second; no data until then (§5.14)."""
        if not self._born or self._due is not None:
            return
        wait = max(0.0, self._born_at + _DEBOUNCE - self._clock.monotonic())
        self._due = asyncio.get_running_loop().call_later(wait, self._rebirth)

    def _rebirth(self) -> None:
        self._due = None
        self.line.speak(self._births())

    def _state(self, body: bytes) -> None:
        """What the primary host says of itself."""
        if self.host is None or not self.host.hear(body):
            return
        if self.host.online == self._born:
            return
        self._log.warning("primary host", host=self.host.name, online=self.host.online)
        if self.host.online:
            self.line.speak(self._births())
        else:
            self.line.begin_anew(self.goodbye())

    def _not_read(self, count: int) -> None:
        self.counters["sparkplug_dropped"] += count

    def _refuse(self, _command: Command) -> None:
        self.counters["sparkplug_refused"] += 1
