import queue
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway_sim.broker import BrokerMissingError, serving, settings
from gateway_sim.launch import Simulator

pytest.importorskip("iotcore", reason="the broker is the package iotcore, the extra `demo`")

V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
PORTS = {V5: "mqtt5", V311: "mqtt311"}


@pytest.fixture(scope="module")
def broker() -> Iterator[Simulator]:
    with Simulator("broker") as broker:
        yield broker


class Peer:
    """A connected paho client that keeps what arrives."""

    def __init__(self, version: MQTTProtocolVersion, port: int) -> None:
        self.arrived: queue.Queue[tuple[str, bytes | bytearray, int]] = queue.Queue()
        self._acknowledged: queue.Queue[str] = queue.Queue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
        self.client.on_connect = lambda *_: self._acknowledged.put("connected")
        self.client.on_subscribe = lambda *_: self._acknowledged.put("subscribed")
        self.client.on_message = lambda _c, _u, m: self.arrived.put((m.topic, m.payload, m.qos))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.expect("connected")

    def expect(self, what: str) -> None:
        assert self._acknowledged.get(timeout=15) == what

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, 1)
        self.expect("subscribed")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("publisher", [V5, V311])
@pytest.mark.parametrize("subscriber", [V5, V311])
def test_a_qos_1_message_passes(broker: Simulator, publisher: Any, subscriber: Any) -> None:
    listener = Peer(subscriber, broker.ready[PORTS[subscriber]])
    speaker = Peer(publisher, broker.ready[PORTS[publisher]])
    try:
        listener.subscribe("plant/+/alarm")
        sent = speaker.client.publish("plant/pump/alarm", b"high", qos=1)
        sent.wait_for_publish(15)
        assert sent.is_published()
        assert listener.arrived.get(timeout=15) == ("plant/pump/alarm", b"high", 1)
    finally:
        listener.close()
        speaker.close()


def test_it_listens_on_this_machine_only() -> None:
    text = settings(1, 2)
    assert text.count('listen = "127.0.0.1:') == text.count("listen =") == 2


def test_it_ends_cleanly_and_gives_its_ports_back() -> None:
    with Simulator("broker") as broker:
        ports = broker.ready["mqtt5"], broker.ready["mqtt311"]
        assert all(listening(port) for port in ports)
        assert broker.stop() == 0
        assert not any(listening(port) for port in ports)


def test_what_it_started_ends_even_when_it_is_killed_and_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Simulator("broker") as broker:
        broker.process.kill()
        broker.process.wait()
        deadline = time.monotonic() + 10
        while listening(broker.ready["mqtt5"]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not listening(broker.ready["mqtt5"])
    assert not list(tmp_path.iterdir())


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_without_its_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iotcore", None)
    with pytest.raises(BrokerMissingError, match=r"pip install 'fieldgate\[demo\]'"), serving():
        pass


def test_a_port_that_is_taken_is_an_error_that_names_it(broker: Simulator) -> None:
    ports = broker.ready["mqtt5"], broker.ready["mqtt311"]
    with pytest.raises(BrokerMissingError, match=str(ports[0])), serving(*ports):
        pass
