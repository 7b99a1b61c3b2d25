"""The codec against asyncua's encoder: every built-in type, mixed and alike, and bytes that make no sense."""

import contextlib
import datetime as dt
import math
import struct
import uuid
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua import VariantType as T
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sdk import quality
from gateway_opcua.codec import PublishDecoder, ReadPlan, ServiceFaultError
from gateway_opcua.columns import FILETIME_EPOCH, Columns
from gateway_opcua.nodeid import encode
from gateway_opcua.wire import CodecError
from tests.plugins.gateway_opcua.messages import data_change, fault, node, publish_response, read_response, status

NOON = dt.datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
NOON_NS = int(NOON.timestamp()) * 10**9 + 123456000
RECEIVED = 1_800_000_000_000_000_000

NUMBERS: list[tuple[T, Any]] = [
    (T.Boolean, True), (T.SByte, -128), (T.Byte, 255), (T.Int16, -32768), (T.UInt16, 65535), (T.Int32, -(2**31)),
    (T.UInt32, 2**32 - 1), (T.Int64, -(2**53)), (T.UInt64, 2**53), (T.Float, 1.5), (T.Double, -2.25e300),
]  # fmt: skip
OTHERS: list[tuple[ua.Variant, Any]] = [
    (ua.Variant("warm", T.String), "warm"),
    (ua.Variant(None, T.String), None),
    (ua.Variant(b"\x00\x01", T.ByteString), "AAE="),
    (ua.Variant(ua.XmlElement(ua.String("<a/>")), T.XmlElement), "<a/>"),
    (ua.Variant(uuid.UUID(int=5), T.Guid), str(uuid.UUID(int=5))),
    (ua.Variant(node("ns=2;s=Temp"), T.NodeId), "ns=2;s=Temp"),
    (ua.Variant(node("i=5"), T.NodeId), "i=5"),
    (ua.Variant(ua.ExpandedNodeId(ua.String("Temp"), ua.Int16(2)), T.ExpandedNodeId), "ns=2;s=Temp"),
    (ua.Variant(status(0x80340000), T.StatusCode), 0x80340000),
    (ua.Variant(ua.QualifiedName("Temp", 2), T.QualifiedName), "2:Temp"),
    (ua.Variant(ua.LocalizedText("Ofen", "de"), T.LocalizedText), "Ofen"),
    (ua.Variant(ua.Range(Low=-1.0, High=9.0), T.ExtensionObject), {"Low": -1.0, "High": 9.0}),
    (ua.Variant([1.0, 2.0], T.Double), [1.0, 2.0]),
    (ua.Variant([], T.Int32, is_array=True), []),
    (ua.Variant(["a", None], T.String), ["a", None]),
    (ua.Variant([NOON], T.DateTime), ["2024-05-01T12:00:00.123456Z"]),
    (ua.Variant([[1, 2], [3, 4]], T.Int32, Dimensions=[ua.Int32(2), ua.Int32(2)]), [[1, 2], [3, 4]]),
    (ua.Variant([ua.Variant(1, T.Int32), ua.Variant("a", T.String)], T.Variant), [1, "a"]),
    (ua.Variant([ua.Range(Low=0.0, High=1.0)], T.ExtensionObject), [{"Low": 0.0, "High": 1.0}]),
    (ua.Variant(ua.DataValue(ua.Variant(5, T.Int32)), T.DataValue), 5),
]


def value(variant: ua.Variant | None, **options: Any) -> ua.DataValue:
    return ua.DataValue(variant, **{"StatusCode": None, "SourceTimestamp": NOON} | options)


def decode(values: list[ua.DataValue]) -> Columns:
    return ReadPlan([encode(0, 1)] * len(values)).decode(read_response(values))


