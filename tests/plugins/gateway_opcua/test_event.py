"""Events from fields to what is told, filters as elements, what stands, and how a storm is thinned: pure."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import extensionobject_from_binary, extensionobject_to_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import Occurrence
from gateway_opcua import nodeid
from gateway_opcua.conditions import Conditions
from gateway_opcua.event import Event, condition_id, decode, read
from gateway_opcua.eventfilter import CONDITION_ID, Step, ask, refused_fields
from gateway_opcua.eventful import OpcuaEvents
from gateway_opcua.thinning import Thinning
from gateway_opcua.wire import CodecError

SPACES = ["http://opcfoundation.org/UA/", "urn:server", "urn:line"]
WHOLE = ask(OpcuaEvents(fields=["2:Batch", "nsu=urn:line;Batch/2:Id", "nsu=urn:gone;X"]), SPACES, Step.WHOLE)
NOON = dt.datetime(2026, 3, 14, 12, tzinfo=dt.UTC)


def values(**told: Any) -> list[Any]:
    """Of all fields: those that are told, the others null."""
    named = {name.replace("/", "_"): at for at, name in enumerate(WHOLE.names)}
    found = [None] * len(WHOLE.names)
    for name, value in told.items():
        found[named[name]] = value
    return found


def heard(word: str = "a", number: int = 1, *, retain: bool = True, active: bool = True) -> Event:
    told = {"EventId": bytes([number]), "ConditionId": ua.NodeId(ua.String(word), ua.Int16(2)), "Retain": retain}
    return read(values(**told, ActiveState_Id=active, Time=NOON + dt.timedelta(seconds=number)), WHOLE, SPACES)


# -- fields ----------------------------------------------------------------------------------------------------------


def test_a_condition_is_read_with_its_state() -> None:
    event = read(
        values(
            EventId=b"\x01\x02", EventType=ua.NodeId(ua.Int32(2915)), SourceName="Tank", Time=NOON, Severity=700,
            Message=ua.LocalizedText("voll", "de"), ConditionId=ua.NodeId(ua.String("A"), ua.Int16(2)), Retain=True,
            ActiveState_Id=True, AckedState_Id=False, Comment=ua.LocalizedText("hm"),
            LimitState_CurrentState=ua.LocalizedText("High"),
        ),
        WHOLE, SPACES,
    )  # fmt: skip
    assert event.time == round(NOON.timestamp()) * 10**9
    assert event.condition == condition_id(event.node, b"", SPACES)
    told = event.occurrence("tank", 5)
    assert (told.kind, told.text, told.time) == ("device condition", "voll", event.time)
    assert {
        "active": True,
        "acked": False,
        "limit": "High",
        "comment": "hm",
        "locale": "de",
    }.items() <= told.fields.items()
    assert "confirmed" not in told.fields


def test_an_event_of_nulls_is_told_with_the_time_of_receipt() -> None:
    event = read(values(), WHOLE, SPACES)
    told = event.occurrence("tank", 5)
    assert (told.kind, told.time, told.fields["type"]) == ("device event", 5, "")
    assert read([], WHOLE, SPACES) == event


@given(st.lists(st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.booleans(), st.floats()), max_size=40))
def test_no_value_of_a_wrong_type_is_a_fault(odd: list[Any]) -> None:
    event = read(odd, WHOLE, SPACES)
    assert event.occurrence("tank", 1).device == "tank"


def test_a_condition_keeps_its_id_when_namespaces_are_numbered_anew() -> None:
    first = condition_id(nodeid.encode(2, "A"), b"", SPACES)
    assert condition_id(nodeid.encode(1, "A"), b"", ["", "urn:line"]) == first
    assert condition_id(nodeid.encode(2, "A"), nodeid.encode(0, 7), SPACES) != first


def test_what_is_no_list_of_events_is_a_codec_error() -> None:
    body = struct_to_binary(ua.EventNotificationList(Events=[ua.EventFieldList(ua.UInt32(3), [ua.Variant(7)])]))
    assert decode(body) == [(3, [7])]
    with pytest.raises(CodecError):
        decode(body[:-3])


# -- filters ---------------------------------------------------------------------------------------------------------


def test_own_fields_come_last_and_those_of_a_missing_namespace_not_at_all() -> None:
    assert WHOLE.names[WHOLE.own :] == ("2:Batch", "nsu=urn:line;Batch/2:Id")
    names = [(part.NamespaceIndex, part.Name) for part in WHOLE.filter.SelectClauses[-1].BrowsePath]
    assert names == [(2, "Batch"), (2, "Id")]
    node = WHOLE.filter.SelectClauses[WHOLE.names.index(CONDITION_ID)]
    assert (node.AttributeId, node.BrowsePath) == (1, [])


def test_a_filter_survives_the_wire_and_its_elements_name_later_ones() -> None:
    asked = ask(OpcuaEvents(types=["i=2915", "ns=2;s=Own"], severity=300), SPACES, Step.WHOLE)
    elements = asked.filter.WhereClause.Elements
    for at, element in enumerate(elements):
        assert all(one.Index > at for one in element.FilterOperands if isinstance(one, ua.ElementOperand))
    back = extensionobject_from_binary(Buffer(extensionobject_to_binary(asked.filter)))
    assert len(back.WhereClause.Elements) == len(elements)
    assert ask(OpcuaEvents(severity=300), SPACES, Step.UNFILTERED).filter.WhereClause.Elements == []
    assert ask(OpcuaEvents(), SPACES, Step.WHOLE).filter.WhereClause.Elements == []


def test_fields_that_the_server_refuses_are_named() -> None:
    good, bad = ua.StatusCode(ua.UInt32(0)), ua.StatusCode(ua.UInt32(0x80340000))
    assert refused_fields(ua.EventFilterResult([good, bad, good]), ["a", "b", "c"]) == ["b"]
    assert refused_fields(None, ["a"]) == []


# -- what stands -----------------------------------------------------------------------------------------------------


def test_an_event_is_news_once() -> None:
    conditions = Conditions()
    assert conditions.take(heard(number=1))
    assert not conditions.take(heard(number=1))
    assert conditions.take(heard(number=2))
    assert list(conditions.standing) == [heard().condition]
    assert conditions.take(heard(number=3, retain=False, active=False))
    assert conditions.standing == {}


def test_a_refresh_tells_the_same_state_no_second_time_even_under_another_id() -> None:
    conditions = Conditions()
    event = heard(number=1)
    conditions.take(event)
    conditions.begin()
    again = replace(event, event_id=b"other")
    assert not conditions.take(again)
    assert conditions.end() == []
    assert conditions.standing[event.condition].event_id == b"other"  # what is acknowledged is the latest


def test_what_a_refresh_does_not_tell_stands_no_more_unless_events_were_lost() -> None:
    conditions = Conditions()
    conditions.take(heard("a", 1))
    conditions.take(heard("b", 2))
    conditions.begin()
    conditions.take(heard("a", 3))
    conditions.miss()
    assert conditions.end() == []
    conditions.begin()
    conditions.take(heard("a", 4))
    assert [event.node for event in conditions.end()] == [nodeid.encode(2, "b")]
    assert len(conditions.standing) == 1


# -- a storm ---------------------------------------------------------------------------------------------------------


def event_of(text: str, severity: int = 1) -> Occurrence:
    return Occurrence("tank", "device event", text, 0, {"severity": severity})


def test_a_storm_is_thinned_to_the_rate_and_counted() -> None:
    thinning = Thinning(10, 0.0)
    assert [thinning.offer(event_of("x", 5), "", 0.0) for _ in range(100)].count(True) == 10
    assert thinning.thinned == 90
    assert thinning.report(0.0) == (90, 5)
    assert thinning.report(60.0) == (0, 0)
    assert [thinning.offer(event_of("x"), "", 1.0) for _ in range(100)].count(True) == 10


def test_of_a_condition_the_last_state_is_told_when_there_is_room() -> None:
    thinning = Thinning(1, 0.0)
    assert thinning.offer(event_of("first"), "a", 0.0)
    assert not thinning.offer(event_of("second"), "a", 0.1)
    assert not thinning.offer(event_of("third"), "a", 0.2)
    assert not thinning.offer(event_of("plain"), "", 5.0)  # conditions come first
    assert [one.text for one in thinning.due(5.0)] == ["third"]
    assert thinning.thinned == 2
    assert thinning.offer(event_of("plain"), "", 9.0)


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.floats(0, 0.3)), max_size=200),
    st.integers(1, 20),
)
def test_every_condition_ends_in_its_last_state_and_every_event_is_told_or_counted(
    storm: list[tuple[str, float]], rate: int
) -> None:
    thinning, now, told, last = Thinning(rate, 0.0), 0.0, list[Occurrence](), dict[str, str]()
    states: dict[str, str] = {}
    for number, (key, pause) in enumerate(storm):
        now += pause
        occurrence = Occurrence(key, "device event", str(number), 0)
        last[key] = occurrence.text
        told += [occurrence] if thinning.offer(occurrence, key, now) else []
    for _ in range(300):
        now += 1.0
        told += thinning.due(now)
    for one in told:
        states[one.device] = one.text
    assert len(told) + thinning.thinned == len(storm)
    assert {key: states[key] for key in last if key} == {key: text for key, text in last.items() if key}
