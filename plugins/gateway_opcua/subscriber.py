"""Takes what the server publishes: one batch per device and message, with a publish loop of its own.

Several requests are always outstanding, every message is acknowledged, a missing one leads to a fresh read of its tags,
and silence beyond what the server promised ends the session.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Never, SupportsBytes

import numpy as np
from numpy.typing import NDArray

from gateway.sdk import Batch, Device, DisconnectedError, Group, Kind, Sink
from gateway_opcua import status
from gateway_opcua.codec import PublishDecoder, Published, ServiceFaultError
from gateway_opcua.columns import FILETIME_EPOCH, Columns
from gateway_opcua.items import Items
from gateway_opcua.listener import Listener
from gateway_opcua.reader import Reader
from gateway_opcua.resume import republish, transfer
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.subscriptions import Subscription, in_turn, plan
from gateway_opcua.tasks import together
from gateway_opcua.wire import CodecError

_OUTSTANDING: Final = 3  # requests that wait on the server, so that it may speak while we answer
_MAX_OUTSTANDING: Final = 10
_MAX_FAULTS: Final = 10  # publish responses in a row that are refused or unreadable
_LINGER: Final = 1.0  # s more than two periods that a subscription taken up has to tell what it kept
_LOOK: Final = 0.05  # s
_NOBODY: Final = -1


class Subscriber:
    """The subscriptions of one session."""

    def __init__(
        self,
        session: Session,
        reader: Reader,
        devices: Sequence[Device],
        site: Site,
        standing: dict[int, Subscription],
        listener: Listener,
    ) -> None:
        """`devices`: those that are subscribed to; `standing`: the subscriptions by id, those of before included."""
        self._session, self._reader, self._site = session, reader, site
        self._groups = [group for device in devices for group in device.groups]
        self._owner = np.full(max((group.rows.stop for group in self._groups), default=0), _NOBODY)
        for group in self._groups:
            self._owner[group.rows] = group.device
        self._items = Items(session, reader.places, devices, site)
        self._decoder = PublishDecoder()
        self._subscriptions, self._listener = standing, listener
        self._unheard: set[int] = set()  # subscriptions taken up that have not yet told all that they kept
        self._kind = Kind.DATA  # of what is told: until then it is of the past
        self._arrived: list[tuple[int, int]] = []  # messages to acknowledge
        self._faults = 0

    async def run(self, sink: Sink) -> Never:
        """Take up the subscriptions or make new ones, and pass on what comes. Raises DisconnectedError."""
        taken_up = await self._take_up(sink)
        if not taken_up:
            await self._subscribe(await self._read_all(self._groups, sink, "the first read failed"))
        jobs = [self._listen(sink), self._watch_items(sink), self._tell_again(sink), *self._listener.jobs()]
        await together([*jobs, self._refresh(sink)] if taken_up else jobs)

    async def _take_up(self, sink: Sink) -> bool:
        """Go on with the subscriptions of before, first with what was sent and never arrived."""
        standing = self._subscriptions
        whole = sum(len(one.rows) for one in standing.values()) == sum(len(group) for group in self._groups)
        whole &= self._listener.wanted == any(not one.groups for one in standing.values())
        if not (whole and await transfer(self._session, standing)):
            standing.clear()
            return False
        self._listener.take_up(standing)
        self._kind = Kind.HISTORY
        for subscription in list(standing.values()):
            subscription.heard = self._site.host.clock.monotonic()
            await self._fetch_again(subscription, None, sink)
        self._unheard = set(standing)
        self._site.counters["subscriptions_taken_up_total"] += len(standing)
        return True

    async def _refresh(self, sink: Sink) -> None:
        """After the interruption every tag is bad: once the server has told what it kept, all are read anew."""
        clock = self._site.host.clock
        until = clock.monotonic() + max(2 * one.every for one in self._subscriptions.values()) + _LINGER
        while self._unheard and clock.monotonic() < until:
            await clock.sleep_until(clock.monotonic() + _LOOK)
        self._kind = Kind.DATA
        await self._read_all(self._groups, sink, "cannot read what holds after the interruption")
        await asyncio.Event().wait()

    async def _tell_again(self, sink: Sink) -> Never:
        """Values of a maker's type that came before it was known are read again once it is."""
        types = self._session.structures
        while True:
            await types.learnt.wait()
            types.learnt.clear()
            rows, types.untold = types.untold, set()
            groups = [g for g in self._groups if any(g.rows.start <= row < g.rows.stop for row in rows)]
            await self._read_all(groups, sink, "cannot read the values of a type just learnt")

    async def _read_all(self, groups: Sequence[Group], sink: Sink, trouble: str) -> NDArray[np.uint8]:
        """Read whole groups now; the types of what was read, by row. Raises DisconnectedError that says `trouble`."""
        kinds = np.zeros(len(self._owner), np.uint8)
        for group in groups:
            try:
                columns = await self._reader.fetch(group)
            except (TimeoutError, ServiceFaultError, CodecError) as error:
                raise DisconnectedError(f"{self._session.url}: {trouble}: {error}") from error
            kinds[group.rows] = columns.kind
            sink(self._reader.batch(group, columns))
        return kinds

    async def _subscribe(self, kinds: NDArray[np.uint8]) -> None:
        try:
            await self._create(plan(self._groups, kinds))
        except ServiceFaultError as fault:
            if fault.code != status.BAD_TOO_MANY_SUBSCRIPTIONS:
                raise DisconnectedError(f"{self._session.url}: no subscription ({status.name(fault.code)})") from fault
            await self._create_fewer(kinds)
        await self._listener.begin(self._subscriptions)

    async def _create_fewer(self, kinds: NDArray[np.uint8]) -> None:
        """A small server: one subscription per period must do."""
        try:
            if self._subscriptions:
                await self._session.delete_subscriptions(list(self._subscriptions))
                self._subscriptions.clear()
            await self._create(plan(self._groups, kinds, by_type=False))
        except ServiceFaultError as fault:
            raise DisconnectedError(
                f"{self._session.url}: {status.explain(fault.code, 'subscriptions', '')}"
            ) from fault

    async def _create(self, planned: list[Subscription]) -> None:
        for subscription in planned:
            await self._items.subscribe(subscription)
            self._subscriptions[subscription.id] = subscription

    async def _watch_items(self, sink: Sink) -> None:
        """Create the monitored items, and try again for those that the server refused."""
        while True:
            for subscription in self._subscriptions.values():
                for batch in await self._items.create_due(subscription):
                    sink(batch)
            await self._items.pause()

    # --- publishing ---

    async def _listen(self, sink: Sink) -> None:
        depth = min(max(_OUTSTANDING, len(self._subscriptions) + 1), _MAX_OUTSTANDING)
        waiting = deque(self._ask() for _ in range(depth))
        try:
            while True:
                body = await self._heard(waiting.popleft())
                if await self._answer(body, sink, alone=not waiting):
                    waiting.append(self._ask())
        finally:
            for answer in waiting:
                answer.cancel()

    def _ask(self) -> asyncio.Future[SupportsBytes]:
        arrived, self._arrived = self._arrived, []
        return self._session.publish(arrived)

    async def _heard(self, answer: asyncio.Future[SupportsBytes]) -> bytes | ServiceFaultError:
        """The next response, unless a subscription stays silent beyond its promise."""
        silent = min(self._subscriptions.values(), key=lambda s: s.heard + s.patience)
        with self._session.translated(timeouts=False):
            try:
                async with asyncio.timeout_at(silent.heard + silent.patience):
                    return bytes(await answer)
            except ServiceFaultError as fault:
                return fault
            except TimeoutError as error:
                raise DisconnectedError(
                    f"{self._session.url}: nothing published for {silent.patience:.1f} s, though the connection stands"
                ) from error

    async def _answer(self, body: bytes | ServiceFaultError, sink: Sink, *, alone: bool) -> bool:
        """Deal with one response; whether another request may take its place."""
        try:
            if isinstance(body, ServiceFaultError):
                raise body
            message = self._decoder.decode(body)
        except ServiceFaultError as fault:
            return self._refused(fault, alone=alone)
        except CodecError as error:
            self._site.counters["decode_errors_total"] += 1
            self._count_fault(error)
            return True
        self._faults = 0
        await self._take(message, sink)
        return True

    def _refused(self, fault: ServiceFaultError, *, alone: bool) -> bool:
        self._session.check(fault)
        if fault.code in (status.BAD_NO_SUBSCRIPTION, status.BAD_SUBSCRIPTION_ID_INVALID):
            raise DisconnectedError(f"{self._session.url}: the server has dropped the subscriptions") from fault
        if fault.code == status.BAD_TOO_MANY_PUBLISH_REQUESTS and not alone:
            return False
        self._count_fault(fault)
        return True

    def _count_fault(self, error: Exception) -> None:
        self._faults += 1
        if self._faults >= _MAX_FAULTS:
            raise DisconnectedError(f"{self._session.url}: publishing fails again and again: {error}") from error

    async def _take(self, message: Published, sink: Sink) -> None:
        subscription = self._subscriptions.get(message.subscription)
        if subscription is None:
            self._site.counters["publish_strays_total"] += 1
            return
        if message.closed is not None:
            name = status.name(message.closed)
            raise DisconnectedError(f"{self._session.url}: the server ended a subscription ({name})")
        subscription.heard = self._site.host.clock.monotonic()
        self._count_lag(message)
        missing = subscription.before(message)
        whole = subscription.follows(message) or await self._fill_in(subscription, missing, sink)
        self._tell(subscription, message, sink)
        if not whole:
            await self._read_all(subscription.groups, sink, "cannot read what a lost message said")
            self._listener.lose()
        if not message.more:
            self._unheard.discard(subscription.id)
            self._confirm(subscription, self._site.host.clock.wall_ns(), sink)

    def _count_lag(self, message: Published) -> None:
        """How long messages are under way, by both clocks; 0 where the server gives no time or its clock runs ahead."""
        sent = max(0, message.published - FILETIME_EPOCH) * 100
        lag = max(0, self._site.host.clock.wall_ns() - sent) if sent else 0
        self._site.counters["publish_messages_total"] += 1
        self._site.counters["publish_lag_seconds_total"] += lag / 1e9  # type: ignore[assignment] # typed for whole ones

    def _tell(self, subscription: Subscription, message: Published, sink: Sink) -> None:
        if not message.keep_alive:
            self._arrived.append((message.subscription, message.sequence))
        received = self._site.host.clock.wall_ns()
        self._listener.hear(message.events)
        for rows, columns in message.changes:
            self._deliver(subscription, rows, columns, received, sink)

    async def _fill_in(self, subscription: Subscription, missing: range, sink: Sink) -> bool:
        """Messages were lost: whether the server has sent all of them again."""
        self._site.counters["publish_gaps_total"] += 1
        return bool(missing) and await self._fetch_again(subscription, missing, sink) == len(missing)

    async def _fetch_again(self, subscription: Subscription, numbers: range | None, sink: Sink) -> int:
        """Messages from the server's retransmission queue, as in `republish`. How many there were."""
        came = 0
        async for message in republish(self._session, subscription, numbers):
            if numbers is None:
                subscription.follows(message)
            self._tell(subscription, message, sink)
            came += 1
        self._site.counters["republished_total"] += came
        return came

    # --- batches ---

    def _deliver(
        self, subscription: Subscription, rows: NDArray[np.uint32], columns: Columns, received: int, sink: Sink
    ) -> None:
        known = rows < len(self._owner)
        known[known] = self._owner[rows[known]] != _NOBODY
        if not known.all():
            self._site.counters["publish_strays_total"] += int((~known).sum())
            places = np.flatnonzero(known)
            rows, columns = rows[places], columns.take(places)
        if not len(rows):
            return
        self._items.look_at(subscription, rows, columns.status)
        for places in in_turn(rows) if self._items.queued else [np.arange(len(rows))]:
            for device, part in self._by_device(rows, places):
                sink(self._batch(device, rows[part], columns.take(part), received))

    def _by_device(self, rows: NDArray[np.uint32], places: NDArray[np.intp]) -> list[tuple[int, NDArray[np.intp]]]:
        owners = self._owner[rows[places]]
        if (owners == owners[0]).all():
            return [(int(owners[0]), places)]
        return [(device, places[owners == device]) for device in np.unique(owners).tolist()]

    def _confirm(self, subscription: Subscription, received: int, sink: Sink) -> None:
        """What was not in the message has not changed."""
        rows = subscription.watched
        if len(rows):
            for device, places in self._by_device(rows, np.arange(len(rows))):
                sink(Batch.confirm(device, rows[places], received))

    def _batch(self, device: int, rows: NDArray[np.uint32], columns: Columns, received: int) -> Batch:
        return self._site.batch(self._session.structures, device, rows, columns, received, kind=self._kind)
