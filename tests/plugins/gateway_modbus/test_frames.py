import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus.frames import LONGEST, GarbageError, Verdict, cut, judge, read_request

SENT = b"\x00\x07" + read_request(unit=1, function=3, start=100, count=2)
GOOD = bytes.fromhex("0007 0000 0007 01 03 04 00640065")


def test_a_request_is_encoded_as_the_standard_shows() -> None:
    assert bytes.fromhex("0007 0000 0006 01 03 0064 0002") == SENT


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        ("0007 0000 0007 01 03 04 00640065", Verdict.GOOD),
        ("0007 0000 0003 01 83 02", Verdict.EXCEPTION),
        ("0007 0000 0004 01 83 02 00", Verdict.SHORT),
        ("0007 0000 0002 01 83", Verdict.SHORT),
        ("0007 0000 0005 01 03 02 0064", Verdict.SHORT),
        ("0007 0000 0005 01 03 04 0064", Verdict.SHORT),
        ("0007 0000 0007 01 03 02 00640065", Verdict.SHORT),
        ("0007 0000 0009 01 03 06 006400650066", Verdict.SHORT),
        ("0007 0000 0002 01 03", Verdict.SHORT),
        ("0007 0000 0007 02 03 04 00640065", Verdict.ALIEN),
        ("0007 0000 0007 01 04 04 00640065", Verdict.ALIEN),
        ("0007 0000 0003 01 84 02", Verdict.ALIEN),
        ("0008 0000 0007 01 03 04 00640065", Verdict.ALIEN),
        ("0006 0000 0007 01 03 04 00640065", Verdict.LATE),
    ],
)
def test_an_answer_is_judged(frame: str, verdict: Verdict) -> None:
    assert judge(bytes.fromhex(frame), SENT, 4, given_up=[b"\x00\x06"]) is verdict


def test_with_nothing_in_flight_every_answer_is_out_of_turn() -> None:
    assert judge(GOOD, b"", 0) is Verdict.ALIEN
    assert judge(GOOD, b"", 0, given_up=[GOOD[:2]]) is Verdict.LATE


@pytest.mark.parametrize(
    "header", ["0007 0001 0007", "0007 0100 0007", "0007 0000 0001", "0007 0000 00ff", "474554202f20"]
)
def test_a_header_that_is_no_modbus_is_garbage(header: str) -> None:
    with pytest.raises(GarbageError, match="no Modbus TCP header"):
        cut(GOOD + bytes.fromhex(header))


@given(st.lists(st.binary(min_size=2, max_size=LONGEST), max_size=8), st.data())
def test_a_stream_gives_the_same_frames_however_it_is_chopped(bodies: list[bytes], data: st.DataObject) -> None:
    whole = [b"\x00\x01\x00\x00" + len(body).to_bytes(2, "big") + body for body in bodies]
    stream, frames, rest = b"".join(whole), [], b""
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        cut_now, rest = cut(rest + stream[:size])
        frames += cut_now
        stream = stream[size:]
    assert frames == whole
    assert rest == b""


@given(st.binary(max_size=2000))
def test_any_bytes_are_frames_or_garbage_and_the_rest_is_bounded(stream: bytes) -> None:
    try:
        frames, rest = cut(stream)
    except GarbageError:
        return
    assert b"".join(frames) + rest == stream
    assert len(rest) < 6 + LONGEST
    for frame in frames:
        assert judge(frame, SENT, 4) in Verdict


@given(st.binary(min_size=2, max_size=LONGEST))
def test_only_the_right_amount_of_data_from_the_right_unit_is_good(body: bytes) -> None:
    frame = SENT[:4] + len(body).to_bytes(2, "big") + body
    good = judge(frame, SENT, 4) is Verdict.GOOD
    assert good == (body[:3] == b"\x01\x03\x04" and len(body) == 7)
