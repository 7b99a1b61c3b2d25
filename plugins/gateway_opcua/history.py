"""What the server remembers: windows of time, each read to its end for all nodes, merged and told in order.

Windows grow while little comes and shrink when much does, so that days of rare changes are few calls and memory stays
small. A server that cuts an answer short without saying so is asked again from there.
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from gateway.sdk import Batch, Device, DisconnectedError, Gap, Kind, Memory, quality
from gateway_opcua import status
from gateway_opcua.codec import ServiceFaultError
from gateway_opcua.columns import Columns
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.inventory import Inventory, value_at
from gateway_opcua.nodeid import NULL
from gateway_opcua.past import Told, raw_request
from gateway_opcua.places import Places
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.subscriptions import in_turn
from gateway_opcua.wire import CodecError

_USER_ACCESS: Final = 18  # attribute UserAccessLevel; what of it is allowed (Part 3 §8.57)
_HISTORY_READ: Final = 4
_FIRST_WIDTH: Final = 1_000_000_000  # ns
_NARROWEST: Final = 10_000_000
_FEW, _MANY = 1_000, 4_000  # values of a window: below, the next is wider; above, narrower
_MAX_VALUES, _MAX_CALLS = 100_000, 1_000  # for one window; beyond, it is asked anew in parts
_ANSWER: Final = 10_000  # values of one answer, at most; what follows is asked for by continuation points
_PER_NODE_LEAST: Final = 10
_ASK_ANEW: Final = frozenset({status.BAD_NO_CONTINUATION_POINTS, 0x804A0000})  # BadContinuationPointInvalid
_PIECE: Final = 500  # values of one batch
_SAME: Final = 1_000  # ns; archives keep microseconds
_MARGIN: Final = 1_000_000  # ns asked for beyond both ends of a window, whoever counts them in


class _TooMuchError(Exception):
    """More values in one window than are to be held at once."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A node that is asked: its place in the gap, from when on (Unix ns), and the server's continuation point."""

    place: int
    begin: int
    more: bytes = b""


