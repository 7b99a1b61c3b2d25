"""A session whose server is a script: what it publishes, refuses and reads is set by the test."""

import asyncio
from typing import Any, SupportsBytes

import numpy as np
from asyncua import ua

from gateway.sdk import Host
from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.columns import Columns
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.session import Session
from tests.plugins.gateway_opcua.messages import status
from tests.plugins.gateway_opcua.rigs import eventually


class ScriptedSession(Session):
    """No network: requests are noted, answers are given by hand."""

    def __init__(self, config: OpcuaDevice, host: Host) -> None:
        super().__init__(config, host)
        self.waiting: list[asyncio.Future[SupportsBytes]] = []
        self.acknowledged: list[tuple[int, int]] = []
        self.reads: list[int] = []  # sizes of the calls
        self.created: list[list[int]] = []  # handles of each call
        self.deleted_items: list[int] = []
        self.refused: dict[int, int] = {}  # StatusCode by handle
        self.most = 10**6  # nodes or items that one call may have
        self.most_subscriptions = 10
        self.subscriptions = 0
        self.keep_alive = 10_000.0  # ms
        self.kept: dict[int, bytes] = {}  # messages that can be asked for again
        self.asked_again: list[tuple[int, int]] = []
        self.transferable: set[int] = set()
        self.kinds = [11]  # types of the first read, over and over

    @property
    def known(self) -> bool:
        return True

    async def read(self, plan: ReadPlan) -> Columns:
        self._limit(len(plan))
        self.reads.append(len(plan))
        columns = Columns.empty(len(plan))
        columns.value[:] = 1.0
        columns.kind[:] = np.resize(np.array(self.kinds, np.uint8), len(plan))
        return columns

    def publish(self, acknowledged: Any) -> asyncio.Future[SupportsBytes]:
        self.acknowledged += acknowledged
        answer: asyncio.Future[SupportsBytes] = asyncio.get_running_loop().create_future()
        self.waiting.append(answer)
        return answer

    async def answer(self, body: bytes) -> None:
        """Answer the oldest request, and let it be dealt with."""
        await eventually(lambda: bool(self.waiting))
        self.waiting.pop(0).set_result(body)
        for _ in range(10):
            await asyncio.sleep(0)

    async def create_subscription(self, _: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        if self.subscriptions >= self.most_subscriptions:
            raise ServiceFaultError(0x80770000)
        self.subscriptions += 1
        return ua.CreateSubscriptionResult(
            SubscriptionId=ua.UInt32(self.subscriptions),
            RevisedPublishingInterval=ua.Double(self.keep_alive),
            RevisedMaxKeepAliveCount=ua.UInt32(1),
        )

    async def republish(self, subscription: int, number: int) -> bytes:
        self.asked_again.append((subscription, number))
        if number not in self.kept:
            raise ServiceFaultError(0x807B0000)
        return self.kept[number]

    async def transfer_subscriptions(self, ids: list[int]) -> list[int]:
        return [0 if number in self.transferable else 0x80280000 for number in ids]

    async def delete_subscriptions(self, ids: list[int]) -> None:
        self.subscriptions -= len(ids)

    async def create_items(self, parameters: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        handles = [int(item.RequestedParameters.ClientHandle) for item in parameters.ItemsToCreate]
        self._limit(len(handles))
        self.created.append(handles)
        return [
            ua.MonitoredItemCreateResult(
                StatusCode=status(self.refused.get(handle, 0)),
                MonitoredItemId=ua.UInt32(1000 + handle),
            )
            for handle in handles
        ]

    async def delete_items(self, _: int, items: list[int]) -> None:
        self.deleted_items += items

    def _limit(self, size: int) -> None:
        if size > self.most:
            raise ServiceFaultError(0x80100000)