@pytest.mark.parametrize("others", [[], [ua.Variant("in between", T.String)]], ids=["alike", "mixed"])
@pytest.mark.parametrize(("kind", "number"), NUMBERS, ids=lambda x: getattr(x, "name", None))
def test_numbers_of_every_type_are_exact(kind: T, number: Any, others: list[ua.Variant]) -> None:
    columns = decode([value(v) for v in [ua.Variant(number, kind), *others, ua.Variant(number, kind)]])
    assert columns.value[0] == columns.value[-1] == number
    assert (columns.status == 0).all()
    assert (columns.time(RECEIVED) == NOON_NS).all()
    assert set(columns.other) == set(range(1, 1 + len(others)))


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**53) - 1, -(2**63)])
def test_an_int64_that_a_double_cannot_hold_stays_exact_beside_the_column(number: int) -> None:
    columns = decode([value(ua.Variant(1, T.Int64)), value(ua.Variant(number, T.Int64))])
    assert columns.other == {1: number}
    assert columns.value[0] == 1
    assert math.isnan(columns.value[1])
    assert columns.status[1] == 0


def test_a_uint64_beyond_2_to_the_63_stays_exact() -> None:
    assert decode([value(ua.Variant(2**64 - 1, T.UInt64))]).other == {0: 2**64 - 1}


def test_a_datetime_is_unix_seconds() -> None:
    assert decode([value(ua.Variant(NOON, T.DateTime))]).value[0] == pytest.approx(NOON.timestamp(), abs=1e-6)


@pytest.mark.parametrize(("variant", "plain"), OTHERS, ids=lambda x: str(x)[:40])
def test_what_is_no_number_is_plain_python_beside_the_column(variant: ua.Variant, plain: Any) -> None:
    around = value(ua.Variant(4.5, T.Double))
    columns = decode([around, value(variant), around])
    assert columns.other == {1: plain}
    assert type(columns.other[1]) is type(plain)
    assert columns.value[[0, 2]].tolist() == [4.5, 4.5]
    assert math.isnan(columns.value[1])
    assert (columns.time(RECEIVED) == NOON_NS).all()


def test_a_structure_of_an_unknown_type_comes_as_its_bytes() -> None:
    unknown = ua.ExtensionObject(TypeId=node("ns=5;i=9999"), Body=ua.ByteString(b"\x01\x02"))
    columns = decode([value(ua.Variant(unknown, T.ExtensionObject)), value(ua.Variant(1.0, T.Double))])
    assert columns.other[0] == {"TypeId": "ns=5;i=9999", "Body": "AQI="}
    assert columns.value[1] == 1.0


def test_a_structure_that_cannot_be_read_makes_only_its_own_row_bad() -> None:
    known = ua.typeid_by_extension_objects[ua.Range]
    broken = ua.ExtensionObject(TypeId=known, Body=ua.ByteString(b"\x01\x02"))
    columns = decode([value(ua.Variant(broken, T.ExtensionObject)), value(ua.Variant(1.0, T.Double))])
    assert columns.status.tolist() == [quality.BAD_DECODING_ERROR, 0]
    assert columns.value[1] == 1.0


@pytest.mark.parametrize("count", [1, 3])
def test_a_bad_status_leaves_no_value(count: int) -> None:
    bad = status(0x80340000)
    values = [value(ua.Variant(5.0, T.Double), StatusCode=bad)] * count + [
        value(ua.Variant("x", T.String), StatusCode=bad)
    ]
    for columns in (decode(values), decode(values[:count])):
        assert np.isnan(columns.value).all()
        assert (columns.status == 0x80340000).all()
        assert not columns.other


def test_an_uncertain_value_is_kept() -> None:
    columns = decode([value(ua.Variant(5.0, T.Double), StatusCode=status(0x40900000))])
    assert columns.value[0] == 5.0
    assert columns.status[0] == 0x40900000


@pytest.mark.parametrize("empty", [None, ua.Variant(None, T.Null)], ids=["no value", "null"])
def test_good_without_a_value_is_bad_no_data(empty: ua.Variant | None) -> None:
    nothing = ua.DataValue(StatusCode=None)
    nothing.Value = empty
    columns = decode([nothing, value(ua.Variant(1.0, T.Double))])
    assert columns.status.tolist() == [quality.BAD_NO_DATA, 0]
    assert math.isnan(columns.value[0])