class History:
    """The history of one session's nodes."""

    def __init__(self, session: Session, places: Places, site: Site) -> None:
        self._session, self._places, self._host, self._counters = session, places, site.host, site.counters
        self._site = site
        self._told: set[int] = set()  # codes of refusals that were logged

    async def remembers(self, devices: Sequence[Device]) -> list[Memory]:
        """As `gateway.sdk.ReadsHistory`: what the access level of each node allows."""
        memories = []
        for device in devices:
            config = cast("OpcuaDevice", device.config)
            rows = await self._remembered(device) if config.history else []
            if rows:
                memories.append(Memory(device.id, np.array(rows, np.uint32), config.history, config.history_rate))
        return memories

    async def _remembered(self, device: Device) -> list[int]:
        rows = [tag.row for tag in device.tags]
        try:
            await self._places.renew(rows)
        except (TimeoutError, ServiceFaultError, CodecError):
            return []
        there = [row for row in rows if self._places.binary(row) != NULL]
        inventory = Inventory(self._session, everything=False)
        access = await inventory.read([(self._places.binary(row), _USER_ACCESS) for row in there])
        return [row for at, row in enumerate(there) if int(value_at(access, at) or 0) & _HISTORY_READ]

    async def missed(self, gap: Gap) -> AsyncGenerator[Batch, None]:
        """As `gateway.sdk.ReadsHistory`."""
        at, end, width = int(gap.since.min()), int(gap.until.max()), _FIRST_WIDTH
        while at < end:
            mine = np.flatnonzero((gap.since < at + width) & (gap.until > at))
            if not len(mine):
                at = int(gap.since[gap.since >= at + width].min())
                continue
            stop = min(at + width, end)
            try:
                places, columns = await self._window(gap, mine, at, stop)
            except _TooMuchError:
                width = max(width // 2, _NARROWEST)
                continue
            for batch in self._batches(gap, places, columns):
                yield batch
            at = stop
            width = width * 2 if len(columns) < _FEW else max(width // 2, _NARROWEST) if len(columns) > _MANY else width

    async def _window(
        self, gap: Gap, mine: NDArray[np.intp], start: int, stop: int
    ) -> tuple[NDArray[np.intp], Columns]:
        """What was held from `start` to before `stop`: the place in the gap of each value, and the values."""
        asked = [_Asked(place, start - _MARGIN) for place in mine.tolist()]
        parts = await self._read(gap, asked, stop + _MARGIN, narrow=stop - start <= _NARROWEST)
        if not parts:
            return np.empty(0, np.intp), Columns.empty(0)
        places = np.repeat([place for place, _ in parts], [len(columns) for _, columns in parts])
        columns = Columns.join([columns for _, columns in parts])
        time = columns.time(0)
        wanted = (time >= start) & (time < stop)
        wanted &= (time > gap.since[places] + _SAME) & (time < gap.until[places] - _SAME)
        order = np.lexsort((places, time))
        anew = (np.diff(time[order], prepend=-1) != 0) | (np.diff(places[order], prepend=-1) != 0)  # told once only
        chosen = order[wanted[order] & anew]
        return places[chosen], columns.take(chosen)

    async def _read(self, gap: Gap, asked: list[_Asked], end: int, *, narrow: bool) -> list[tuple[int, Columns]]:
        """All that these nodes say up to `end`. Raises as `_ask`, and _TooMuchError unless `narrow`."""
        parts: list[tuple[int, Columns]] = []
        calls = held = 0
        while asked and calls < _MAX_CALLS and held < _MAX_VALUES:
            calls += 1
            part = [one for one in asked if one.begin == asked[0].begin][: self._session.histories_per_call]
            most = max(_PER_NODE_LEAST, _ANSWER // len(part))
            rest = asked[:0]
            for one, told in zip(part, await self._ask(gap, part, end, most), strict=True):
                parts.append((one.place, told.columns))
                held += len(told.columns)
                rest += self._rest(one, told, end, most)
            served = {one.place for one in part}
            asked = [one for one in asked if one.place not in served] + rest
        if asked:
            await self._release(gap, asked, end)
            if not narrow:
                raise _TooMuchError
            self._counters["history_cut_total"] += len(asked)
        return parts

    def _rest(self, one: _Asked, told: Told, end: int, most: int) -> list[_Asked]:
        """How one node is asked for what follows, if anything does."""
        newest = int(told.columns.time(0).max(initial=one.begin))
        if told.status in _ASK_ANEW and self._session.histories_per_call > 1:
            self._session.histories_per_call //= 2
            return [_Asked(one.place, newest)]
        if told.status >= quality.BAD:
            self._refused(told.status)
            return []
        if told.more:
            return [_Asked(one.place, one.begin, told.more)]
        cut_short = len(told.columns) >= most and one.begin < newest < end  # and not a word of more
        return [_Asked(one.place, newest)] if cut_short else []

    async def _ask(self, gap: Gap, part: Sequence[_Asked], end: int, most: int) -> list[Told]:
        """One call, or several smaller ones. Raises TimeoutError or DisconnectedError."""
        nodes = [(self._places.binary(int(gap.rows[one.place])), one.more) for one in part]
        try:
            request = raw_request(nodes, part[0].begin, end, most, times=self._site.times([gap.device]))
            return await self._session.history(request, len(part))
        except ServiceFaultError as fault:
            if fault.code in status.ASK_FOR_LESS and len(part) > 1:
                self._session.histories_per_call = half = len(part) // 2
                return await self._ask(gap, part[:half], end, most) + await self._ask(gap, part[half:], end, most)
            return [Told(fault.code, b"", Columns.empty(0)) for _ in part]
        except CodecError as error:
            self._counters["decode_errors_total"] += 1
            raise DisconnectedError(f"{self._session.url}: its history cannot be read: {error}") from error

    async def _release(self, gap: Gap, asked: Sequence[_Asked], end: int) -> None:
        """The server may forget what it kept for us (Part 4 §7.9)."""
        nodes = [(self._places.binary(int(gap.rows[one.place])), one.more) for one in asked if one.more]
        if nodes:
            with contextlib.suppress(TimeoutError, ServiceFaultError, CodecError):
                await self._session.history(raw_request(nodes, end, end, 0, release=True), len(nodes))

    def _refused(self, code: int) -> None:
        self._counters["history_refused_total"] += 1
        if code not in self._told:
            self._told.add(code)
            self._host.log.warning("the server refuses its history", status=status.name(code))

    def _batches(self, gap: Gap, places: NDArray[np.intp], columns: Columns) -> list[Batch]:
        received = self._host.clock.wall_ns()
        rows = gap.rows[places]
        turns = in_turn(rows) if columns.other else [np.arange(len(rows))]
        pieces = [turn[first : first + _PIECE] for turn in turns for first in range(0, len(turn), _PIECE)]
        return [self._batch(gap.device, rows[piece], columns.take(piece), received) for piece in pieces]

    def _batch(self, device: int, rows: NDArray[np.uint32], columns: Columns, received: int) -> Batch:
        return self._site.batch(self._session.structures, device, rows, columns, received, kind=Kind.HISTORY)
