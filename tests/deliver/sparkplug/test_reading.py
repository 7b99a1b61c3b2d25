"""Payloads from the network: read, or refused with ValueError, whatever they are."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.deliver.sparkplug.host import Command, PrimaryHost
from gateway.deliver.sparkplug.reading import read
from gateway.deliver.sparkplug.wire import Datatype, Property, metric, payload, property_set, value_field

VALUES: list[tuple[Datatype, float | str]] = [
    (Datatype.INT8, -5), (Datatype.INT16, -3000), (Datatype.INT32, -70_000), (Datatype.INT64, -(2**62)),
    (Datatype.UINT8, 200), (Datatype.UINT16, 60_000), (Datatype.UINT32, 2**32 - 1), (Datatype.UINT64, 2**64 - 1),
    (Datatype.FLOAT, 1.5), (Datatype.DOUBLE, 0.1), (Datatype.BOOLEAN, True), (Datatype.STRING, "Süd"),
]  # fmt: skip


@pytest.mark.parametrize(("datatype", "value"), VALUES)
def test_a_metric_is_read_as_it_was_written(datatype: Datatype, value: float | str) -> None:
    [one] = read(payload(1, metric("Süd/a", 2, datatype, value, alias=7), None)).metrics
    assert (one.name, one.alias, one.timestamp, one.datatype, one.value) == ("Süd/a", 7, 2, datatype, value)


@pytest.mark.parametrize(("datatype", "value"), VALUES)
def test_a_property_is_read_as_it_was_written(datatype: Datatype, value: float | str) -> None:
    body = b"\x0a\x01a" + property_set({"x": Property(datatype, value), "y": Property(Datatype.STRING, "")})
    [one] = read(b"\x12" + bytes([len(body)]) + body).metrics
    assert one.properties == {"x": Property(datatype, value), "y": Property(Datatype.STRING, "")}


@settings(deadline=None)
@given(st.binary(max_size=500))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        read(data)


@settings(deadline=None)
@given(st.data())
def test_a_broken_payload_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(payload(1, b"".join(metric(f"m{n}", 2, *one) for n, one in enumerate(VALUES)), 3))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


def test_more_than_a_thousand_metrics_are_refused() -> None:
    one = metric("x", 1, Datatype.BOOLEAN, value=True)
    assert len(read(one * 1000).metrics) == 1000
    with pytest.raises(ValueError, match="1000"):
        read(one * 1001)


@pytest.mark.parametrize(
    "data",
    [b"\x08", b"\x08" + b"\xff" * 10, b"\x0b\x0c", b"\x12\x05\x0a", b"\x12\x03\x0a\x01\xff", b"\x12\x02\x1a\x00"],
)
def test_what_is_no_payload_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        read(data)


def test_what_is_not_known_is_passed_over() -> None:
    template = b"\x92\x01\x02\x0a\x00"  # field 18
    [one] = read(b"\x12" + bytes([3 + len(template)]) + b"\x0a\x01a" + template + b"\x22\x00").metrics
    assert (one.name, one.value) == ("a", None)


@pytest.mark.parametrize(("value", "rebirth"), [(True, True), (False, False)])
def test_a_rebirth_is_asked_for_by_true(value: bool, rebirth: bool) -> None:
    metrics = read(metric("Node Control/Rebirth", 1, Datatype.BOOLEAN, value)).metrics
    assert Command("", metrics).rebirth == rebirth
    assert not Command("pump-7", metrics).rebirth


STATES = [
    (b'{"online": true, "timestamp": 5}', True), (b'{"online": false, "timestamp": 5, "more": 1}', True),
    (b'{"online": "true", "timestamp": 5}', False), (b'{"online": true, "timestamp": "5"}', False), (b"[]", False),
    (b'{"online": true}', False), (b'{"timestamp": 5}', False), (b"ONLINE", False), (b"\xff", False), (b"", False),
    (b'{"online": true, "timestamp": true}', False),
]  # fmt: skip


@pytest.mark.parametrize(("body", "counts"), STATES)
def test_a_state_counts_when_it_is_one(body: bytes, counts: bool) -> None:
    host = PrimaryHost("scada")
    assert host.hear(body) == counts
    assert host.online == (counts and b"true" in body)


def test_an_older_state_does_not_count() -> None:
    host = PrimaryHost("scada")
    assert host.hear(b'{"online": true, "timestamp": 5}')
    assert not host.hear(b'{"online": false, "timestamp": 4}')
    assert host.online
    assert host.hear(b'{"online": false, "timestamp": 5}')
    assert not host.online


def test_a_value_is_written_where_its_datatype_belongs() -> None:
    """Field numbers of the specification (§6.4.1): int 10, long 11, float 12, double 13, boolean 14, string 15."""
    first = {datatype: value_field(datatype, value)[0] >> 3 for datatype, value in VALUES}
    assert [first[one] for one in Datatype] == [10, 10, 10, 11, 10, 10, 11, 11, 12, 13, 14, 15]