@pytest.mark.parametrize("year", [None, 1601, 1969, 9999], ids=["none", "null date", "before Unix", "end of time"])
def test_without_a_sensible_source_time_it_is_the_time_of_receipt(year: int | None) -> None:
    time = None if year is None else dt.datetime(year, 1, 1, tzinfo=dt.UTC)
    columns = decode([value(ua.Variant(1.0, T.Double), SourceTimestamp=time), value(ua.Variant(1.0, T.Double))])
    assert columns.time(RECEIVED).tolist() == [RECEIVED, NOON_NS]


def test_all_parts_of_a_data_value_are_stepped_over() -> None:
    full = {"ServerTimestamp": NOON, "SourcePicoseconds": 5, "ServerPicoseconds": 6, "StatusCode": status(0)}
    alike = decode([value(ua.Variant(float(i), T.Double), **full) for i in range(4)])
    assert alike.value.tolist() == [0, 1, 2, 3]
    assert (alike.time(RECEIVED) == NOON_NS).all()
    mixed = decode(
        [value(ua.Variant(1.0, T.Double), **full), value(ua.Variant(2, T.Byte), **full), value(None, **full)]
    )
    assert mixed.value[:2].tolist() == [1, 2]
    assert (mixed.time(RECEIVED) == NOON_NS).all()
    assert (alike.served() == NOON_NS).all()
    assert (mixed.served() == NOON_NS).all()


def test_a_server_time_stands_by_its_value_and_is_nothing_where_there_is_none() -> None:
    late = NOON + dt.timedelta(seconds=1)
    timed, plain = value(ua.Variant(1.0, T.Double), ServerTimestamp=late), value(ua.Variant("x", T.String))
    columns = decode([plain, timed, plain])
    assert columns.served().tolist() == [0, NOON_NS + 10**9, 0]
    assert (columns.time(RECEIVED) == NOON_NS).all()
    assert columns.take(np.array([1, 0])).served().tolist() == [NOON_NS + 10**9, 0]
    assert Columns.join([decode([plain]), columns]).served().tolist() == [0, 0, NOON_NS + 10**9, 0]
    assert decode([plain]).server is None


# --- layouts ---


def mixed(numbers: list[float], text: str = "abc") -> list[ua.DataValue]:
    kinds = [T.Double, T.Float, T.Int32, T.Byte]
    cast = [float, float, int, int]
    values = [value(ua.Variant(cast[i % 4](n), kinds[i % 4])) for i, n in enumerate(numbers)]
    return [*values, value(ua.Variant(text, T.String))]


def test_a_layout_once_learnt_serves_until_a_size_changes() -> None:
    plan = ReadPlan([encode(0, 1)] * 9)
    for i in range(5):
        columns = plan.decode(read_response(mixed([i, i + 1, i + 2, i + 3] * 2, text="abc" if i % 2 else "xyz")))
        assert columns.value[:8].tolist() == [i, i + 1, i + 2, i + 3] * 2
        assert columns.other == {8: "abc" if i % 2 else "xyz"}
    assert plan.walks == 1
    assert plan.decode(read_response(mixed([1] * 8, text="longer"))).other == {8: "longer"}
    assert plan.walks == 2


def test_a_layout_is_not_used_for_a_message_that_only_looks_alike() -> None:
    """Same size, other order of types: the values must still be right."""
    plan = ReadPlan([encode(0, 1)] * 3)
    double, byte = ua.Variant(7.0, T.Double), ua.Variant(3, T.Byte)
    text = value(ua.Variant("t", T.String))
    assert plan.decode(read_response([value(double), value(byte), text])).value[:2].tolist() == [7, 3]
    assert plan.decode(read_response([value(byte), value(double), text])).value[:2].tolist() == [3, 7]


def test_two_strings_that_swap_their_lengths_are_told_apart() -> None:
    plan = ReadPlan([encode(0, 1)] * 2)
    for pair in (("a", "bcd"), ("bcd", "a"), ("a", "bcd")):
        assert plan.decode(read_response([value(ua.Variant(t, T.String)) for t in pair])).other == dict(enumerate(pair))


