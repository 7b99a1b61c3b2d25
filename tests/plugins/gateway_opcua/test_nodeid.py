"""Node ids: what is read, what is refused, and the bytes, against asyncua's."""

import contextlib
import uuid

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary
from hypothesis import given
from hypothesis import strategies as st

from gateway_opcua.nodeid import NodeId, encode, parse

GUID = uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("i=2258", NodeId(0, 2258)),
        ("ns=0;i=1", NodeId(0, 1)),
        ("ns=2;s=Heater.Temp", NodeId(2, "Heater.Temp")),
        ('ns=3;s="DB"."a;b=c"', NodeId(3, '"DB"."a;b=c"')),
        ("ns=2;s=Öfen/温度", NodeId(2, "Öfen/温度")),
        (f"ns=1;g={GUID}", NodeId(1, GUID)),
        ("ns=1;b=AAEC", NodeId(1, b"\x00\x01\x02")),
        ("nsu=http://maker/line;s=Temp", NodeId("http://maker/line", "Temp")),
        ("nsu=urn:a%3Bb%25;i=5", NodeId("urn:a;b%", 5)),
        ("  i=5 ", NodeId(0, 5)),
    ],
)
def test_reads_the_standard_forms(text: str, node: NodeId) -> None:
    assert parse(text) == node


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Heater.Temp", "no node id"),
        ("ns=2;Heater", "no node id"),
        ("ns=2", "no node id"),
        ("", "no node id"),
        ("ns=2;x=5", "unknown kind"),
        ("ns=2;s=", "empty identifier"),
        ("ns=two;i=5", "namespace index"),
        ("ns=70000;i=5", "namespace index"),
        ("ns=-1;i=5", "namespace index"),
        ("ns=;i=5", "namespace index"),
        ("nsu=;i=5", "empty namespace URI"),
        ("i=-1", "number from 0"),
        ("i=4294967296", "number from 0"),
        ("i=٣", "number from 0"),
        ("g=12", "no GUID"),
        ("b=!!", "no base64"),
        ("s=" + "x" * 5000, "4096"),
    ],
)
def test_refuses_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_by_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse(text), NodeId)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF) | st.text(min_size=1) | st.uuids() | st.binary(min_size=1))
def test_bytes_are_those_of_asyncua(index: int, identifier: int | str | uuid.UUID | bytes) -> None:
    assert encode(index, identifier) == nodeid_to_binary(ua.NodeId(identifier, ua.Int16(index)))  # type: ignore[arg-type]


def test_a_namespace_by_uri_is_looked_up() -> None:
    node = parse("nsu=urn:b;i=70000")
    assert node.resolve(["urn:a", "urn:b"]) == encode(1, 70000)
    assert node.resolve(["urn:a"]) is None
