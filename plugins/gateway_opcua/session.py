"""One OPC UA session: opened, kept alive, taken up again on a new connection when the one it had broke off."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState

from gateway.sdk import DisconnectedError, Host
from gateway_opcua import channel, nodeid
from gateway_opcua.codec import ReadPlan, ServiceFaultError
from gateway_opcua.config import OpcuaDevice
from gateway_opcua.profiles import UNKNOWN, profile_of
from gateway_opcua.security import Security, open_channel
from gateway_opcua.services import FOREIGN, NAMESPACES, Services
from gateway_opcua.structures import Structures
from gateway_opcua.wire import CodecError

_SESSION_TIMEOUT: Final = 60_000  # ms; a gateway that was killed is forgotten after a minute, with its subscriptions
_BEAT: Final = 10.0  # s between two signs of life when nothing else is asked
_MISSED: Final = 2  # beats without an answer that end the session
_CLOSE: Final = 2.0  # s that a farewell may take
_RENEW: Final = 0.75  # share of a token's life after which it is renewed (Part 4 §5.6.2)

# Server, ServerStatus, State and BuildInfo; NamespaceArray; OperationLimits (Part 6 Annex A).
_STATE, _BUILD_INFO, _NODES_PER_READ, _ITEMS_PER_CALL = 2259, 2260, 11705, 11714
_NODES_PER_BROWSE, _PATHS_PER_CALL, _HISTORIES_PER_CALL = 11710, 11712, 12165
_LEARNT: Final = (
    NAMESPACES, _BUILD_INFO,
    _ITEMS_PER_CALL, _NODES_PER_READ, _NODES_PER_BROWSE, _PATHS_PER_CALL, _HISTORIES_PER_CALL,
)  # fmt: skip

T = TypeVar("T")


class Session(Services):
    """A session with one server.

    Attributes:
        resumed: it was there before this connection, and is still.
        attempts: times that the server was asked for it.
        profile: what kind of server it is.
        nodes_per_read: nodes that one Read may ask for.
        items_per_call: monitored items that one call may create.
        nodes_per_browse: nodes that one Browse may ask for.
        paths_per_call: browse paths that one call may translate.
        histories_per_call: nodes whose history one call may ask for.
    """

    def __init__(self, config: OpcuaDevice, host: Host) -> None:
        super().__init__(config, Security(config, host), _client(config))
        self.resumed = False
        self.attempts = 0
        self.profile = UNKNOWN
        self.nodes_per_read = self.items_per_call = self.nodes_per_browse = UNKNOWN.unlimited
        self.paths_per_call = self.histories_per_call = UNKNOWN.unlimited
        self._host = host
        self._bound = False  # the session belongs to this connection

    # --- life ---

    @property
    def resumable(self) -> bool:
        """Whether `open` can take it up again: its connection broke off, and nobody said farewell."""
        return self._client.uaclient.session.has_session

    @property
    def known(self) -> bool:
        """Whether the server knows by a certificate who we are: else a number may be another client's by now."""
        return self._config.security != "none"

    async def open(self) -> None:
        """Connect, secure, log in, and learn the server's limits. Raises DisconnectedError."""
        with self.translated():
            try:
                async with asyncio.timeout(3 * self._config.timeout):
                    self.resumed = self.resumable and await self._resume()
                    if not self.resumed:
                        await self._begin()
            finally:
                if self._channel is None:
                    await self.close()

    async def _resume(self) -> bool:
        """Take up the session on a new connection (Part 4 §6.7); False when a server is there that will not have it."""
        connected = False
        try:
            await self._connect()
            connected = True
            await self._secure()
            self._client.uaclient.session.rebind_authentication_token()
            await self._activate()
            await self._use()
        except FOREIGN:
            if not connected:
                raise
        finally:
            if connected and self._channel is None:
                self._forget()
        return self._channel is not None

    async def _begin(self) -> None:
        """A new session."""
        self.structures = Structures()  # the same ids may mean others now
        await self._connect()
        await self._secure()
        self.attempts += 1
        await self._client.create_session()
        self._bound = True
        self.security.warn_of_open_password(self._client)
        await self._activate()
        await self._use()

    async def _connect(self) -> None:
        self._bound = False
        await self.security.apply(self._client)
        await self._client.connect_socket()

    async def _secure(self) -> None:
        await self._client.send_hello()
        await open_channel(self._client)

    async def _activate(self) -> None:
        password = self._config.password.get_secret_value() if self._config.password else None
        await self._client.activate_session(self._config.user, password, self._client.user_certificate)
        self._bound = True

    async def _use(self) -> None:
        await self.security.keep()
        opened = channel.open_channel(self._client, self._host.clock)
        if not opened.fast:
            lacking = channel.missing(self._client.uaclient.protocol)
            self._host.log.warning("asyncua is not as expected: reading the slow way", missing=lacking)
        await self._learn(opened)
        self._channel = opened

    def _forget(self) -> None:
        """Begin as if there had never been a session; what asyncua remembers of the server may not hold any more."""
        self._drop()
        self._client.disconnect_socket()
        self._client = _client(self._config)

    async def _learn(self, opened: channel.Channel) -> None:
        plan = ReadPlan([nodeid.encode(0, n) for n in _LEARNT])
        columns = plan.decode(await opened.read(plan, self._config.timeout))
        self.namespaces = [str(uri) for uri in columns.other.get(0) or []]
        self.profile = profile_of(columns.other.get(1))
        items, *others = columns.value[2:].tolist()
        self.items_per_call = self.profile.items_per_call(items)
        limits = [self.profile.limit(told) for told in others]
        self.nodes_per_read, self.nodes_per_browse, self.paths_per_call, self.histories_per_call = limits
        self._host.log.debug("the server says what it is", build=columns.other.get(1), profile=self.profile.name)

    async def close(self) -> None:
        """Say farewell, which deletes the subscriptions, and let go; where the connection is lost, only let go.

        Never raises. A session that was made but not activated says farewell too, so that attempts do not fill the
        server up.
        """
        self._channel = None
        client, protocol = self._client, self._client.uaclient.protocol
        if protocol is not None and not protocol.is_closed:
            with contextlib.suppress(*FOREIGN):
                async with asyncio.timeout(_CLOSE):
                    if self._bound:
                        await client.close_session()
                    await client.close_secure_channel()
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()
        client.disconnect_socket()
        await asyncio.sleep(0)  # the transport is told in the next turn

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        """What must run as long as the session is used; each raises DisconnectedError when it is lost."""
        secured = [self.security.watch()] if self._config.security != "none" else []
        return [self._watch(), self._renew(), self._beat(), *secured]

    async def _watch(self) -> None:
        async with self._client.subscribe_state() as state:
            await state.wait_for_state(UaClientState.DISCONNECTED)
        raise DisconnectedError(f"{self.url}: the connection was closed")

    async def _renew(self) -> None:
        while True:
            await self._pause(_RENEW * self._client.secure_channel_timeout / 1000)
            with self.translated():
                await open_channel(self._client, renew=True)

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
                    self._drop()
                    raise DisconnectedError(f"{self.url}: {missed} times no sign of life: {error!r}") from error

    def _drop(self) -> None:
        """Nobody hears a farewell: the session is left as it is, to be taken up."""
        protocol = self._client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()

    async def _pause(self, seconds: float) -> None:
        clock = self._host.clock
        await clock.sleep_until(clock.monotonic() + seconds)


def _client(config: OpcuaDevice) -> Client:
    channel.quiet_asyncua()
    client = Client(config.connect, timeout=config.timeout)
    client.name = client.description = "fieldgate"
    client.session_timeout = _SESSION_TIMEOUT
    client.uaclient.session = channel.QuietSession(client.uaclient)
    channel.guard(client)
    return client