def test_structures_are_walked_anew_each_time() -> None:
    plan = ReadPlan([encode(0, 1)] * 2)
    for text in ("a", "bb", "a"):
        argument = ua.Variant(ua.Argument(Name=text), T.ExtensionObject)
        assert plan.decode(read_response([value(argument), value(ua.Variant(1.0, T.Double))])).value[1] == 1.0
    assert plan.walks == 3


scalars = st.one_of(
    st.floats(allow_nan=False).map(lambda v: ua.Variant(v, T.Double)),
    st.floats(width=32, allow_nan=False).map(lambda v: ua.Variant(v, T.Float)),
    st.integers(-(2**63), 2**63 - 1).map(lambda v: ua.Variant(v, T.Int64)),
    st.integers(0, 2**64 - 1).map(lambda v: ua.Variant(v, T.UInt64)),
    st.integers(-(2**31), 2**31 - 1).map(lambda v: ua.Variant(v, T.Int32)),
    st.integers(0, 255).map(lambda v: ua.Variant(v, T.Byte)),
    st.booleans().map(lambda v: ua.Variant(v, T.Boolean)),
    st.text(max_size=5).map(lambda v: ua.Variant(v, T.String)),
    st.lists(st.integers(-128, 127), max_size=3).map(lambda v: ua.Variant(v, T.SByte, is_array=True)),
    st.sampled_from([variant for variant, _ in OTHERS]),
)
data_values = st.builds(
    ua.DataValue,
    Value=scalars,
    StatusCode=st.sampled_from([None, status(0), status(0x40000000)]),
    SourceTimestamp=st.sampled_from([None, NOON]),
    ServerTimestamp=st.sampled_from([None, NOON]),
    SourcePicoseconds=st.sampled_from([None, 7]),
)


@given(st.lists(data_values, min_size=1, max_size=12), st.data())
@settings(deadline=None)
def test_any_message_gives_what_asyncua_put_in(values: list[ua.DataValue], data: st.DataObject) -> None:
    plan = ReadPlan([encode(0, 1)] * len(values))
    for _ in range(2):  # the second may come by the layout of the first
        columns = plan.decode(read_response(values))
        for i, one in enumerate(values):
            assert one.Value is not None
            assert columns.served()[i] == (NOON_NS if one.ServerTimestamp else 0)
            raw = one.Value.Value
            if isinstance(raw, bool | int | float) and (isinstance(raw, float) or abs(raw) <= 2**53):
                assert columns.value[i] == raw
            else:
                assert i in columns.other
        values = data.draw(st.permutations(values))


# --- publish ---


def test_a_data_change_gives_handles_and_columns() -> None:
    items = [(5, value(ua.Variant(1.5, T.Double))), (3, value(ua.Variant(2.5, T.Double)))]
    message = PublishDecoder().decode(publish_response([data_change(items)], sequence=9, more=True))
    assert (message.subscription, message.sequence, message.more, message.keep_alive) == (7, 9, True, False)
    [(handles, columns)] = message.changes
    assert handles.tolist() == [5, 3]
    assert handles.dtype == np.uint32
    assert columns.value.tolist() == [1.5, 2.5]


def test_mixed_items_and_several_notifications_keep_their_order() -> None:
    first = data_change([(1, value(ua.Variant(1.5, T.Double))), (2, value(ua.Variant("a", T.String)))])
    second = data_change([(1, value(ua.Variant(2.5, T.Double)))])
    event = ua.EventNotificationList(Events=[])
    message = PublishDecoder().decode(publish_response([first, event, second]))
    assert [handles.tolist() for handles, _ in message.changes] == [[1, 2], [1]]
    assert message.changes[0][1].other == {1: "a"}


def test_a_keep_alive_has_no_changes() -> None:
    message = PublishDecoder().decode(publish_response([], sequence=4))
    assert message.keep_alive
    assert message.sequence == 4


def test_the_end_of_a_subscription_is_told() -> None:
    ended = ua.StatusChangeNotification(Status=status(0x800A0000))
    assert PublishDecoder().decode(publish_response([ended])).closed == 0x800A0000


# --- refusals and rubbish ---


