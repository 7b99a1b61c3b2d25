"""Messages are valid against their published schemas, whatever odd values a device or a model comes up with."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.deliver.event import AlarmEvent, Class, Contribution, GatewayEvent, class_of, dumps, encode, rfc3339

SCHEMA = json.loads((Path(__file__).parents[2] / "config/schema/event-1.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker())


def alarm(**changes: Any) -> AlarmEvent:
    fields: dict[str, Any] = {
        "asset": "pump-7",
        "time_ns": 1_700_000_000_123_456_789,
        "state": "active-unacknowledged",
        "previous": "normal",
        "severity": "high",
        "score": 9.5,
        "threshold": 4.0,
        "since_ns": 1_700_000_000_000_000_000,
        "contributions": [Contribution("pump-7.flow", 0.75, 12.1, 31.9, "m³/h")],
        "good": 3,
        "total": 4,
        "model": "default",
        "model_version": "1",
        "message": "flow 12.1, expected 31.9 given the other tags",
    }
    return AlarmEvent(**fields | changes)


def decoded(message: bytes) -> Any:
    loaded = orjson.loads(message)
    VALIDATOR.validate(loaded)
    return loaded


def test_an_alarm_says_all_that_it_knows() -> None:
    assert decoded(encode(alarm(), "line-3", "18bcfe56800", 7)) == {
        "schema": 1,
        "id": "line-3/18bcfe56800/alarm/7",
        "type": "alarm",
        "gateway": "line-3",
        "epoch": "18bcfe56800",
        "sequence": 7,
        "time": "2023-11-14T22:13:20.123456Z",
        "asset": "pump-7",
        "state": "active-unacknowledged",
        "previous": "normal",
        "severity": "high",
        "score": 9.5,
        "threshold": 4.0,
        "since": "2023-11-14T22:13:20.000000Z",
        "contributions": [{"tag": "pump-7.flow", "share": 0.75, "value": 12.1, "expected": 31.9, "unit": "m³/h"}],
        "quality": {"good": 3, "of": 4},
        "model": {"name": "default", "version": "1"},
        "message": "flow 12.1, expected 31.9 given the other tags",
    }


def test_what_is_no_number_becomes_null() -> None:
    message = decoded(
        encode(alarm(score=float("nan"), contributions=[Contribution("a.b", 1.0, None, float("inf"))]), "g", "1", 1)
    )
    assert message["score"] is None
    assert message["contributions"][0]["value"] is message["contributions"][0]["expected"] is None


def test_numpy_numbers_are_numbers() -> None:
    message = decoded(encode(alarm(score=np.float64(2.5), good=np.int64(2)), "g", "1", 1))
    assert (message["score"], message["quality"]["good"]) == (2.5, 2)


def test_an_event_of_the_gateway_is_one_sentence_and_its_figures() -> None:
    event = GatewayEvent("device lost", "pump-7", 1_700_000_000_000_000_000, "pump-7 does not answer", {"polls": 3})
    message = decoded(encode(event, "line-3", "1", 2))
    assert (message["type"], message["kind"], message["fields"]) == ("event", "device lost", {"polls": 3})
    assert message["id"] == "line-3/1/event/2"
    assert class_of(event) is Class.EVENT
    assert class_of(alarm()) is Class.ALARM


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]))
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=[]), max_size=5), json_like, max_size=4))
def test_no_field_is_too_odd_to_be_sent(fields: dict[str, Any]) -> None:
    decoded(encode(GatewayEvent("odd", "x", 0, "odd", fields), "g", "1", 1))


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775Z"),
        (-(2**63), "1677-09-21T00:12:43.145224Z"),
    ],
)
def test_times_are_rfc_3339_of_one_width(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text


def test_classes_are_ordered_by_importance() -> None:
    assert [str(cls) for cls in Class] == ["alarm", "event", "telemetry"]


@pytest.mark.parametrize("length", [200, 600, 1200, 20_000])
def test_a_message_takes_the_memory_of_its_length(length: int) -> None:
    message = {"text": "x" * length}
    tracemalloc.start()
    try:
        kept = [dumps(message) for _ in range(100)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1.5 * sum(map(len, kept)) + 100 * len(kept)
