"""HistoryRead between bytes and columns, held against asyncua's encoder."""

import datetime as dt

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from gateway_opcua.codec import ServiceFaultError, type_id
from gateway_opcua.nodeid import encode
from gateway_opcua.past import HISTORY_RESPONSE, decode_history, raw_request
from gateway_opcua.wire import CodecError
from tests.plugins.gateway_opcua.messages import fault, status

START = 1_700_000_000_000_000_000


def response(*results: ua.HistoryReadResult) -> bytes:
    content = len(results).to_bytes(4, "little") + b"".join(struct_to_binary(result) for result in results)
    return type_id(HISTORY_RESPONSE) + struct_to_binary(ua.ResponseHeader()) + content + b"\xff\xff\xff\xff"


def values(*numbers: float) -> ua.HistoryData:
    at = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    moments = [at + dt.timedelta(seconds=i) for i in range(len(numbers))]
    return ua.HistoryData(
        DataValues=[
            ua.DataValue(ua.Variant(number, ua.VariantType.Double), SourceTimestamp=moment)  # type: ignore[arg-type]  # a datetime
            for number, moment in zip(numbers, moments, strict=True)
        ]
    )


def test_a_request_is_what_asyncua_reads_from_it() -> None:
    request = raw_request([(encode(2, "Heater"), b""), (encode(0, 2258), b"next")], START, START + 10**9, 77)
    parameters = struct_from_binary(ua.HistoryReadParameters, Buffer(request))
    details = parameters.HistoryReadDetails
    assert isinstance(details, ua.ReadRawModifiedDetails)
    assert details.StartTime.timestamp() == START / 1e9
    assert details.EndTime.timestamp() == START / 1e9 + 1
    assert (details.NumValuesPerNode, details.IsReadModified, details.ReturnBounds) == (77, False, False)
    assert parameters.ReleaseContinuationPoints is False
    assert [node.NodeId.to_string() for node in parameters.NodesToRead] == ["ns=2;s=Heater", "i=2258"]
    assert [node.ContinuationPoint for node in parameters.NodesToRead] == [None, b"next"]


def test_a_release_says_so() -> None:
    request = raw_request([(encode(2, "Heater"), b"next")], START, START, 0, release=True)
    assert struct_from_binary(ua.HistoryReadParameters, Buffer(request)).ReleaseContinuationPoints is True


def test_every_node_has_its_values_its_status_and_what_follows() -> None:
    first, second, third = decode_history(
        response(
            ua.HistoryReadResult(HistoryData=values(1.5, 2.5), ContinuationPoint=b"more"),
            ua.HistoryReadResult(StatusCode=status(0x80340000)),
            ua.HistoryReadResult(HistoryData=values(7.0)),
        ),
        3,
    )
    assert (first.columns.value.tolist(), first.more) == ([1.5, 2.5], b"more")
    assert (second.status, len(second.columns), second.more) == (0x80340000, 0, b"")
    assert third.columns.time(0).tolist() == [1_714_521_600 * 10**9]


def test_a_refusal_is_a_fault_and_another_number_of_nodes_is_no_answer() -> None:
    with pytest.raises(ServiceFaultError):
        decode_history(fault(0x80100000), 1)
    with pytest.raises(CodecError, match="2 nodes asked for, that of 1"):
        decode_history(response(ua.HistoryReadResult(HistoryData=values(1.0))), 2)


WHOLE = response(ua.HistoryReadResult(HistoryData=values(1.5, 2.5), ContinuationPoint=b"m"))


@given(st.integers(0, len(WHOLE) - 5), st.binary(max_size=8))
def test_whatever_a_server_sends_one_error_comes_out(at: int, other: bytes) -> None:
    for message in (WHOLE[:at], WHOLE[:at] + other + WHOLE[at + len(other) :]):
        try:
            decode_history(message, 1)
        except (CodecError, ServiceFaultError):
            continue
