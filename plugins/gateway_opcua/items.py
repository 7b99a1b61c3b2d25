"""Subscriptions and monitored items on the server: made in large calls, and again where one was refused.

One bad tag never holds the others: it becomes bad by itself and is tried again after a wait that grows.
"""

import contextlib
from collections.abc import Sequence
from typing import Final, cast

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from gateway.sdk import Batch, Device, DisconnectedError, quality
from gateway_opcua import status
from gateway_opcua.codec import ATTRIBUTE_VALUE, ServiceFaultError
from gateway_opcua.config import OpcuaDevice, OpcuaTag
from gateway_opcua.describer import Describer
from gateway_opcua.filters import Filters
from gateway_opcua.places import Places
from gateway_opcua.references import from_binary
from gateway_opcua.session import Session
from gateway_opcua.site import Site
from gateway_opcua.subscriptions import Subscription, keep_alive_count, lifetime_count
from gateway_opcua.wire import CodecError

_NOTICED: Final = 5.0  # ms
_NAMED: Final = 10  # names in one line of the log
_LOOK: Final = 5.0  # s between two looks for tags to try again


class Items:
    """Creates what the server shall watch.

    Attributes:
        queued: a message may have several values of one tag.
    """

    def __init__(self, session: Session, places: Places, devices: Sequence[Device], site: Site) -> None:
        self._session, self._places, self._site = session, places, site
        self._config = {device.id: cast("OpcuaDevice", device.config) for device in devices}
        self._devices = devices
        self._device = {tag.row: device.id for device in devices for tag in device.tags}
        self._tags = {tag.row: cast("OpcuaTag", tag.config) for device in devices for tag in device.tags}
        self._filters = Filters(self._tags)
        self._times = site.times(self._config)
        self._describer: Describer | None = None  # made when it is needed
        self._retry = min((config.retry for config in self._config.values()), default=_LOOK)
        self.queued = any(self._queue(row) > 1 for row in self._tags)

    async def subscribe(self, subscription: Subscription) -> None:
        """Create `subscription` without items. Raises ServiceFaultError or DisconnectedError."""
        every = subscription.every
        keep_alive = keep_alive_count(every, self._stale_after(subscription))
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=every * 1000,
            RequestedLifetimeCount=lifetime_count(every, keep_alive),
            RequestedMaxKeepAliveCount=keep_alive,
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
        )
        made = await self._session.create_subscription(parameters)
        self._site.counters["subscriptions_total"] += 1
        promised = made.RevisedPublishingInterval * max(1, made.RevisedMaxKeepAliveCount) / 1000
        timeout = max(config.timeout for config in self._config.values())
        subscription.begin(made.SubscriptionId, promised, timeout, self._site.host.clock.monotonic())

    def _stale_after(self, subscription: Subscription) -> float:
        return min(
            tag.config.stale_after or self._config[group.device].stale_after or 3 * group.every
            for group in subscription.groups
            for tag in group.tags
        )

    async def create_due(self, subscription: Subscription) -> list[Batch]:
        """Create the items whose time has come; what is refused comes back as bad batches."""
        places = np.flatnonzero(subscription.due <= self._site.host.clock.monotonic())
        if not len(places):
            return []
        if subscription.wait.any():
            self._site.counters["items_retried_total"] += len(places)
        if subscription.abandoned:
            abandoned, subscription.abandoned = subscription.abandoned, []
            await self._session.delete_items(subscription.id, abandoned)
        with contextlib.suppress(TimeoutError, ServiceFaultError, CodecError):
            await self._places.renew(subscription.rows[places].tolist())
        batches: list[Batch] = []
        while len(places):
            step = self._session.items_per_call
            batches += await self._create(subscription, places[:step])
            places = np.flatnonzero(subscription.due <= self._site.host.clock.monotonic())
        return batches

    async def pause(self) -> None:
        """Until it is worth looking for tags to try again."""
        clock = self._site.host.clock
        await clock.sleep_until(clock.monotonic() + min(self._retry / 2, _LOOK))

    async def _create(self, subscription: Subscription, places: NDArray[np.intp]) -> list[Batch]:
        """One call. Sets what becomes of each of `places`, unless the call must be smaller."""
        rows = subscription.rows[places]
        try:
            results = await self._session.create_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=subscription.id,
                    TimestampsToReturn=ua.TimestampsToReturn(self._times),
                    ItemsToCreate=[self._item(row, subscription.every) for row in rows.tolist()],
                )
            )
        except ServiceFaultError as fault:
            if fault.code in status.ASK_FOR_LESS and self._session.items_per_call > 1:
                self._session.items_per_call //= 2
                return []
            codes, ids = np.full(len(rows), fault.code, np.uint32), np.zeros(len(rows), np.uint32)
        else:
            codes = np.array([result.StatusCode.value for result in results], np.uint32)
            ids = np.array([result.MonitoredItemId for result in results], np.uint32)
            self._tell_slower(rows, subscription.every, results)
        settled = ~np.isin(rows, await self._step_down(rows[status.is_filter_refused(codes)].tolist()))
        return self._settle(subscription, places[settled], codes[settled], ids[settled])

    async def _step_down(self, refused: list[int]) -> list[int]:
        """Ask for less where the server does not filter as asked: too many values are better than none.

        Returns the rows that are to be tried again at once.
        """
        if not refused:
            return []
        describer, described = self._describer or self._make_describer(), self._site.described
        if curious := self._filters.without_a_range(refused):
            with contextlib.suppress(DisconnectedError):  # then it is not known
                await describer.describe(curious)
        names = {row: describer.names[row] for row in refused}
        known = {row: described[name] for row, name in names.items() if name in described}
        lowered = self._filters.step_down(refused, known)
        self._site.counters["filters_refused_total"] += len(lowered)
        if fresh := [names[row] for row in lowered if names[row] not in self._site.unfiltered]:
            self._site.unfiltered.update(fresh)
            told = {"count": len(fresh), "tags": fresh[:_NAMED]}
            self._site.host.log.warning("the server does not filter tags as asked", **told)
        return lowered

    def _make_describer(self) -> Describer:
        self._describer = Describer(self._session, self._places, self._devices, self._site)
        return self._describer

    def _tell_slower(
        self, rows: NDArray[np.uint32], every: float, results: Sequence[ua.MonitoredItemCreateResult]
    ) -> None:
        """A server that looks more seldom than it was asked to may miss changes, and does not say so again."""
        asked = np.array([self._sample(row, every) for row in rows.tolist()])
        given = np.array([result.RevisedSamplingInterval for result in results])
        slower = int(np.count_nonzero((given > 1.1 * asked) & (given > asked + _NOTICED)))
        if slower:
            self._site.counters["items_slower_total"] += slower
            seconds = float(given.max()) / 1000
            self._site.host.log.info("server samples more slowly than asked", count=slower, seconds=seconds)

    def _settle(
        self, subscription: Subscription, places: NDArray[np.intp], codes: NDArray[np.uint32], ids: NDArray[np.uint32]
    ) -> list[Batch]:
        self._places.name_reasons(subscription.rows[places], codes)
        bad = quality.is_bad(codes)
        subscription.items[places] = np.where(bad, 0, ids)
        subscription.due[places] = np.inf
        if not bad.any():
            return []
        rows = subscription.rows[places[bad]]
        self._site.suspects.refuse(rows, codes[bad])
        subscription.postpone(places[bad], self._site.host.clock.monotonic(), self._retry)
        return self._bad(rows, codes[bad])

    def _item(self, row: int, every: float) -> ua.MonitoredItemCreateRequest:
        tag, node = self._tags[row], from_binary(self._places.binary(row))
        parameters = ua.MonitoringParameters(
            ClientHandle=row,
            SamplingInterval=self._sample(row, every),
            QueueSize=self._queue(row),
            DiscardOldest=tag.keep == "newest",
        )
        if (wanted := self._filters.of(row)) is not None:
            parameters.Filter = wanted
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ATTRIBUTE_VALUE),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=parameters,
        )

    def _sample(self, row: int, every: float) -> float:
        """Sampling interval in ms, as the standard has it."""
        sample = self._tags[row].sample
        return 1000 * (every if sample is None else sample)

    def _queue(self, row: int) -> int:
        return self._tags[row].queue or self._config[self._device[row]].queue

    def _bad(self, rows: NDArray[np.uint32], codes: NDArray[np.uint32]) -> list[Batch]:
        received = self._site.host.clock.wall_ns()
        devices = np.array([self._device[row] for row in rows.tolist()])
        return [
            Batch(
                device,
                -1,
                rows[devices == device],
                np.full(n, np.nan),
                np.full(n, received, np.int64),
                codes[devices == device],
                received,
            )
            for device, n in zip(*(part.tolist() for part in np.unique(devices, return_counts=True)), strict=True)
        ]

    def look_at(self, subscription: Subscription, rows: NDArray[np.uint32], codes: NDArray[np.uint32]) -> None:
        """An item whose node has gone says so once and never speaks again: it is made anew later."""
        if self.queued:
            self._site.counters["queue_overflows_total"] += status.count_overflows(codes)
        wrong = self._site.suspects.look_at(rows, codes)
        if len(wrong):
            self._places.forget(rows[wrong].tolist())
            places = np.flatnonzero(np.isin(subscription.rows, rows[wrong]) & (subscription.items > 0))
            subscription.abandoned += subscription.items[places].tolist()
            subscription.postpone(places, self._site.host.clock.monotonic(), self._retry)
