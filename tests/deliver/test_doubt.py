"""What is made while the clock is not trusted says so, in one field of its message; else a message is as it was."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from gateway.deliver.event import AlarmEvent, Class, GatewayEvent, encode
from gateway.deliver.payloads.flat import FlatTelemetry
from gateway.deliver.payloads.thin import thin
from gateway.deliver.telemetry import Telemetry
from gateway.ops.walltime import Doubt
from gateway.replay import Kept
from gateway.sdk import DeviceConfig, TagConfig, TagTable
from gateway.stages.condition import Readings
from tests.deliver.test_thin import record

SCHEMAS = Path(__file__).parents[2] / "config/schema"
TABLE = TagTable.build([DeviceConfig(device="a", adapter="x", tags={name: TagConfig() for name in "xyz"})])
NOW = 1_780_000_000_000_000_000
_NUMBERS = range(1, 7)
TOLD = [Doubt.UNSET, Doubt.STEPPED, Doubt.UNSYNCHRONISED]


def check(schema: str, message: Any) -> Any:
    jsonschema.validate(message, json.loads((SCHEMAS / schema).read_text()))
    return message


def sent(form: str, doubt: Doubt, *, historical: bool = False) -> list[Any]:
    """The messages of one scan of three tags."""
    out = Kept()
    topic = lambda cls, name: f"{cls}/{name}"  # noqa: E731 - as short as it can be said
    part = Readings(np.arange(3), np.array([1.0, 2.0, 3.0]), np.full(3, NOW), np.zeros(3, np.uint32))
    said = lambda: doubt.value  # noqa: E731 - as short as it can be said
    one = FlatTelemetry(TABLE, out, topic, said) if form == "flat" else Telemetry("g", TABLE, out, topic, said)
    one.send(0, part, {}, NOW, historical=historical)
    return [check(f"{form}-1.json", json.loads(message.body)) for message in out.take()]


@pytest.mark.parametrize("form", ["telemetry", "flat"])
@pytest.mark.parametrize("historical", [False, True])
@pytest.mark.parametrize("doubt", TOLD)
def test_telemetry_has_one_field_more(form: str, historical: bool, doubt: Doubt) -> None:
    doubted, trusted = (sent(form, one, historical=historical) for one in (doubt, Doubt.NONE))
    assert len(doubted) == (1 if form == "telemetry" else 3)
    for one, other in zip(doubted, trusted, strict=True):
        assert one == other | {"clock": doubt.value}
        assert "clock" not in other


@pytest.mark.parametrize("doubt", TOLD)
@pytest.mark.parametrize(
    "event",
    [
        GatewayEvent("device lost", "a", NOW, "gone"),
        AlarmEvent("a", NOW, "normal", "normal", "high", 1.0, 1.0, NOW, (), 1, 1, "default", "1", "fine"),
    ],
    ids=["event", "alarm"],
)
def test_events_and_alarms_have_one_field_more(event: AlarmEvent | GatewayEvent, doubt: Doubt) -> None:
    doubted, trusted = (check("event-1.json", json.loads(encode(event, "g", "1", 2, one))) for one in (doubt, ""))
    assert doubted == trusted | {"clock": doubt.value}
    assert "clock" not in trusted


def test_thinning_takes_no_doubt_away_and_spreads_none() -> None:
    bodies = [json.loads(record(number, "a", 1000 + number, [("a.x", float(number), 0)]).body) for number in _NUMBERS]
    marked = [body | ({"clock": "stepped"} if number % 2 else {}) for number, body in enumerate(bodies)]
    records = [
        record(body["sequence"], "a", 0, [])._replace(body=json.dumps(body).encode(), topic="t/a") for body in marked
    ]
    thinned = [json.loads(one.body) for one in thin(records, 10.0)]
    assert [(one.get("clock"), one["values"]) for one in thinned] == [(None, [1.0, 5.0]), ("stepped", [2.0, 6.0])]
    assert all(one.cls is Class.TELEMETRY for one in records)
