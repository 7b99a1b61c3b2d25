"""From the outbox to the broker, at least once: a message leaves the outbox when the broker has acknowledged it.

Here the connection is kept: made, watched, made again. What goes over it is told in `sending`.
"""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from gateway.config.broker import MqttConfig
from gateway.deliver.dialling import Dialling
from gateway.deliver.outbox import Outbox
from gateway.deliver.sending import Sending
from gateway.deliver.session import Session
from gateway.deliver.topics import Topics
from gateway.deliver.voice import Frame
from gateway.deliver.waits import first_of
from gateway.sdk import Clock, ConfigError, DisconnectedError, Log

_WATCH: Final = 1.0  # s; how often the oldest unacknowledged message is looked at


class Publisher(Sending):
    """Keeps a connection to the broker, and the outbox empty.

    Args:
        outbox: where the messages are; its `on_accepted` becomes ours.
        config: the broker.
        gateway_id: name of the gateway.
        clock: for waiting.
        log: one line when the broker is lost, one when it is back.
        jitter: gives a number in [0, 1).

    Raises:
        ConfigError: the topic or a certificate cannot be used.
    """

    def __init__(
        self,
        outbox: Outbox,
        config: MqttConfig,
        gateway_id: str,
        clock: Clock,
        log: Log,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._dialling = Dialling(config, jitter)
        super().__init__(outbox, Topics(config.topic, gateway_id), gateway_id, clock, log, self._dialling.wait)
        self._config = config
        self._executor = ThreadPoolExecutor(1, "mqtt-connect")
        self._since = 0.0  # when the connection was made

    async def run(self) -> None:
        """Connect, publish, reconnect, until cancelled or stopped. Cancelled, the broker publishes the will."""
        try:
            while not self._stopping.is_set():
                try:
                    await self._connect()
                    await self._watch()
                except DisconnectedError as error:
                    self._note_loss(str(error))
                finally:
                    self._forget_connection()
                await self._pause()
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def stop(self, within: float = 2.0) -> None:
        """Say goodbye: publish `offline`, wait for its PUBACK, disconnect. `run` then returns."""
        self._stopping.set()
        session = self._session
        if session is None:
            return
        if self.connected:
            try:
                self._goodbye = self._send(session, self.voice.goodbye())
                await first_of(self._clock, session.lost.wait(), self._said.wait(), seconds=within)
            except DisconnectedError as error:
                self.last_error = str(error)
        await session.leave(within if self.connected else 0.0, will=self.voice.leaves_will)

    @property
    def trouble(self) -> str:
        """Why nothing is sent, or not all; "" when all is well."""
        return self.voice.waits() if self.connected else self.last_error or "not reached yet"

    def begin_anew(self, last: Frame) -> None:
        """Say `last`, disconnect, and connect again at once."""
        if self._session is not None and self.connected:
            self.connected = False
            self._dialling.again()
            with suppress(DisconnectedError):
                self._send(self._session, last)
            self._session.depart(will=self.voice.leaves_will)

    async def _connect(self) -> None:
        """One attempt, and the birth message behind it."""
        self.counters["attempts"] += 1
        self._dialling.begins()
        config = self._dialling.config
        client_id = self._config.client_id or f"fieldgate-{self._gateway}"
        ears = [ear for ear in (self.voice.hears, self.ear) if ear is not None]
        session = Session(config, client_id, self.voice.will(), self._executor, self._acknowledged, ears)
        self._session = session
        self._offer = await session.open()
        if self._stopping.is_set():
            raise DisconnectedError("stopped")
        self.connected, self._since = True, self._clock.monotonic()
        self._say(session, self.voice.birth())
        self.counters["connects"] += 1
        self._log.info("broker connected", url=config.url)
        self._pump()

    async def _watch(self) -> None:
        """Until the connection is lost. A broker that takes messages and never acknowledges is lost, too."""
        session = self._session
        assert session is not None  # noqa: S101 - _connect succeeded
        patience = 2 * self._config.keepalive
        while not session.lost.is_set() and not self._stopping.is_set():
            await first_of(self._clock, session.lost.wait(), self._stopping.wait(), seconds=_WATCH)
            sent = self._oldest()
            if sent is not None and self._clock.monotonic() - sent > patience:
                session.abort("no PUBACK")
            self._look_for_renewal(session)
        if self._stopping.is_set():
            await session.lost.wait()  # `stop` sees to it
            return
        raise DisconnectedError(session.reason)

    def _look_for_renewal(self, session: Session) -> None:
        """Certificates that were renewed on disk are used without a restart; what was under way is sent again."""
        try:
            if self._dialling.renewed():
                self.counters["renewals"] += 1
                self._dialling.again()
                session.depart(will=False)
        except ConfigError as error:
            self._log.warning("certificates not usable", reason=str(error))

    def _note_loss(self, reason: str) -> None:
        if self._stopping.is_set():
            return
        self.counters["losses" if self.connected else "failures"] += 1
        if self.connected:
            self._dialling.lost(self._clock.monotonic() - self._since)
        else:
            self._dialling.failed()
        if self.connected or reason != self.last_error:
            self._log.warning("broker lost" if self.connected else "broker unreachable", reason=reason)
        self.last_error = reason

    def _forget_connection(self) -> None:
        if self._session is not None:
            self._session.abort("closed")
        self._session = None
        self._take_back()

    async def _pause(self) -> None:
        wait = self._dialling.pause()
        if not self._stopping.is_set() and wait:
            await first_of(self._clock, self._stopping.wait(), seconds=wait)