def test_a_refusal_has_its_code() -> None:
    with pytest.raises(ServiceFaultError) as caught:
        ReadPlan([encode(0, 1)]).decode(fault(0x80100000))
    assert caught.value.code == 0x80100000


def test_diagnostics_and_strings_in_the_header_are_stepped_over() -> None:
    inner = b"\x11" + struct.pack("<ii", 1, 2) + b"ab"  # symbolic id, additional info
    diagnostics = b"\x61" + struct.pack("<iI", 2, 0x80340000) + inner  # symbolic id, status, inner
    strings = struct.pack("<iii", 2, 1, -1)[:8] + b"a" + struct.pack("<i", -1)
    plain = read_response([value(ua.Variant(1.5, T.Double))])
    assert plain[20:29] == b"\x00" + b"\x00\x00\x00\x00" + b"\x00\x00\x00" + b"\x01"  # none, none, null, one result
    assert ReadPlan([encode(0, 1)]).decode(plain[:20] + diagnostics + strings + plain[25:]).value[0] == 1.5


def test_a_wrong_count_or_type_is_refused() -> None:
    two = read_response([value(ua.Variant(1.5, T.Double))] * 2)
    with pytest.raises(CodecError, match="1 values asked for, 2 given"):
        ReadPlan([encode(0, 1)]).decode(two)
    with pytest.raises(CodecError, match="type 829"):
        ReadPlan([encode(0, 1)]).decode(publish_response([]))


GOOD_READ = read_response([value(variant) for variant, _ in OTHERS] + mixed([1, 2, 3, 4]))
GOOD_PUBLISH = publish_response([data_change([(i, value(v)) for i, (v, _) in enumerate(OTHERS)])])
ALIKE_READ = read_response([value(ua.Variant(1.5, T.Double))] * 5)


@pytest.mark.parametrize(("message", "n"), [(GOOD_READ, len(OTHERS) + 5), (ALIKE_READ, 5), (GOOD_PUBLISH[:-8], 0)])
def test_every_cut_is_told_and_nothing_else_is_raised(message: bytes, n: int) -> None:
    for end in range(len(message) - 4):
        with pytest.raises(CodecError):
            _decode(message[:end], n)


def _decode(message: bytes, n: int) -> object:
    return ReadPlan([encode(0, 1)] * n).decode(message) if n else PublishDecoder().decode(message)


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_hostile_bytes_raise_codec_error_or_nothing(data: st.DataObject) -> None:
    message, n = data.draw(st.sampled_from([(GOOD_READ, len(OTHERS) + 5), (ALIKE_READ, 5), (GOOD_PUBLISH, 0)]))
    hostile = bytearray(message)
    for _ in range(data.draw(st.integers(1, 8))):
        hostile[data.draw(st.integers(0, len(hostile) - 1))] = data.draw(
            st.sampled_from([0, 1, 0x7F, 0x80, 0xC0, 0xFF])
        )
    with contextlib.suppress(CodecError, ServiceFaultError):
        _decode(bytes(hostile), n)


def test_counts_beyond_the_message_are_refused_at_once() -> None:
    head = read_response([])[:-8]
    with pytest.raises(CodecError):
        ReadPlan([encode(0, 1)]).decode(head + struct.pack("<i", 2**31 - 1))


def test_elements_that_take_no_bytes_are_not_counted_to_the_end() -> None:
    nothing = b"\x01\x80" + struct.pack("<i", 2**31 - 1)  # an array of two thousand million nulls
    with pytest.raises(CodecError, match="announced"):
        ReadPlan([encode(0, 1)]).decode(read_response([])[:-8] + struct.pack("<i", 1) + nothing)


def test_variants_nested_without_end_are_refused() -> None:
    nested = b"\x01" + b"\x18" * 100_000
    with pytest.raises(CodecError, match="nested"):
        ReadPlan([encode(0, 1)]).decode(read_response([])[:-8] + struct.pack("<i", 1) + nested)


def test_time_of_a_filetime_is_exact_to_100_ns() -> None:
    columns = Columns.empty(1)
    columns.filetime[:] = FILETIME_EPOCH + 17_000_000_001_234_567
    assert columns.time(0)[0] == 1_700_000_000_123_456_700
