"""How devices are, told in NE 107's words: once per change, all again on a new connection, bounded."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import jsonschema
import numpy as np

from gateway.deliver.publisher import Publisher
from gateway.deliver.topics import Topics
from gateway.deliver.voice import Frame
from gateway.ingest.image import Image
from gateway.operators.devices import DeviceStates
from gateway.ops.health import Health, State
from gateway.sdk import DeviceConfig, TagConfig, TagTable, quality
from gateway.sdk.testing import FakeClock
from gateway.stages.condition import Readings

SCHEMA = json.loads((Path(__file__).parents[2] / "config/schema/device-1.json").read_text())


class FakePublisher:
    """Stands for a connection to a broker: keeps what is said."""

    def __init__(self, template: str = "fieldgate/{gateway}/{class}/{name}") -> None:
        self.topics, self.connected, self.counters = Topics(template, "g"), True, Counter(connects=1)
        self.said: list[Frame] = []

    def speak(self, frames: Iterable[Frame]) -> None:
        self.said += frames


class Scene:
    """Devices of two tags each."""

    def __init__(self, *names: str, publisher: FakePublisher | None = None) -> None:
        tags = {"a": TagConfig(), "b": TagConfig()}
        devices = [DeviceConfig(device=name, adapter="x", tags=tags) for name in names]
        self.table, self.clock = TagTable.build(devices), FakeClock()
        self.image, self.health, self.publisher = Image(self.table), Health(self.clock), publisher or FakePublisher()
        self.states = DeviceStates(
            self.table, self.image, self.health, self.clock, "g", cast("Publisher", self.publisher)
        )

    def tell(self) -> dict[str, dict[str, Any]]:
        """What is said, by device."""
        self.publisher.said.clear()
        self.states.tell()
        found = [json.loads(frame.body) for frame in self.publisher.said]
        for message, frame in zip(found, self.publisher.said, strict=True):
            jsonschema.validate(message, SCHEMA)
            assert (frame.topic, frame.retain) == (f"fieldgate/g/status/{message['device']}", True)
        return {message["device"]: message for message in found}

    def read(self, device: str, *status: int) -> None:
        self.health.report(f"device {device}", State.OK)
        rows = np.array([self.table.row(f"{device}.{tag}") for tag in ("a", "b")])
        codes = np.array(status or (0, 0), np.uint32)
        self.image.update(Readings(rows, np.zeros(2), np.zeros(2, np.int64), codes), codes < quality.BAD, 1)


def test_a_device_goes_through_the_states_and_each_is_told_once() -> None:
    scene = Scene("pump")
    assert scene.tell()["pump"]["state"] == "function-check"
    scene.read("pump")
    good = scene.tell()["pump"]
    assert (good["state"], good["text"]) == ("good", "")
    assert scene.tell() == {}
    scene.clock.advance(10.0)
    scene.read("pump", 0, quality.BAD_TIMEOUT)
    poor = scene.tell()["pump"]
    assert (poor["state"], poor["text"]) == ("out-of-specification", "1 of its 2 tags are not good")
    assert poor["since"] > good["since"]
    scene.health.report("device pump", State.DEGRADED, "no answer", "check power")
    assert scene.tell()["pump"]["text"] == "no answer; check power"
    scene.health.report("device pump", State.DEGRADED, "connection refused", "check power")
    failed = scene.tell()["pump"]
    assert (failed["state"], failed["text"]) == ("failure", "connection refused; check power")
    scene.read("pump")
    assert scene.tell()["pump"]["state"] == "good"


def test_a_new_connection_is_told_everything_and_an_absent_one_nothing() -> None:
    scene = Scene("pump", "fan")
    scene.tell()
    scene.publisher.connected = False
    scene.read("pump")
    assert scene.tell() == {}
    scene.publisher.connected, scene.publisher.counters["connects"] = True, 2
    assert {name: one["state"] for name, one in scene.tell().items()} == {"pump": "good", "fan": "function-check"}


def test_many_devices_are_told_in_portions() -> None:
    scene = Scene(*(f"d{i}" for i in range(120)))
    told = [scene.tell() for _ in range(4)]
    assert [len(one) for one in told] == [50, 50, 20, 0]
    assert len({name for one in told for name in one}) == 120


def test_what_would_share_the_gateways_own_topic_is_not_told() -> None:
    assert Scene("g", "pump").tell().keys() == {"pump"}
    assert Scene("pump", publisher=FakePublisher("fieldgate/{gateway}/{class}")).tell() == {}
