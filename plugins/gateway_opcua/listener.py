"""Hears the events of one session, and tells the plant: judged, each once, and at a bounded rate.

The publish loop hands the bodies of its messages over and goes on; here they are read, with what the server must be
asked for. After a break the server tells its conditions again (ConditionRefresh, Part 9 §5.5.7).
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Never, cast

import numpy as np
from asyncua import ua

from gateway.sdk import DisconnectedError, Occurrence, quality
from gateway_opcua import nodeid, status
from gateway_opcua.ancestry import Ancestry
from gateway_opcua.annals import Annals, Heard
from gateway_opcua.codec import ServiceFaultError
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.event import LOST, Event, decode, read
from gateway_opcua.eventfilter import OVERFLOW, REFRESH_END, REFRESH_REQUIRED, REFRESH_START
from gateway_opcua.posts import Post, create_due
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.subscriptions import Subscription, lifetime_count
from gateway_opcua.wire import CodecError

_EVERY: Final = 0.5  # s between two messages
_KEEP_ALIVE: Final = 10  # messages left out after which the server says that there is nothing
_PER_MESSAGE: Final = 50  # events: what is read in one go must not hold the loop
_WAITING: Final = 8 << 20  # bytes of events that wait to be read
_LOOK: Final = 0.25  # s
_AGAIN: Final = 30.0  # s between two refreshes at least
_QUIET: Final = 2.0  # s after the last sign of a refresh: several posts are told one after the other
_CONDITION_TYPE, _REFRESH = ua.NodeId(ua.Int32(2782)), ua.NodeId(ua.Int32(3875))
_IN_PROGRESS: Final = 0x80970000  # BadRefreshInProgress
_SIGNALS: Final = {nodeid.encode(0, kind): kind for kind in (REFRESH_START, REFRESH_END, REFRESH_REQUIRED, OVERFLOW)}


class Listener:
    """Listens in one session."""

    def __init__(self, session: Session, site: Site, annals: Annals) -> None:
        self._session, self._site, self._annals = session, site, annals
        self._ancestry = Ancestry(session)
        self._subscription = 0
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._bell = asyncio.Event()
        self._refresh_at = self._ends_at = float("inf")  # monotonic
        self._refreshed_at = -_AGAIN
        self._telling = False  # between start and end of a refresh

    # --- the subscription ---

    @property
    def wanted(self) -> bool:
        """Whether there is something to listen to."""
        return bool(self._annals.posts)

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """What is to run, where there is a subscription for events; each raises DisconnectedError."""
        return [self._keep_posts(), self._listen(), self._let_go()] if self._subscription else []

    async def begin(self, standing: dict[int, Subscription]) -> None:
        """Make the subscription, put down in `standing`; without one the tags go on. Raises DisconnectedError."""
        if not self.wanted:
            return
        try:
            await self._subscribe(standing)
        except ServiceFaultError as fault:
            why = status.explain(fault.code, "subscriptions", "")
            if not standing:
                raise DisconnectedError(f"{self._session.url}: no events: {why}") from fault
            self._site.host.log.warning("no events until the next connection", why=why)

    async def _subscribe(self, standing: dict[int, Subscription]) -> None:
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=_EVERY * 1000,
            RequestedLifetimeCount=lifetime_count(_EVERY, _KEEP_ALIVE),
            RequestedMaxKeepAliveCount=_KEEP_ALIVE,
            MaxNotificationsPerPublish=_PER_MESSAGE,
            PublishingEnabled=True,
        )
        made = await self._session.create_subscription(parameters)
        one = Subscription(_EVERY, np.empty(0, np.uint32), ())
        promised = made.RevisedPublishingInterval * max(1, made.RevisedMaxKeepAliveCount) / 1000
        timeout = max(cast("OpcuaDevice", post.device.config).timeout for post in self._annals.posts)
        one.begin(made.SubscriptionId, promised, timeout, self._now)
        standing[one.id] = one
        self._subscription = one.id
        for post in self._annals.posts:
            post.due, post.wait = self._now, 0.0

    def take_up(self, standing: Mapping[int, Subscription]) -> None:
        """Go on with the subscription of before; what was missed is told by a refresh."""
        self._subscription = next((one.id for one in standing.values() if not one.groups), 0)
        self._refresh_at = self._now

    def hear(self, bodies: Sequence[bytes]) -> None:
        """Take the lists of events of one message; what has no room is lost, counted, and asked for again."""
        for body in bodies:
            if self._bytes + len(body) > _WAITING:
                self._site.counters["event_lists_dropped_total"] += 1
                self.lose()
                continue
            self._waiting.append(body)
            self._bytes += len(body)
            self._bell.set()

    def lose(self) -> None:
        """Events were lost: conditions may be other than was heard."""
        for heard in self._annals.heard.values():
            heard.conditions.miss()
        self._refresh_at = min(self._refresh_at, max(self._now, self._refreshed_at + _AGAIN))

    async def _keep_posts(self) -> Never:
        while True:
            if await create_due(self._session, self._site, self._subscription, self._annals.posts):
                self._refresh_at = self._now
            if self._refresh_at <= self._now:
                await self._refresh()
            await self._pause()

    # --- what stands ---

    async def _refresh(self) -> None:
        """Have the server tell its conditions again (Part 9 §5.5.7)."""
        self._refresh_at, self._refreshed_at = float("inf"), self._now
        for heard in self._annals.heard.values():
            heard.conditions.begin()
        self._site.counters["condition_refreshes_total"] += 1
        argument = ua.Variant(self._subscription, ua.VariantType.UInt32)
        method = ua.CallMethodRequest(_CONDITION_TYPE, _REFRESH, [argument])
        try:
            [result] = await self._session.call([method], self._annals.posts[0].retry)
            code = int(result.StatusCode.value)
        except ServiceFaultError as fault:
            code = fault.code
        except (TimeoutError, CodecError):
            code = quality.BAD_TIMEOUT
        if code >= quality.BAD:
            self._refused(code)

    def _refused(self, code: int) -> None:
        for heard in self._annals.heard.values():
            heard.conditions.miss()
            heard.conditions.end()
        if code == _IN_PROGRESS:
            self._refresh_at = self._now + _AGAIN
        elif not self._annals.told_of_refusal:
            self._annals.told_of_refusal = True
            self._site.host.log.warning(
                "the server does not tell what stands: conditions are known as they change", why=status.name(code)
            )

    def _end(self) -> None:
        """The refresh is over: what was not told does not stand any more."""
        self._ends_at = float("inf")
        received = self._site.host.clock.wall_ns()
        for heard in self._annals.heard.values():
            for event in heard.conditions.end():
                over = replace(event, time=received, text=f"{event.text or event.kind}: it does not stand any more")
                self._offer(heard, over.occurrence(heard.device.name, received, retain=False, unheard=True), event)

    # --- one event after the other ---

    async def _listen(self) -> Never:
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._waiting:
                body = self._waiting.popleft()
                self._bytes -= len(body)
                for handle, event in self._read(body):
                    await self._take(self._annals.posts[handle], event)
                await asyncio.sleep(0)

    def _read(self, body: bytes) -> Iterator[tuple[int, Event]]:
        try:
            lists = decode(body)
        except CodecError:
            self._site.counters["decode_errors_total"] += 1
            self.lose()
            return
        for handle, values in lists:
            asked = self._annals.posts[handle].asked if handle < len(self._annals.posts) else None
            if asked is None:
                self._site.counters["publish_strays_total"] += 1
            else:
                yield handle, read(values, asked, self._session.namespaces)

    async def _take(self, post: Post, event: Event) -> None:
        heard = self._annals.heard[post.device.id]
        if signal := _SIGNALS.get(event.type_id):
            self._signal(heard, signal)
            return
        await self._ancestry.learn(event.type_id)
        if not self._wanted(post, heard, event):
            return
        event = replace(event, kind=self._ancestry.name(event.type_id))
        self._site.counters["events_total"] += 1
        if not heard.conditions.take(event):
            self._site.counters["events_repeated_total"] += 1
            return
        received = self._site.host.clock.wall_ns()
        more = {"refreshed": True} if self._telling and event.condition else {}
        self._offer(heard, event.occurrence(heard.device.name, received, **more), event)

    def _wanted(self, post: Post, heard: Heard, event: Event) -> bool:
        """Whether it is of a type asked for and urgent enough; a condition that stands is followed to its end."""
        if event.condition and event.condition in heard.conditions.standing:
            return True
        return event.severity >= post.events.severity and self._ancestry.is_one(event.type_id, post.types)

    def _signal(self, heard: Heard, signal: int) -> None:
        if signal in (REFRESH_START, REFRESH_END):
            self._telling = signal == REFRESH_START
            self._ends_at = float("inf") if self._telling else self._now + _QUIET
        elif signal == REFRESH_REQUIRED:
            self.lose()
        else:
            self._site.counters["event_overflows_total"] += 1
            text = f"{heard.device.name}: the server's queue ran over, and events were lost"
            self._tell(self._lost(heard.device.name, text, why="overflow"))
            self.lose()

    # --- at a bounded rate ---

    def _offer(self, heard: Heard, occurrence: Occurrence, event: Event) -> None:
        if heard.thinning.offer(occurrence, event.condition, self._now):
            self._tell(occurrence)

    async def _let_go(self) -> Never:
        """Tell what was held back, as far as there is room, and what was not told at all."""
        while True:
            for heard in self._annals.heard.values():
                for occurrence in heard.thinning.due(self._now):
                    self._tell(occurrence)
                self._tell_thinned(heard)
            if self._ends_at <= self._now:
                self._end()
            await self._pause()

    def _tell_thinned(self, heard: Heard) -> None:
        count, worst = heard.thinning.report(self._now)
        if count:
            self._site.counters["events_thinned_total"] += count
            name = heard.device.name
            text = f"{name}: {count} events more than event_rate were not passed on, the worst of severity {worst}"
            self._tell(self._lost(name, text, why="storm", count=count, severity=worst))

    def _lost(self, device: str, text: str, **fields: object) -> Occurrence:
        return Occurrence(device, LOST, text, self._site.host.clock.wall_ns(), fields)

    def _tell(self, occurrence: Occurrence) -> None:
        self._site.counters["events_told_total"] += 1
        self._site.host.tell(occurrence)

    @property
    def _now(self) -> float:
        return self._site.host.clock.monotonic()

    async def _pause(self) -> None:
        await self._site.host.clock.sleep_until(self._now + _LOOK)
