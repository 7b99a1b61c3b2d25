"""The envelope: each check by itself, values exactly as people write them, and what counts as held."""

import contextlib
import math
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sdk import DeviceConfig, TagConfig, TagTable, Value, WriteRefusedError, check_range
from gateway.stages.envelope import CHECKS, Envelope, Facts, judge, same
from gateway.stages.writing import OF_RULES, Action, Reason, WriteCommand, WriteError, parse

NOW = 1_700_000_000 * 10**9
SOON = "2023-11-14T22:13:30Z"  # ten seconds later
FACTS = Facts("cli", NOW, present=10.0, watched=(), since=math.inf, armed=False, there=True)


def envelope(write: dict[str, Any] | None = None, **tag: Any) -> Envelope:
    config = TagConfig.model_validate({"range": (0.0, 100.0), "write": write or {}} | tag)
    table = TagTable.build([DeviceConfig(device="d", adapter="x", tags={"t": config, "u": TagConfig()})])
    assert config.write is not None
    return Envelope.of(table, 0, config, config.write)


def reason(one: Envelope, value: Value = 20, facts: Facts = FACTS, **command: Any) -> str:
    try:
        judge(one, WriteCommand(Action.WRITE, "d.t", value, **command), facts)
    except WriteError as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("write", "value", "facts", "said"),
    [
        ({}, 20, {}, ""),
        ({}, 100, {}, ""),
        ({}, 100.00001, {}, "out-of-range"),
        ({}, -1, {}, "out-of-range"),
        ({"range": (5.0, 500.0)}, 101, {}, "out-of-range"),  # the narrower of both
        ({"range": (5.0, 500.0)}, 4, {}, "out-of-range"),
        ({"values": [1, 2]}, 1.0, {}, ""),
        ({"values": [1, 2]}, True, {}, ""),
        ({"values": [1, 2]}, 1.5, {}, "out-of-range"),
        ({"values": [1, 200]}, 200, {}, "out-of-range"),
        ({"values": ["on"]}, "on", {}, ""),
        ({"values": ["on"]}, "off", {}, "out-of-range"),
        ({}, "20", {}, "wrong-type"),
        ({}, 20, {"via": "mqtt"}, "no-right"),
        ({"allow": ["mqtt"]}, 20, {"via": "mqtt"}, ""),
        ({"step": 10}, 20, {}, ""),
        ({"step": 10}, 20.1, {}, "step"),
        ({"step": 10}, 20, {"present": None}, "bad-quality"),
        ({"interlock": "d.u > 1"}, 20, {"watched": (2.0,)}, ""),
        ({"interlock": "d.u > 1"}, 20, {"watched": (1.0,)}, "interlock"),
        ({"interlock": "d.u > 1"}, 20, {"watched": (None,)}, "interlock"),
        ({"rate": "6/min"}, 20, {"since": 10.0}, ""),
        ({"rate": "6/min"}, 20, {"since": 9.9}, "rate"),
        ({"arm": True}, 20, {}, "not-armed"),
        ({"arm": True}, 20, {"armed": True}, ""),
        ({}, 20, {"there": False}, "device-away"),
    ],
)
def test_each_check(write: dict[str, Any], value: Value, facts: dict[str, Any], said: str) -> None:
    assert reason(envelope(write), value, replace(FACTS, **facts)) == said


def test_a_command_is_late_from_the_instant_on_at_which_it_expires() -> None:
    assert reason(envelope(), expires=NOW + 1) == ""
    assert reason(envelope(), expires=NOW) == "expired"


def test_a_tag_that_says_nothing_of_its_values_takes_none() -> None:
    assert reason(envelope(range=None)) == "out-of-range"


def test_every_reason_of_a_check_is_in_the_table_once() -> None:
    reasons = [reason for reason, _ in CHECKS]
    assert len(set(reasons)) == len(reasons)
    assert reasons[0] is Reason.NO_RIGHT, "who has no right learns nothing of the plant"


