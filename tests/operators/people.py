"""Somebody who gives commands over MQTT, through a broker of their own."""

import json
import threading
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.deliver.brokers import WITHIN

COMMAND, WRITE, RESULT = (f"fieldgate/g/command/{name}" for name in ("alarm", "write", "result"))


class Operator:
    """Somebody with an MQTT client."""

    def __init__(self, port: int, version: str) -> None:
        self.v5 = version == "5"
        self.heard: list[tuple[str, dict[str, Any], bytes | None]] = []
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id="operator", protocol=MQTTv5 if self.v5 else MQTTv311
        )
        ready = threading.Event()
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = self._message
        self.client.connect("127.0.0.1", port)
        self.client.subscribe([("fieldgate/g/#", 1), ("replies/#", 1)])
        self.client.loop_start()
        assert ready.wait(WITHIN)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic not in (COMMAND, WRITE):
            correlation = getattr(message.properties, "CorrelationData", None)
            self.heard.append((message.topic, json.loads(message.payload), correlation))

    def send(
        self, body: bytes, *, retain: bool = False, to: str = "", correlation: bytes = b"", topic: str = COMMAND
    ) -> None:
        properties = Properties(PacketTypes.PUBLISH) if to else None  # type: ignore[no-untyped-call]
        if properties is not None:
            properties.ResponseTopic = to
            properties.CorrelationData = correlation
        self.client.publish(topic, body, qos=1, retain=retain, properties=properties).wait_for_publish(WITHIN)

    def on(self, topic: str) -> list[dict[str, Any]]:
        return [body for where, body, _ in self.heard if where == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
