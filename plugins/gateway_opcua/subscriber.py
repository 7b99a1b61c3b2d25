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

from gateway.sdk import Batch, Device, DisconnectedError, Sink
from gateway_opcua import status
from gateway_opcua.codec import PublishDecoder, Published, ServiceFaultError
from gateway_opcua.columns import Columns
from gateway_opcua.items import Items
from gateway_opcua.reader import Reader
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.subscriptions import Subscription, in_turn, plan
from gateway_opcua.tasks import together
from gateway_opcua.wire import CodecError

_OUTSTANDING: Final = 3  # requests that wait on the server, so that it may speak while we answer
_MAX_OUTSTANDING: Final = 10
_MAX_FAULTS: Final = 10  # publish responses in a row that are refused or unreadable
_NOBODY: Final = -1


class Subscriber:
    """The subscriptions of one session."""

    def __init__(self, session: Session, reader: Reader, devices: Sequence[Device], site: Site) -> None:
        """`devices`: those that are subscribed to."""
        self._session, self._reader, self._site = session, reader, site
        self._groups = [group for device in devices for group in device.groups]
        self._owner = np.full(max(group.rows.stop for group in self._groups), _NOBODY)
        for group in self._groups:
            self._owner[group.rows] = group.device
        self._items = Items(session, reader.places, devices, site)
        self._decoder = PublishDecoder()
        self._subscriptions: dict[int, Subscription] = {}
        self._arrived: list[tuple[int, int]] = []  # messages to acknowledge
        self._faults = 0

    async def run(self, sink: Sink) -> Never:
        """Read every tag once, subscribe, and pass on what comes. Raises DisconnectedError."""
        kinds = np.zeros(len(self._owner), np.uint8)
        for group in self._groups:
            try:
                columns = await self._reader.fetch(group)
            except (TimeoutError, ServiceFaultError, CodecError) as error:
                raise DisconnectedError(f"{self._session.url}: the first read failed: {error}") from error
            kinds[group.rows] = columns.kind
            sink(self._reader.batch(group, columns))
        await self._subscribe(kinds)
        await together([self._listen(sink), self._watch_items(sink)])

    async def _subscribe(self, kinds: NDArray[np.uint8]) -> None:
        try:
            await self._create(plan(self._groups, kinds))
        except ServiceFaultError as fault:
            if fault.code != status.BAD_TOO_MANY_SUBSCRIPTIONS:
                raise DisconnectedError(f"{self._session.url}: no subscription ({status.name(fault.code)})") from fault
            await self._create_fewer(kinds)

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
        if not message.keep_alive:
            self._arrived.append((message.subscription, message.sequence))
        whole = subscription.follows(message)
        received = self._site.host.clock.wall_ns()
        for rows, columns in message.changes:
            self._deliver(subscription, rows, columns, received, sink)
        if not whole:
            await self._catch_up(subscription, sink)
        if not message.more:
            self._confirm(subscription, received, sink)

    async def _catch_up(self, subscription: Subscription, sink: Sink) -> None:
        """Messages were lost: what they said is read anew."""
        self._site.counters["publish_gaps_total"] += 1
        for group in subscription.groups:
            try:
                columns = await self._reader.fetch(group)
            except (TimeoutError, ServiceFaultError, CodecError) as error:
                raise DisconnectedError(
                    f"{self._session.url}: cannot read what a lost message said: {error}"
                ) from error
            sink(self._reader.batch(group, columns))

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
                sink(_batch(device, rows[part], columns.take(part), received))

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


def _batch(device: int, rows: NDArray[np.uint32], columns: Columns, received: int) -> Batch:
    other = {int(rows[i]): value for i, value in columns.other.items()}
    return Batch(device, -1, rows, columns.value, columns.time(received), columns.status, received, other)
