"""The one file that touches what asyncua keeps private: a request as bytes out, the response as bytes back.

asyncua makes an object of every value; the gateway only needs the bytes of the two services that carry readings. The
attributes used are named in TOUCHED, a test holds them against the installed asyncua, and when one is missing the slow
public way is taken instead, which gives the same bytes.
"""

import asyncio
import logging
import operator
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, Protocol, SupportsBytes

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol
from asyncua.client.ua_session import UaSession
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_to_binary, struct_from_binary, struct_to_binary
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.sdk import Clock
from gateway_opcua.codec import (
    CALL_REQUEST,
    CALL_RESPONSE,
    PUBLISH_REQUEST,
    PUBLISH_RESPONSE,
    READ_REQUEST,
    READ_RESPONSE,
    ReadPlan,
    ServiceFaultError,
    publish_request,
    request_header,
    type_id,
)
from gateway_opcua.past import HISTORY_REQUEST, HISTORY_RESPONSE

TOUCHED: Final = (
    "_request_id",
    "_request_handle",
    "_callbackmap",
    "_connection.message_to_binary",
    "revolve_security_token",
    "authentication_token",
    "transport",
)
"""Attributes of asyncua's UASocketProtocol that FastChannel relies on."""
GUARDED: Final = ("receive_buffer", "_connection._incoming_size", "_connection._drop_incoming_parts")
"""Attributes of the same that the guard relies on, besides UaClient's _make_protocol."""
_LARGEST_CHUNK: Final = 1 << 20  # we ask for 65,535 bytes at most; what is announced longer is not waited for
_LARGEST_MESSAGE: Final = 64 << 20
_LARGEST_GREETING: Final = 2 << 20  # before there is a session: endpoints with their certificates
_MAX_LATE: Final = 64  # requests given up whose answer may still come

Acknowledged = Sequence[tuple[int, int]]