@given(st.integers(-(10**8), 10**8), st.sampled_from([0.1, 0.01, 0.001, 0.5, 2.5, 10.0]), st.integers(-500, 500))
def test_what_people_write_in_steps_of_the_scale_is_a_whole_number_before_it(whole: int, scale: float, by: int) -> None:
    one = envelope(scale=scale, offset=by / 10)
    shown = one.shown(whole)
    assert isinstance(shown, float)
    raw = one.raw(shown)
    assert raw == whole
    assert isinstance(raw, int)


def test_what_is_too_large_before_scaling_is_refused() -> None:
    assert envelope(scale=0.1).raw(1e300) == 1e301
    with pytest.raises(WriteError, match="too large"):
        envelope(scale=0.001).raw(1e308)


@given(st.integers(-(2**63), 2**64 - 1))
def test_a_whole_number_without_scale_is_what_it_is(whole: int) -> None:
    assert envelope().raw(whole) == whole


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_fraction_is_held_as_the_nearest_of_its_float_type(value: float) -> None:
    written = float(f"{value:.7g}")
    if abs(written) < 3.4e38:
        assert same(written, struct.unpack("<f", struct.pack("<f", written))[0]) or written == round(written)
    assert same(value, value)


@pytest.mark.parametrize(
    ("sent", "held", "is_same"),
    [(5, 5.0, True), (True, 1.0, True), (16777217, 16777216.0, False), (0.1, 0.10000000149011612, True),
     (0.1, 0.0999755859375, True), (0.1, 0.1001, False), (5, None, False), ("a", "a", True), ("a", 5.0, False),
     (1e300, 1e300, True), (0.1 + 1e300, 3.0, False), (5.5, math.nan, False)],
)  # fmt: skip
def test_what_counts_as_held(sent: Value, held: Value | None, is_same: bool) -> None:
    assert same(sent, held) is is_same


def test_an_end_of_the_range_may_be_written_whatever_binary_makes_of_it() -> None:
    tag = TagConfig(scale=0.1, range=(0.0, 0.3))
    check_range(tag, 3)
    with pytest.raises(WriteRefusedError):
        check_range(tag, 3.0001)


GOOD = {"id": "x", "tag": "d.t", "value": 1, "expires": SOON}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tag": ""}, "tag is missing"), ({"id": ""}, "id is missing"), ({"id": OF_RULES + "a"}, "follow alarms"),
        ({"expires": ""}, "expires is missing"), ({"expires": "2023-11-14T22:30:00Z"}, "further ahead"),
        ({"expires": "soon"}, "must be a time"), ({"value": None}, "value is missing"), ({"value": []}, "must be a"),
        ({"value": math.nan}, "finite"), ({"value": math.inf}, "finite"), ({"value": 2**64}, "64 bits"),
        ({"value": "a" * 251}, "250 characters"), ({"value": "\n"}, "printable"), ({"action": "x"}, "no action"),
        ({"by": 1}, "by must be text"), ({"id": "a" * 129}, "more than 128"), ({"for": "8h"}, "'for' is unknown"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_said(change: dict[str, Any], why: str) -> None:
    with pytest.raises(WriteError, match=why) as error:
        parse(GOOD | change, NOW, 60.0)
    assert error.value.reason is Reason.MALFORMED


def test_a_whole_command_is_read() -> None:
    assert parse(GOOD, NOW, 60.0) == WriteCommand(Action.WRITE, "d.t", 1, "x", expires=NOW + 10 * 10**9)
    assert parse({"tag": "d.t", "value": "on", "action": "look"}, NOW, 60.0).action is Action.LOOK


PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers()))


@given(st.dictionaries(st.sampled_from([*GOOD, "action", "by", "token", "x"]), PLAIN))
def test_whatever_comes_is_a_command_or_malformed(table: dict[str, Any]) -> None:
    with contextlib.suppress(WriteError):  # and nothing else
        reason(envelope(), parse(table, NOW, 60.0).value)
