"""RTU and ASCII frames, in any pieces and with any damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus import ascii as ascii_
from gateway_modbus import rtu
from gateway_modbus.ascii import ASCII
from gateway_modbus.frames import Framing, read_request, unnumbered
from gateway_modbus.rtu import RTU

SENT = b"\0\0" + read_request(unit=1, function=3, start=100, count=2)
BODY = bytes.fromhex("01 03 04 0064 0065")


def answer(body: bytes) -> bytes:
    return body + rtu.crc(body)


def test_the_checksums_are_those_of_the_standard() -> None:
    # MODBUS over Serial Line V1.02 §6.2.2: 02 07 gives 41 12; and a request as every manual shows it
    assert rtu.crc(bytes.fromhex("0207")) == bytes.fromhex("4112")
    assert RTU.wrap(b"\0\0" + read_request(1, 3, 0, 10)) == bytes.fromhex("01 03 0000 000A C5CD")
    assert ASCII.wrap(b"\0\0" + read_request(1, 3, 0, 10)) == b":01030000000AF2\r\n"


@pytest.mark.parametrize(
    "body",
    [
        "01 03 04 0064 0065", "01 01 01 05", "01 83 02", "11 06 0001 0003", "11 10 0001 0002", "01 0F 0013 000A",
        "11 16 0004 00F2 0025", "01 17 02 00FE", "01 05 00AC FF00", "01 2B 0E 01 01 00 00 02 00 02 4142 01 03 434445",
        "01 11 03 414243", "01 08 0000 A537",
    ],
)  # fmt: skip
def test_the_length_of_every_answer_follows_from_its_function(body: str) -> None:
    raw = bytes.fromhex(body)
    stream, frames = answer(raw) * 2, []
    rest = b""
    for at in range(len(stream)):
        found, rest, dropped = RTU.cut(rest + stream[at : at + 1], b"")
        frames += found
        assert not dropped
    assert frames == [unnumbered(raw)] * 2
    assert rest == b""


@pytest.mark.parametrize("noise", [b"\0", b"\xff", b"\0\0", b"\x01", b"\x01\x03", b"\x55" * 40, b"\x01\x03\xfa"])
def test_noise_in_front_of_an_answer_costs_nothing(noise: bytes) -> None:
    frames, rest, dropped = RTU.cut(noise + answer(BODY), SENT)
    assert (frames, rest, dropped) == ([unnumbered(BODY)], b"", len(noise))


def test_a_damaged_answer_is_none() -> None:
    whole = answer(BODY)
    for at in range(len(whole)):
        for bit in range(8):
            broken = whole[:at] + bytes((whole[at] ^ 1 << bit,)) + whole[at + 1 :]
            assert RTU.cut(broken, SENT)[0] == []


def test_ascii_begins_anew_with_every_colon() -> None:
    frames, rest, dropped = ASCII.cut(b"xx:0103:010304006400652F\r\n:0103", SENT)
    assert frames == [unnumbered(BODY)]
    assert rest == b":0103"
    assert dropped == 7


@pytest.mark.parametrize(
    "line", [b":01030400640065FF\r\n", b":0103 0400640065 2F\r\n", b":0103040064006\r\n", b":\r\n", b"\r\n"]
)
def test_a_damaged_ascii_answer_is_none(line: bytes) -> None:
    assert ASCII.cut(line, SENT) == ([], b"", len(line))


@pytest.mark.parametrize("framing", [RTU, ASCII])
@given(data=st.data())
def test_any_bytes_are_cut_and_the_rest_is_bounded(framing: Framing, data: st.DataObject) -> None:
    good = framing.wrap(unnumbered(BODY))
    pieces = data.draw(st.lists(st.binary(max_size=300) | st.just(good) | st.just(good[:5]), max_size=12))
    rest = b""
    for piece in pieces:
        frames, rest, dropped = framing.cut(rest + piece, SENT)
        assert dropped >= 0
        assert len(rest) <= max(rtu.LONGEST, ascii_.LONGEST)
        assert all(len(frame) >= 8 for frame in frames)


@given(st.binary(min_size=2, max_size=250))
def test_every_body_survives_ascii(body: bytes) -> None:
    assert ASCII.cut(ASCII.wrap(unnumbered(body)), SENT) == ([unnumbered(body)], b"", 0)
