"""What a session is asked for: the calls that carry readings as bytes, the others through asyncua.

Every error of asyncua ends here and becomes the gateway's.
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, SupportsBytes, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_session import UaSession
from asyncua.common.utils import Buffer
from asyncua.crypto.uacrypto import InvalidSignature  # type: ignore[attr-defined]  # defined there, for mypy twice
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from gateway.sdk import DisconnectedError
from gateway_opcua import channel, nodeid, status
from gateway_opcua.codec import CALL_RESPONSE, ReadPlan, ServiceFaultError, content_of
from gateway_opcua.columns import Columns
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.past import Told, decode_history
from gateway_opcua.plain import FOREIGN as UNREADABLE
from gateway_opcua.security import Security
from gateway_opcua.structures import Structures
from gateway_opcua.wire import CodecError

FOREIGN: Final = (OSError, UaError, InvalidSignature, ValueError, struct.error)  # TimeoutError is an OSError
NAMESPACES: Final = 2255  # NamespaceArray (Part 6 Annex A)

T = TypeVar("T")


class Services:
    """The services of one server, over whatever connection there is now.

    Attributes:
        url: of the server.
        namespaces: URIs of the server's namespaces, by index.
        security: of the connection.
        structures: the makers' types, as far as they were met.
        crowded: it was refused because the server has no free session.
    """

    def __init__(self, config: OpcuaDevice, security: Security, client: Client) -> None:
        self.url, self.security = config.connect, security
        self.namespaces: list[str] = []
        self.crowded = False
        self.structures = Structures()
        self._config, self._client = config, client
        self._channel: channel.Channel | None = None

    async def read(self, plan: ReadPlan) -> Columns:
        """Read once.

        Raises:
            TimeoutError: no answer within the timeout; the session may be well all the same.
            ServiceFaultError, CodecError: the answer is no use.
            DisconnectedError: the session is lost.
        """
        opened = self._opened()
        with self.translated(timeouts=False):
            body = await opened.read(plan, self._config.timeout)
        try:
            return plan.decode(body)
        except ServiceFaultError as fault:
            self.check(fault)
            raise

    async def history(self, request: bytes, nodes: int) -> list[Told]:
        """Ask for the history of `nodes` nodes. Raises as `read`."""
        opened = self._opened()
        with self.translated(timeouts=False, faults=False):
            body = await opened.history(request, self._config.timeout)
        try:
            return decode_history(body, nodes)
        except ServiceFaultError as fault:
            self.check(fault)
            raise

    async def call(self, methods: list[ua.CallMethodRequest], timeout: float) -> list[ua.CallMethodResult]:  # noqa: ASYNC109 - also a hint for the server
        """Call methods, once. Raises as `read`; after TimeoutError nobody knows whether they were called."""
        opened = self._opened()
        with self.translated(timeouts=False, faults=False):
            body = await opened.call(struct_to_binary(ua.CallParameters(methods)), timeout)
        try:
            content_of(body, CALL_RESPONSE)
            results = struct_from_binary(ua.CallResponse, Buffer(body)).Results or []
        except ServiceFaultError as fault:
            self.check(fault)
            raise
        except UNREADABLE as error:
            raise CodecError(f"the answer to a call cannot be read: {error}") from error
        self.expect(len(results), len(methods))
        return list(results)

    def publish(self, acknowledged: channel.Acknowledged) -> asyncio.Future[SupportsBytes]:
        """Send one PublishRequest. Raises DisconnectedError."""
        opened = self._opened()
        with self.translated():
            return opened.publish(acknowledged)

    async def ask(self, service: Callable[[UaSession], Awaitable[T]]) -> T:
        """One call of another service of asyncua's session. Raises ServiceFaultError or DisconnectedError."""
        with self.translated(faults=False):
            return await service(self._client.uaclient.session)

    def expect(self, given: int, wanted: int) -> None:
        """Raises DisconnectedError when the server answers for other things than it was asked for."""
        if given != wanted:
            raise DisconnectedError(f"{self.url}: the server was asked for {wanted} things and answered for {given}")

    async def create_subscription(self, parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        """Create a subscription. Raises ServiceFaultError or DisconnectedError."""
        return await self.ask(lambda service: service.create_subscription(parameters, _nobody))

    async def delete_subscriptions(self, ids: list[int]) -> None:
        """Delete subscriptions. Raises ServiceFaultError or DisconnectedError."""
        await self.ask(lambda service: service.delete_subscriptions(ids))

    async def transfer_subscriptions(self, ids: list[int]) -> list[int]:
        """Take over subscriptions of an earlier session: a StatusCode each. Raises as `create_subscription`."""
        parameters = ua.TransferSubscriptionsParameters(SubscriptionIds=ids)
        results = await self.ask(lambda service: service.transfer_subscriptions(parameters))
        self.expect(len(results or []), len(ids))
        return [int(result.StatusCode.value) for result in results]

    async def republish(self, subscription: int, number: int) -> bytes:
        """A message that was sent before, in binary. Raises ServiceFaultError or DisconnectedError."""
        message = await self.ask(lambda service: service.republish(subscription, number))
        return struct_to_binary(message)

    async def create_items(self, parameters: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        """Create monitored items; a refusal stands in each result. Raises ServiceFaultError or DisconnectedError."""
        results = await self.ask(lambda service: service.create_monitored_items(parameters))
        self.expect(len(results or []), len(parameters.ItemsToCreate))
        return results

    async def delete_items(self, subscription: int, items: list[int]) -> None:
        """Delete monitored items, those that are gone already included. Raises DisconnectedError."""
        parameters = ua.DeleteMonitoredItemsParameters(SubscriptionId=subscription, MonitoredItemIds=items)
        with self.translated():
            await self._client.uaclient.session.delete_monitored_items(parameters)

    async def look_up_namespaces(self) -> None:
        """Ask again which namespaces there are: a server may load them late. Raises as `read`."""
        columns = await self.read(ReadPlan([nodeid.encode(0, NAMESPACES)]))
        self.namespaces = [str(uri) for uri in columns.other.get(0) or self.namespaces]

    # --- errors ---

    def _opened(self) -> channel.Channel:
        if self._channel is None:
            raise DisconnectedError(f"{self.url}: not connected")
        return self._channel

    def check(self, fault: ServiceFaultError) -> None:
        """Raises DisconnectedError when `fault` says that the session is gone."""
        if fault.code in status.SESSION_LOST:
            raise DisconnectedError(f"{self.url}: the session is lost ({status.name(fault.code)})") from fault

    @contextlib.contextmanager
    def translated(self, *, timeouts: bool = True, faults: bool = True) -> Iterator[None]:
        """Turn what asyncua raises into DisconnectedError; or leave timeouts, or make refusals ServiceFaultError."""
        try:
            yield
        except TimeoutError as error:
            if not timeouts:
                raise
            raise DisconnectedError(f"{self.url}: no answer within {self._config.timeout} s") from error
        except UaStatusCodeError as error:
            if not faults and error.code not in status.SESSION_LOST:
                raise ServiceFaultError(error.code) from error
            self.crowded = error.code == status.BAD_TOO_MANY_SESSIONS
            raise DisconnectedError(f"{self.url}: {self._explain(error.code)}") from error
        except FOREIGN as error:
            raise DisconnectedError(f"{self.url}: {str(error) or type(error).__name__}") from error

    def _explain(self, code: int) -> str:
        own = self.security.identity
        return status.explain(code, self._config.refused_login, str(own.path) if own else "its certificate")


def _nobody(_: Any) -> None:
    """The library wants a callback for each subscription; the subscriber takes the messages itself."""
