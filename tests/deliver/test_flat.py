"""Flat JSON: a message per tag, by its schema, on a topic of its own; and what Home Assistant is told of it."""

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError

from gateway.config.broker import MqttConfig
from gateway.deliver.event import Class
from gateway.deliver.payloads.flat import FlatTelemetry, flat
from gateway.deliver.payloads.homeassistant import DEVICE_CLASSES, discovery
from gateway.deliver.topics import Topics
from gateway.replay import Kept
from gateway.sdk import DeviceConfig, TagConfig, TagTable, quality
from gateway.stages.condition import Readings

SCHEMA = json.loads((Path(__file__).parents[2] / "config/schema/flat-1.json").read_text())
TAGS = {"flow": TagConfig(unit="m³/h"), "state": TagConfig(), "temp": TagConfig(unit="°C"), "fill": TagConfig(unit="%")}
TABLE = TagTable.build([DeviceConfig(device="pump-7", adapter="x", tags=TAGS)])
TOPICS = Topics("fieldgate/{gateway}/{class}/{name}", "line-3")


def sent(values: list[float], status: list[int], other: dict[int, Any], **options: Any) -> list[tuple[str, Any, int]]:
    out = Kept()
    n = len(values)
    part = Readings(
        np.arange(n), np.array(values, float), np.full(n, 1_773_480_413_589_000_000), np.array(status, np.uint32)
    )
    FlatTelemetry(TABLE, out, TOPICS.of).send(0, part, other, 0, **options)
    return [(message.topic, json.loads(message.body), message.readings) for message in out.take()]


def test_each_tag_has_a_message_and_a_topic() -> None:
    messages = sent([1.5, math.nan, math.nan, 7.0], [0, 0, quality.BAD_TIMEOUT, quality.UNCERTAIN], {1: "on"})
    assert [topic for topic, _, _ in messages] == [f"fieldgate/line-3/telemetry/pump-7/{tag}" for tag in TAGS]
    assert [body["value"] for _, body, _ in messages] == [1.5, "on", None, 7.0]
    assert [body["quality"] for _, body, _ in messages] == ["good", "good", "bad", "uncertain"]
    assert [body.get("status", 0) for _, body, _ in messages] == [0, 0, quality.BAD_TIMEOUT, quality.UNCERTAIN]
    assert {body["timestamp_ms"] for _, body, _ in messages} == {1_773_480_413_589}
    assert sum(readings for _, _, readings in messages) == 4


@pytest.mark.parametrize("value", [1.5, None, "on", b"\x01", [1, 2], {"a": 1}, True, 2**60])
@pytest.mark.parametrize("status", [0, quality.UNCERTAIN, quality.BAD_TIMEOUT])
@pytest.mark.parametrize("historical", [False, True])
def test_every_message_keeps_to_the_schema(value: object, status: int, historical: bool) -> None:
    jsonschema.validate(flat(value, 1, status, historical=historical), SCHEMA)


def test_what_was_marked_stale_counts_as_no_reading() -> None:
    assert [readings for _, _, readings in sent([1.0], [quality.UNCERTAIN], {}, readings=0)] == [0]
    assert sent([1.0], [0], {}, historical=True)[0][1]["historical"] is True


def test_a_server_time_is_told_where_there_is_one() -> None:
    bodies = [body for _, body, _ in sent([1.0, 2.0], [0, 0], {}, served=np.array([7_000_000, 0]))]
    assert [body.get("served_ms") for body in bodies] == [7, None]
    for body in bodies:
        jsonschema.validate(body, SCHEMA)


def test_home_assistant_is_told_of_every_tag_and_asset() -> None:
    frames = discovery("homeassistant", "line-3", TOPICS, TABLE, ["pump"], TABLE.units.__getitem__)
    assert all(frame.retain and frame.qos == 0 for frame in frames)
    told = {frame.topic: json.loads(frame.body) for frame in frames}
    assert len(told) == len(TAGS) + 1
    flow = told["homeassistant/sensor/fieldgate-line-3/pump-7_flow/config"]
    assert flow["state_topic"] == TOPICS.of(Class.TELEMETRY, "pump-7/flow")
    assert (flow["unit_of_measurement"], flow["device_class"]) == ("m³/h", "volume_flow_rate")
    assert "device_class" not in told["homeassistant/sensor/fieldgate-line-3/pump-7_fill/config"], "% may be anything"
    assert "unit_of_measurement" not in told["homeassistant/sensor/fieldgate-line-3/pump-7_state/config"]
    problem = told["homeassistant/binary_sensor/fieldgate-line-3/asset_pump/config"]
    assert (problem["device_class"], problem["state_topic"]) == ("problem", TOPICS.of(Class.ALARM, "pump"))
    assert {one["availability_topic"] for one in told.values()} == {TOPICS.status}
    assert len({one["unique_id"] for one in told.values()}) == len(told)


def test_the_templates_say_what_the_messages_hold() -> None:
    """Home Assistant's templates are Jinja; the two that matter are done here by hand on what is really sent."""
    frames = discovery("ha", "line-3", TOPICS, TABLE, ["pump"], TABLE.units.__getitem__)
    told = [json.loads(frame.body) for frame in frames]
    assert told[0]["value_template"] == "{{ value_json.value if value_json.quality != 'bad' else None }}"
    assert {"value", "quality"} <= set(flat(1.0, 1, 0))
    assert told[-1]["value_template"] == "{{ 'ON' if value_json.state.startswith('active') else 'OFF' }}"


def test_every_device_class_is_of_a_unit_that_means_one_thing() -> None:
    assert not {"%", "", "1/min", "pcs"} & set(DEVICE_CLASSES)


def test_home_assistant_wants_flat_messages() -> None:
    with pytest.raises(ValidationError, match="set payload: flat"):
        MqttConfig(url="mqtt://x", homeassistant="homeassistant")
    MqttConfig(url="mqtt://x", homeassistant="homeassistant", payload="flat")
