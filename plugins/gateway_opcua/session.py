"""One OPC UA session over one secure channel: opened, kept alive, thrown away when lost.

Every error of asyncua ends here and becomes the gateway's.
"""

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, SupportsBytes, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.client.ua_session import UaSession
from asyncua.crypto.uacrypto import InvalidSignature  # type: ignore[attr-defined]  # defined there, for mypy twice
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from gateway.sdk import DisconnectedError, Host
from gateway_opcua import channel, nodeid, status
from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.columns import Columns
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.security import Security
from gateway_opcua.wire import CodecError

_FOREIGN: Final = (OSError, UaError, InvalidSignature, ValueError, struct.error)  # TimeoutError is an OSError
_SESSION_TIMEOUT: Final = 60_000  # ms; a gateway that was killed is forgotten after a minute, with its subscriptions
_BEAT: Final = 10.0  # s between two signs of life when nothing else is asked
_MISSED: Final = 2  # beats without an answer that end the session
_CLOSE: Final = 2.0  # s that a farewell may take
_RENEW: Final = 0.75  # share of a token's life after which it is renewed (Part 4 §5.6.2)

# Server, ServerStatus, State; NamespaceArray; OperationLimits (Part 6 Annex A).
_STATE, _NAMESPACES, _NODES_PER_READ, _ITEMS_PER_CALL = 2259, 2255, 11705, 11714
_NODES_PER_BROWSE, _PATHS_PER_CALL = 11710, 11712
_LEARNT: Final = (_NAMESPACES, _NODES_PER_READ, _ITEMS_PER_CALL, _NODES_PER_BROWSE, _PATHS_PER_CALL)
_DEFAULT_LIMIT: Final = 1000
_HIGHEST_LIMIT: Final = 10_000

T = TypeVar("T")


class Session:
    """A session with one server.

    Attributes:
        namespaces: URIs of the server's namespaces, by index.
        nodes_per_read: nodes that one Read may ask for.
        items_per_call: monitored items that one call may create.
        nodes_per_browse: nodes that one Browse may ask for.
        paths_per_call: browse paths that one call may translate.
    """

    def __init__(self, config: OpcuaDevice, host: Host) -> None:
        self.url = config.connect
        self.namespaces: list[str] = []
        self.nodes_per_read = self.items_per_call = self.nodes_per_browse = self.paths_per_call = _DEFAULT_LIMIT
        self._config, self._host = config, host
        self._security = Security(config, host)
        self._client = _client(config)
        self._channel: channel.Channel | None = None

    # --- life ---

    async def open(self) -> None:
        """Connect, secure, log in, and learn the server's limits. Raises DisconnectedError."""
        with self.translated():
            try:
                async with asyncio.timeout(3 * self._config.timeout):
                    await self._open()
            finally:
                if self._channel is None:
                    await self.close()

    async def _open(self) -> None:
        client, config = self._client, self._config
        await self._security.apply(client)
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        await client.create_session()
        self._security.warn_of_open_password(client)
        password = config.password.get_secret_value() if config.password else None
        await client.activate_session(username=config.user, password=password)
        await self._security.keep()
        opened = channel.open_channel(client, self._host.clock)
        if not opened.fast:
            lacking = channel.missing(client.uaclient.protocol)
            self._host.log.warning("asyncua is not as expected: reading the slow way", missing=lacking)
        await self._learn(opened)
        self._channel = opened

    async def _learn(self, opened: channel.Channel) -> None:
        plan = ReadPlan([nodeid.encode(0, n) for n in _LEARNT])
        columns = plan.decode(await opened.read(plan, self._config.timeout))
        self.namespaces = [str(uri) for uri in columns.other.get(0) or []]
        limits = [_limit(value) for value in columns.value[1:]]
        self.nodes_per_read, self.items_per_call, self.nodes_per_browse, self.paths_per_call = limits

    async def close(self) -> None:
        """Say farewell, which deletes the subscriptions, and let go. Never raises.

        A session that was made but not activated says farewell too, so that attempts do not fill the server up.
        """
        self._channel = None
        client, protocol = self._client, self._client.uaclient.protocol
        if protocol is not None and not protocol.is_closed:
            with contextlib.suppress(*_FOREIGN):
                async with asyncio.timeout(_CLOSE):
                    await client.close_session()
                    await client.close_secure_channel()
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()
        client.disconnect_socket()
        await asyncio.sleep(0)  # the transport is told in the next turn

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """What must run as long as the session is used; each raises DisconnectedError when it is lost."""
        return [self._watch(), self._renew(), self._beat()]

    async def _watch(self) -> None:
        async with self._client.subscribe_state() as state:
            await state.wait_for_state(UaClientState.DISCONNECTED)
        raise DisconnectedError(f"{self.url}: the connection was closed")

    async def _renew(self) -> None:
        while True:
            await self._pause(_RENEW * self._client.secure_channel_timeout / 1000)
            with self.translated():
                await self._client.open_secure_channel(renew=True)

    async def _beat(self) -> None:
        """Keep the session, and notice a server that is silent without having closed the connection."""
        plan, missed = ReadPlan([nodeid.encode(0, _STATE)]), 0
        while True:
            await self._pause(min(_BEAT, self._client.session_timeout / 3000))
            try:
                await self.read(plan)
                missed = 0
            except (TimeoutError, ServiceFaultError, CodecError) as error:
                missed += 1
                if missed == _MISSED:
                    raise DisconnectedError(f"{self.url}: {missed} times no sign of life: {error!r}") from error

    async def _pause(self, seconds: float) -> None:
        clock = self._host.clock
        await clock.sleep_until(clock.monotonic() + seconds)

    # --- services ---

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
        columns = await self.read(ReadPlan([nodeid.encode(0, _NAMESPACES)]))
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
            raise DisconnectedError(f"{self.url}: {self._explain(error.code)}") from error
        except _FOREIGN as error:
            raise DisconnectedError(f"{self.url}: {str(error) or type(error).__name__}") from error

    def _explain(self, code: int) -> str:
        who = f"user {self._config.user!r}" if self._config.user else "an anonymous user"
        own = self._security.identity
        return status.explain(code, who, str(own.path) if own else "its certificate")


def _client(config: OpcuaDevice) -> Client:
    channel.quiet_asyncua()
    client = Client(config.connect, timeout=config.timeout)
    client.name = client.description = "fieldgate"
    client.session_timeout = _SESSION_TIMEOUT
    client.uaclient.session = channel.QuietSession(client.uaclient)
    return client


def _limit(value: float) -> int:
    """An operation limit: 0 and no answer mean that none is known."""
    return min(int(value), _HIGHEST_LIMIT) if value >= 1 else _DEFAULT_LIMIT


def _nobody(_: Any) -> None:
    """The library wants a callback for each subscription; the subscriber takes the messages itself."""
