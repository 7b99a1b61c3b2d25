"""One connection to the broker: a fresh paho client, opened once, lost once, never reconnected.

paho keeps and sends again what was published while the line was down, under its own rules; the outbox owns the
messages, so a new connection begins with a new client that knows nothing. paho's network thread only appends to a
deque; what it saw reaches the loop in one call per burst.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.config.broker import MqttConfig
from gateway.deliver.ear import limits
from gateway.deliver.tls import tls_context
from gateway.deliver.voice import Frame, Hears
from gateway.sdk import ConfigError, DisconnectedError

CONNECT_TIMEOUT: Final = 5.0  # s; of the TCP connection, of the TLS handshake, of the CONNACK
_OVERHEAD: Final = 16  # bytes of a PUBLISH besides topic and payload: MQTT 5 §3.3, without properties
_WITH_WILL: Final = 0x04  # reason of a DISCONNECT after which the will is published all the same (MQTT 5 §3.14.2.1)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the broker allows (MQTT 5 §3.2.2.3)."""

    window: int
    packet: int

    def takes(self, topic: str, body: bytes) -> bool:
        """Whether a message of this size may be sent at all."""
        return len(topic.encode()) + len(body) + _OVERHEAD <= self.packet


class Session:
    """A connection that is being opened, open, or lost.

    Args:
        config: the broker, and who we are.
        client_id: unique at the broker.
        will: what the broker publishes when we vanish.
        executor: where blocking calls (name service, TCP, TLS) are made.
        on_acks: called on the loop with (message number, reason code) of each PUBACK.
        ears: what hears the messages that come; none: nothing is subscribed.
    """

    def __init__(
        self,
        config: MqttConfig,
        client_id: str,
        will: Frame,
        executor: Executor,
        on_acks: Callable[[list[tuple[int, int]]], None],
        ears: Sequence[Hears] = (),
    ) -> None:
        self._config, self._executor, self._on_acks, self._ears = config, executor, on_acks, ears
        self._asked: deque[Hears] = deque()  # whose subscription is not answered yet: answers come in this order
        self._loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[Offer] = self._loop.create_future()
        self._acks: deque[tuple[int, int]] = deque()
        self._posted = False
        self.lost = asyncio.Event()
        self.reason = ""
        self._client: Client | None = self._new_client(client_id, will)

    async def open(self) -> Offer:
        """Connect, in bounded time.

        Raises:
            DisconnectedError: the broker is away, refuses, or is not who it should be.
        """
        try:
            async with asyncio.timeout(3 * CONNECT_TIMEOUT):
                await self._dial()
                return await self._connack
        except TimeoutError as error:
            raise DisconnectedError("the broker does not answer") from error
        except (OSError, ValueError, ConfigError) as error:  # a certificate that is gone now may be back later
            raise DisconnectedError(f"{self._config.url}: {error}") from error

    def publish(self, frame: Frame, properties: Properties | None = None) -> int:
        """Send. Gives the number that its PUBACK will bear, with QoS 1.

        Raises:
            DisconnectedError: the connection is gone.
        """
        if self._client is None or self.lost.is_set():
            raise DisconnectedError(self.reason or "closed")
        info = self._client.publish(*frame, properties=properties)
        if info.rc != MQTT_ERR_SUCCESS:  # NO_CONN: paho has queued it all the same; with this client it goes
            self.abort(f"publish: {info.rc.name}")
            raise DisconnectedError(self.reason)
        return info.mid

    async def leave(self, within: float, *, will: bool = False) -> None:
        """Say DISCONNECT and wait for the end."""
        if self._client is not None:
            self.depart(will=will)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.lost.wait(), within)
        self.abort("closed")

    def depart(self, *, will: bool) -> None:
        """Say DISCONNECT; `lost` tells when it is done. The broker publishes the will if asked to, with MQTT 5."""
        wanted = will and self._config.version == "5"
        if self._client is not None:
            self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=_WITH_WILL) if wanted else None)

    def abort(self, reason: str) -> None:
        """Cut the connection now. The network thread sees the end of the stream, and ends."""
        self._lose(reason)
        client, self._client = self._client, None
        if client is not None:
            _shut(client)

    def _new_client(self, client_id: str, will: Frame) -> Client:
        mqtt5 = self._config.version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if mqtt5 else True,
            protocol=MQTTv5 if mqtt5 else MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT
        client.max_inflight_messages_set(0)  # the publisher keeps the window; paho would walk its queue at each PUBACK
        client.will_set(*will)
        if self._config.user is not None:
            password = self._config.password
            client.username_pw_set(self._config.user, password.get_secret_value() if password else None)
        client.on_connect, client.on_disconnect, client.on_publish = self._connected, self._gone, self._published
        client.on_subscribe, client.on_message = self._subscribed, self._heard
        return client

    async def _dial(self) -> None:
        """Open the socket and send CONNECT, off the loop; then let paho's thread read."""
        client = self._client
        assert client is not None  # noqa: S101 - open is called once, before abort
        dialled = self._executor.submit(_connect, client, self._config)
        try:
            await asyncio.wrap_future(dialled)
        except asyncio.CancelledError:
            dialled.add_done_callback(lambda _: _shut(client))  # it may still come through
            raise
        if self._client is None:
            _shut(client)
            raise DisconnectedError(self.reason)
        client.loop_start()

    def _connected(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._call(self._lose, f"the broker refuses: {reason}")
        elif getattr(properties, "MaximumQoS", 1) < 1:
            self._call(self._lose, "the broker offers no QoS 1")
        else:
            window = min(self._config.window, getattr(properties, "ReceiveMaximum", 65535))
            self._call(self._accept, Offer(window, getattr(properties, "MaximumPacketSize", 2**28)))

    def _gone(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._call(self._lose, f"connection lost: {reason}")

    def _published(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        """In the network thread, per PUBACK: keep it; one call to the loop for all that come until it looks."""
        self._acks.append((mid, reason.value))
        if not self._posted:
            self._posted = True
            self._call(self._hand_over)

    def _subscribed(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if self._asked:
            self._call(self._asked.popleft().subscribed, codes)

    def _heard(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        """In the network thread, per message; as `_published`."""
        ear = next((ear for ear in self._ears if ear.wants(message.topic)), None)
        if ear is not None and ear.keep(message):
            self._call(ear.hand_over)

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(function, *args)

    def _hand_over(self) -> None:
        self._posted = False
        acks = [self._acks.popleft() for _ in range(len(self._acks))]
        if self._client is not None:
            self._on_acks(acks)

    def _accept(self, offer: Offer) -> None:
        if not self._connack.done():
            self._connack.set_result(offer)
            if self._client is not None:
                self._subscribe(self._client)

    def _subscribe(self, client: Client) -> None:
        for ear in self._ears:
            self._asked.append(ear)
            ear.subscribe(client)

    def _lose(self, reason: str) -> None:
        if not self.lost.is_set():
            self.reason = reason
            self.lost.set()
        if not self._connack.done():
            self._connack.set_exception(DisconnectedError(reason))
            self._connack.exception()  # seen, should `open` not be there any more


def _connect(client: Client, config: MqttConfig) -> None:
    """Blocking: name service, TCP, TLS, CONNECT. Certificates are read each time, so that renewed ones are used."""
    keepalive = max(1, min(65535, round(config.keepalive)))
    if config.url.startswith("mqtts:"):
        context = tls_context(config)
        client.tls_set_context(context)
        try:
            _dial(client, config, keepalive)
        except OSError:
            if context.made is not None:
                context.made.close()
            raise
    else:
        _dial(client, config, keepalive)
    sock = client.socket()
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a small message must not wait for an ACK
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, keepalive * 1000)


def _dial(client: Client, config: MqttConfig, keepalive: int) -> None:
    url = urlsplit(config.url)
    host, port = url.hostname or "", url.port or (8883 if url.scheme == "mqtts" else 1883)
    if config.version == "5":
        client.connect(host, port, keepalive, clean_start=True, properties=limits() if _hears(config) else None)
    else:
        client.connect(host, port, keepalive)


def _hears(config: MqttConfig) -> bool:
    """Whether anything is subscribed: then a broker is told how much we take at once."""
    return config.commands or config.payload == "sparkplug"


def _shut(client: Client) -> None:
    """End the stream under paho: its thread sees it and ends; `loop_stop` would wait for messages that never go."""
    sock = client.socket()
    if isinstance(sock, socket.socket):
        with suppress(OSError):  # it is closed already
            sock.shutdown(socket.SHUT_RDWR)
