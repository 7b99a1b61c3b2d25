"""A subscriber as a plant would have one: takes what the broker delivers, in order, for a verb to look at."""

import queue
from typing import Any

import orjson
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.sdk.errors import FieldgateError


class SubscriberError(FieldgateError):
    """The broker cannot be reached."""


class Subscriber:
    """One subscription on its own thread; messages wait in a queue."""

    def __init__(self, port: int, topic: str, client_id: str = "fieldgate-view") -> None:
        """Connect to the broker on this machine and subscribe with QoS 1."""
        self._queue: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_message = lambda _client, _data, got: self._queue.put((got.topic, bytes(got.payload)))
        try:
            self._client.connect("127.0.0.1", port)
        except OSError as error:
            raise SubscriberError(f"no broker on port {port}: {error}") from error
        self._client.loop_start()

    def take(self, within: float = 0.0) -> list[tuple[str, dict[str, Any]]]:
        """What has arrived, waiting up to `within` seconds for the first."""
        found: list[tuple[str, dict[str, Any]]] = []
        try:
            item = self._queue.get(timeout=within) if within else self._queue.get_nowait()
            while True:
                found.append((item[0], orjson.loads(item[1]) if item[1] else {}))
                item = self._queue.get_nowait()
        except queue.Empty:
            return found

    def stop(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()
