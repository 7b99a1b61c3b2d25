"""Operators' commands move alarms as the table says, are told of, and are carried out once."""

import json
from pathlib import Path

import jsonschema
import pytest

from gateway.deliver.event import Class, rfc3339
from gateway.stages.states import State
from tests.operators.rig import ALARM, SECOND, Rig

SCHEMA = json.loads((Path(__file__).parents[2] / "config/schema/event-1.json").read_text())


@pytest.fixture
def hot() -> Rig:
    """An alarm that stands."""
    rig = Rig()
    rig.row(50.0)
    [raised] = rig.row(95.0)
    assert raised["state"] == "active-unacknowledged"
    return rig


def test_an_alarm_that_returned_is_acknowledged_and_so_becomes_normal(hot: Rig) -> None:
    assert [alarm["state"] for alarm in hot.row(50.0)] == ["returned-unacknowledged"]
    answer = hot.ask("ack", by="ann", comment="fan was off")
    assert (answer["result"], answer["state"], answer["text"]) == ("done", "normal", "pump-hot is normal")
    (_, alarm), (_, event) = hot.both()
    assert (alarm["previous"], alarm["state"]) == ("returned-unacknowledged", "normal")
    assert (alarm["by"], alarm["comment"]) == ("ann", "fan was off")
    assert alarm["message"] == "pump-hot: acknowledged by ann: fan was off"
    assert (event["kind"], event["name"], event["fields"]["via"]) == ("command", ALARM, "cli")
    jsonschema.validate(alarm, SCHEMA)
    jsonschema.validate(event, SCHEMA)


def test_a_command_tells_what_the_alarm_was_raised_by(hot: Rig) -> None:
    hot.ask("ack")
    [alarm] = hot.told(Class.ALARM)
    assert [(c["tag"], c["value"]) for c in alarm["contributions"]] == [("pump.t", 95.0)]
    assert alarm["quality"] == {"good": 1, "of": 1}
    assert "by" not in alarm
    assert alarm["severity"] == "medium"


def test_a_shelved_alarm_comes_back_by_itself(hot: Rig) -> None:
    answer = hot.ask("shelve", **{"for": "2h"})
    [alarm] = hot.told(Class.ALARM)
    ends = hot.clock.wall_ns() + 7200 * SECOND
    assert alarm["until"] == rfc3339(ends)
    assert alarm["until"] in answer["text"]
    jsonschema.validate(alarm, SCHEMA)
    assert hot.row(95.0) == []
    hot.clock.advance(7200.0)
    hot.pipeline.sweep(0, hot.clock.wall_ns())
    [over] = hot.told(Class.ALARM)
    assert (over["state"], over["message"]) == ("normal", "pump-hot: shelving has ended")
    assert "until" not in over
    assert [alarm["state"] for alarm in hot.row(95.0)] == ["active-unacknowledged"]


def test_shelving_without_a_time_lasts_as_long_as_is_allowed_and_no_longer() -> None:
    rig = Rig(longest=60.0)
    rig.ask("shelve")
    assert rig.told(Class.ALARM)[0]["until"] == rfc3339(rig.clock.wall_ns() + 60 * SECOND)
    rig.ask("unshelve")
    refused = rig.ask("shelve", **{"for": "2min"})
    assert (refused["result"], refused["reason"]) == ("refused", "malformed")


def test_an_alarm_out_of_service_is_silent_until_it_is_enabled(hot: Rig) -> None:
    assert hot.ask("disable")["state"] == "out-of-service"
    hot.told(Class.ALARM)
    assert hot.row(95.0) == hot.row(50.0) == hot.row(95.0) == []
    assert hot.ask("enable")["state"] == "normal"
    hot.told(Class.ALARM)
    assert [alarm["state"] for alarm in hot.row(95.0)] == ["active-unacknowledged"]


@pytest.mark.parametrize(
    ("table", "reason", "why"),
    [
        ({"asset": ALARM, "action": "unshelve"}, "illegal", "pump-hot is active-unacknowledged; unshelve is for"),
        ({"asset": "valve", "action": "ack"}, "unknown", "no alarm 'valve'"),
        ({"asset": ALARM, "action": "ack", "expires": "2001-01-01T00:00:00Z"}, "expired", "before 2001"),
        ({"asset": ALARM}, "malformed", "no action"),
        (None, "malformed", "no command"),
    ],
)
def test_a_refused_command_moves_nothing_and_is_told_of(
    hot: Rig, table: dict[str, str] | None, reason: str, why: str
) -> None:
    answer = hot.commands.take(table, "mqtt")
    assert answer is not None
    assert (answer["result"], answer["reason"]) == ("refused", reason)
    assert why in answer["text"]
    [(topic, event)] = hot.both()
    assert (event["kind"], event["fields"]["reason"]) == ("command refused", reason)
    assert topic in ("event/pump-hot", "event/command"), "a topic is never made of what a sender says"
    jsonschema.validate(event, SCHEMA)
    assert hot.commands.refused == {reason: 1}
    assert State(hot.judged.watch.alarms.state[1]) is State.ACTIVE_UNACKNOWLEDGED


def test_a_command_that_comes_again_is_answered_as_before_and_not_done_again(hot: Rig) -> None:
    first = hot.ask("ack", id="a1")
    hot.row(50.0)
    hot.row(95.0)
    again = hot.ask("ack", id="a1")
    assert (again["result"], again["repeated"], first["repeated"]) == ("done", True, False)
    assert State(hot.judged.watch.alarms.state[1]) is State.ACTIVE_UNACKNOWLEDGED
    [event] = hot.told(Class.EVENT)
    assert (event["kind"], event["fields"]["reason"]) == ("command refused", "repeated")
    assert hot.commands.counters["commands_done_total"] == 1
    assert hot.ask("ack", id="a2")["result"] == "done"


def test_ids_are_remembered_within_bounds() -> None:
    rig = Rig()
    for number in range(1500):
        rig.commands.tick()
        rig.ask("ack", id=str(number))
    assert len(rig.commands._known) == 1000


def test_more_commands_than_a_person_gives_are_counted_and_told_of_in_one_event() -> None:
    rig = Rig()
    answers = [rig.commands.take({"asset": ALARM, "action": "ack"}, "mqtt") for _ in range(80)]
    assert sum(answer is not None for answer in answers) == 50
    assert len(rig.told(Class.EVENT)) == 50
    rig.commands.drop(7)
    rig.commands.tick()
    [event] = rig.told(Class.EVENT)
    assert (event["kind"], event["fields"]) == ("commands dropped", {"count": 37})
    assert rig.commands.counters["commands_dropped_total"] == 37
    assert rig.ask("ack")["reason"] == "illegal"
    rig.commands.tick()
    assert len(rig.told(Class.EVENT)) == 1


def test_what_is_taken_down_is_state_history_and_figures(hot: Rig) -> None:
    hot.row(50.0)
    hot.ask("ack", by="ann")
    states, changes = hot.records.take()
    assert json.loads(states[ALARM])["state"] == "normal"
    assert [(one.previous, one.state, one.by) for one in changes] == [
        ("normal", "active-unacknowledged", ""),
        ("active-unacknowledged", "returned-unacknowledged", ""),
        ("returned-unacknowledged", "normal", "ann"),
    ]
    assert hot.records.take() == ({}, [])
    assert hot.records.document()["hour"] == {"low": 0, "medium": 1, "high": 0, "critical": 0}