class Channel(Protocol):
    """Carries the services that bring readings."""

    fast: bool

    async def read(self, plan: ReadPlan, timeout: float) -> bytes:  # noqa: ASYNC109 - also a hint for the server
        """The ReadResponse to `plan`. Raises TimeoutError, ConnectionError or UaError."""

    async def history(self, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - also a hint for the server
        """The HistoryReadResponse to `request`, which has no header yet. Raises as `read`."""

    async def call(self, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - also a hint for the server
        """The CallResponse to `request`, which has no header yet. Raises as `read`."""

    def publish(self, acknowledged: Acknowledged) -> asyncio.Future[SupportsBytes]:
        """Send one PublishRequest; its response comes when the server has something to say."""


def open_channel(client: Client, clock: Clock) -> Channel:
    """The fast way where asyncua is as expected, else the public one."""
    return PublicChannel(client) if missing(client.uaclient.protocol) else FastChannel(client, clock)


def missing(protocol: object, paths: Sequence[str] | None = None) -> list[str]:
    """Those of `paths`, TOUCHED unless given, that `protocol` lacks."""

    def has(path: str) -> bool:
        try:
            operator.attrgetter(path)(protocol)
        except AttributeError:
            return False
        return True

    return [path for path in (TOUCHED if paths is None else paths) if not has(path)]


def quiet_asyncua() -> None:
    """At INFO it writes every publish response out, and what goes wrong is told by us: unless somebody set a level."""
    logger = logging.getLogger("asyncua")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


def guard(client: Client) -> None:
    """Cut connections whose other side fills memory: asyncua waits for whatever a header announces."""
    make = client.uaclient._make_protocol  # noqa: SLF001 - named in GUARDED

    def guarded() -> UASocketProtocol:
        protocol = make()
        receive = protocol.data_received

        def data_received(data: bytes) -> None:
            receive(data)
            stranger = protocol.authentication_token.is_null()
            if (
                len(protocol.receive_buffer or b"") > _LARGEST_CHUNK
                or protocol._connection._incoming_size > (_LARGEST_GREETING if stranger else _LARGEST_MESSAGE)  # noqa: SLF001 - GUARDED
            ):
                protocol.disconnect_socket()
                protocol.receive_buffer = None
                protocol._connection._drop_incoming_parts()  # noqa: SLF001 - GUARDED

        if not missing(protocol, GUARDED):
            protocol.data_received = data_received  # type: ignore[method-assign]
        return protocol

    client.uaclient._make_protocol = guarded  # type: ignore[method-assign]  # noqa: SLF001 - as above


class QuietSession(UaSession):
    """The session of asyncua without its publish loop, which keeps one request out and decodes into objects."""

    def ensure_publish_loop(self) -> None:
        """The subscriber has its own."""


class FastChannel:
    """Bytes in, bytes out, over asyncua's socket and security."""

    fast = True

    def __init__(self, client: Client, clock: Clock) -> None:
        protocol = client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("the connection is not open")
        self._protocol = protocol
        self._clock = clock
        self._token = nodeid_to_binary(protocol.authentication_token)
        self._late: deque[int] = deque()

    async def read(self, plan: ReadPlan, timeout: float) -> bytes:  # noqa: ASYNC109 - also a hint for the server
        """The ReadResponse to `plan`."""
        return await self._call(READ_REQUEST, plan.request, timeout)

    async def history(self, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - also a hint for the server
        """The HistoryReadResponse to `request`."""
        return await self._call(HISTORY_REQUEST, request, timeout)

    async def call(self, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - also a hint for the server
        """The CallResponse to `request`."""
        return await self._call(CALL_REQUEST, request, timeout)

    def publish(self, acknowledged: Acknowledged) -> asyncio.Future[SupportsBytes]:
        """Send one PublishRequest, without a hint: the server may keep it as long as it has nothing to say."""
        return self._send(PUBLISH_REQUEST, publish_request(acknowledged), 0)[1]

    async def _call(self, service: int, content: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - as above
        number, answer = self._send(service, content, timeout)
        try:
            async with asyncio.timeout(timeout):
                return bytes(await answer)
        except TimeoutError:
            self._give_up(number)
            raise

    def _send(self, service: int, content: bytes, hint: float) -> tuple[int, asyncio.Future[SupportsBytes]]:
        protocol = self._protocol
        if protocol.transport is None:
            raise ConnectionError("the connection is closed")
        protocol._request_handle += 1  # noqa: SLF001 - TOUCHED
        header = request_header(self._token, self._clock.wall_ns(), protocol._request_handle, hint)  # noqa: SLF001 - TOUCHED
        protocol.revolve_security_token()
        protocol._request_id += 1  # noqa: SLF001 - TOUCHED
        number = protocol._request_id  # noqa: SLF001 - TOUCHED
        message = protocol._connection.message_to_binary(type_id(service) + header + content, request_id=number)  # noqa: SLF001 - TOUCHED
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_seen)
        protocol._callbackmap[number] = answer  # noqa: SLF001 - TOUCHED
        protocol.transport.write(message)
        return number, answer

    def _give_up(self, number: int) -> None:
        """An answer to an unknown request makes asyncua close the connection: forget only when there are many."""
        self._late.append(number)
        if len(self._late) > _MAX_LATE:
            self._protocol._callbackmap.pop(self._late.popleft(), None)  # noqa: SLF001 - TOUCHED


class PublicChannel:
    """The same over asyncua's public API: its objects are turned back into bytes, so that one decoder serves both."""

    fast = False

    def __init__(self, client: Client) -> None:
        self._session = client.uaclient.session

    async def read(self, plan: ReadPlan, timeout: float) -> bytes:  # noqa: ASYNC109 - as FastChannel.read
        """The ReadResponse to `plan`."""
        parameters = struct_from_binary(ua.ReadParameters, Buffer(plan.request))
        async with asyncio.timeout(timeout):
            results = await self._session.read(parameters)
        return _response(READ_RESPONSE) + _array(results)

    async def history(self, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - as FastChannel.history
        """The HistoryReadResponse to `request`."""
        parameters = struct_from_binary(ua.HistoryReadParameters, Buffer(request))
        async with asyncio.timeout(timeout):
            results = await self._session.history_read(parameters)
        return _response(HISTORY_RESPONSE) + _array(results)

    async def call(self, request: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - as FastChannel.call
        """The CallResponse to `request`."""
        parameters = struct_from_binary(ua.CallParameters, Buffer(request))
        async with asyncio.timeout(timeout):
            results = await self._session.call(parameters.MethodsToCall)
        return _response(CALL_RESPONSE) + _array(results)

    def publish(self, acknowledged: Acknowledged) -> asyncio.Future[SupportsBytes]:
        """Send one PublishRequest."""
        acks = [ua.SubscriptionAcknowledgement(SubscriptionId=s, SequenceNumber=n) for s, n in acknowledged]
        answer = asyncio.get_running_loop().create_task(self._publish(acks), name="opcua publish")
        answer.add_done_callback(_seen)
        return answer

    async def _publish(self, acks: list[ua.SubscriptionAcknowledgement]) -> SupportsBytes:
        try:
            response = await self._session.publish(acks)
        except UaStatusCodeError as error:
            raise ServiceFaultError(error.code) from error
        return _response(PUBLISH_RESPONSE) + struct_to_binary(response.Parameters)


def _response(number: int) -> bytes:
    """The head of a good response."""
    return type_id(number) + struct_to_binary(ua.ResponseHeader())


def _array(results: Sequence[object]) -> bytes:
    return len(results).to_bytes(4, "little") + b"".join(struct_to_binary(result) for result in results)


def _seen(answer: asyncio.Future[Any]) -> None:
    """An answer nobody waits for any more fails in silence: whoever waits is told all the same."""
    if not answer.cancelled():
        answer.exception()
