"""What is said of values beside them: once a connection, and when it is learnt; by its schema; never too large."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import pytest

from gateway.deliver.legend import Legend
from gateway.deliver.metadata import LARGEST, metadata
from gateway.deliver.topics import Topics
from gateway.deliver.voice import Frame
from gateway.sdk import DeviceConfig, TagConfig, TagTable
from gateway.sdk.described import Described
from gateway.stages.meaning import Meanings
from tests.stages.said import meanings

SCHEMA = json.loads((Path(__file__).parents[2] / "config/schema/meta-1.json").read_text())
TOPICS = Topics("fieldgate/{gateway}/{class}/{name}", "line-3")
TAGS = {
    "flow": TagConfig(unit="m³/h", range=(0.0, 250.0), description="Inlet"),
    "mode": TagConfig(),
    "scaled": TagConfig(scale=0.1),
}
TABLE = TagTable.build([DeviceConfig(device=name, adapter="x", every=1.0, tags=TAGS) for name in ("pump", "fan")])
SAID = {
    "pump.flow": Described("gpm", (0.0, 9.0)),
    "pump.mode": Described("", None, {0: "Idle", 3: "Running", -1: "Fault"}),
    "pump.scaled": Described("mm"),
}


def told(table: TagTable = TABLE, said: Mapping[str, Described] = SAID) -> dict[str, Any]:
    frames = list(metadata("line-3", TOPICS, table, meanings(table, said)))
    assert all(frame.retain and frame.qos == 0 for frame in frames)
    bodies = {frame.topic: json.loads(frame.body) for frame in frames}
    for body in bodies.values():
        jsonschema.validate(body, SCHEMA)
    return bodies


def test_a_device_s_message_holds_what_is_configured_and_what_it_says_itself() -> None:
    pump = told()["fieldgate/line-3/meta/pump"]
    assert pump == {
        "schema": 1, "gateway": "line-3", "device": "pump",
        "metadata": {
            "pump.flow": {"unit": "m³/h", "range": [0.0, 250.0], "description": "Inlet"},
            "pump.mode": {"texts": {"0": "Idle", "3": "Running", "-1": "Fault"}},
        },
    }  # fmt: skip
    assert list(told()["fieldgate/line-3/meta/fan"]["metadata"]) == ["fan.flow"]


def test_of_a_device_of_which_nothing_is_known_nothing_is_said() -> None:
    table = TagTable.build([DeviceConfig(device="pump", adapter="x", every=1.0, tags={"mode": TagConfig()})])
    assert told(table, {}) == {}
    assert told(table)["fieldgate/line-3/meta/pump"]["metadata"]


def test_topics_that_do_not_tell_devices_apart_get_none() -> None:
    assert list(metadata("line-3", Topics("plant/{class}", "line-3"), TABLE, Meanings(TABLE))) == []


@pytest.mark.parametrize(
    ("tags", "texts", "left_out"),
    [(500, {1: "x" * 600}, ["texts"]), (1000, {}, ["texts", "description"]), (20_000, {}, ["all"])],
)
def test_what_would_be_too_large_is_told_without_what_is_least_missed(
    tags: int, texts: dict[int, str], left_out: list[str]
) -> None:
    words = "" if texts else "x" * 200
    some = {f"t{number}": TagConfig(unit="bar", description=words) for number in range(tags)}
    table = TagTable.build([DeviceConfig(device="pump", adapter="x", every=1.0, tags=some)])
    said = {name: Described("", None, texts) for name in table.names}
    [frame] = metadata("line-3", TOPICS, table, meanings(table, said))
    assert len(frame.body) <= LARGEST
    body = json.loads(frame.body)
    jsonschema.validate(body, SCHEMA)
    assert body["left_out"] == left_out
    assert len(body["metadata"]) == (0 if left_out == ["all"] else tags)


# -- when it is said ---------------------------------------------------------------------------------------------------


class Line:
    """A publisher as far as a legend knows it: what was said through it, second by second."""

    def __init__(self) -> None:
        self.connected, self.counters = True, Counter(connects=1)
        self.said: list[Frame] = []

    def speak(self, frames: list[Frame]) -> None:
        self.said += frames

    def take(self) -> dict[str, bytes]:
        taken, self.said = {frame.topic: frame.body for frame in self.said}, []
        return taken


def legend(line: Line, what: dict[str, bytes], known: Callable[[], int]) -> Legend:
    frames = lambda: [Frame(topic, body) for topic, body in what.items()]  # noqa: E731 - as short as it can be said
    return Legend(cast("Any", line), frames, known)


def test_all_is_said_on_each_connection_and_nothing_in_between() -> None:
    line, what = Line(), {"a": b"1", "b": b"2"}
    one = legend(line, what, lambda: 0)
    one.tell()
    assert line.take() == what
    one.tell()
    assert line.take() == {}
    line.connected = False
    one.tell()
    assert line.take() == {}
    line.connected, line.counters["connects"] = True, 2
    one.tell()
    assert line.take() == what


def test_what_is_learnt_is_said_when_no_more_comes() -> None:
    line, what, learnt = Line(), {"a": b"1", "b": b"2"}, SimpleNamespace(count=0)
    one = legend(line, what, lambda: learnt.count)
    one.tell()
    line.take()
    for number in range(1, 4):
        what["a"], learnt.count = b"1" * number, number
        one.tell()
        assert line.take() == {}, "it still learns"
    one.tell()
    assert line.take() == {"a": b"111"}, "and only what is new"


def test_what_takes_too_long_to_learn_is_said_meanwhile() -> None:
    line, what, learnt = Line(), {"a": b"0"}, SimpleNamespace(count=0)
    one = legend(line, what, lambda: learnt.count)
    one.tell()
    line.take()
    seconds = 0
    while not line.said:
        learnt.count += 1
        what["a"] = str(learnt.count).encode()
        one.tell()
        seconds += 1
        assert seconds < 100
    assert line.take() == {"a": str(seconds).encode()}


def test_of_what_another_configuration_has_no_more_nothing_is_left_at_the_broker() -> None:
    line = Line()
    one = legend(line, {"a": b"1", "b": b"2"}, lambda: 0)
    one.tell()
    line.take()
    one.go_on(lambda: [Frame("b", b"2"), Frame("c", b"3")], lambda: 0)
    one.tell()
    assert line.take() == {"a": b"", "c": b"3"}


def test_so_many_that_others_would_wait_are_said_second_by_second() -> None:
    line = Line()
    one = legend(line, {str(number): b"x" for number in range(1200)}, lambda: 0)
    counts = []
    for _ in range(4):
        one.tell()
        counts.append(len(line.take()))
    assert counts == [500, 500, 200, 0]
