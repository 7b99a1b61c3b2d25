import struct

import numpy as np
import pytest

from gateway_sim.servers.modbus import FrameError, frame, take_frame
from gateway_sim.servers.pdu import Memory, respond, span


@pytest.fixture
def memory() -> Memory:
    return Memory(
        coils=np.array([True, False, True, True, False, False, False, True, True, False]),
        discrete=np.array([False, True]),
        holding=np.arange(200, dtype=np.uint16) * 300,
        input=np.array([7, 65535], np.uint16),
    )


def request(function: int, *fields: int, tail: bytes = b"") -> bytes:
    return struct.pack(f">B{len(fields)}H", function, *fields) + tail


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request(1, 0, 10), "01028d01"),
        (request(1, 3, 2), "010101"),
        (request(2, 0, 2), "020102"),
        (request(3, 1, 2), "0304012c0258"),
        (request(4, 1, 1), "0402ffff"),
        (request(5, 1, 0xFF00), "050001ff00"),
        (request(6, 3, 0x1234), "0600031234"),
        (request(15, 0, 3, tail=b"\x01\x05"), "0f00000003"),
        (request(16, 1, 2, tail=b"\x04\x00\x0a\x01\x02"), "1000010002"),
    ],
)
def test_every_function_answers_as_the_specification_shows(memory: Memory, asked: bytes, answer: str) -> None:
    assert respond(asked, memory).hex() == answer


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (request(7), 1),
        (request(43, 1), 1),
        (request(3, 199, 2), 2),
        (request(4, 2, 1), 2),
        (request(1, 10, 1), 2),
        (request(5, 10, 0), 2),
        (request(6, 200, 0), 2),
        (request(15, 9, 2, tail=b"\x01\x03"), 2),
        (request(16, 199, 2, tail=b"\x04" + bytes(4)), 2),
        (request(3, 0, 0), 3),
        (request(3, 0, 126), 3),
        (request(1, 0, 2001), 3),
        (request(3, 0), 3),
        (request(5, 0, 1), 3),
        (request(15, 0, 9, tail=b"\x01\x03"), 3),
        (request(16, 0, 2, tail=b"\x03" + bytes(3)), 3),
        (request(16, 0, 2, tail=b"\x04" + bytes(3)), 3),
    ],
)
def test_what_is_wrong_gets_the_right_exception_and_changes_nothing(memory: Memory, asked: bytes, code: int) -> None:
    before = memory.holding.copy(), memory.coils.copy()
    assert respond(asked, memory) == bytes((asked[0] | 0x80, code))
    assert (memory.holding == before[0]).all()
    assert (memory.coils == before[1]).all()


def test_what_is_written_is_read_back(memory: Memory) -> None:
    respond(request(16, 5, 2, tail=b"\x04\xde\xad\xbe\xef"), memory)
    assert respond(request(3, 5, 2), memory).hex() == "0304deadbeef"
    respond(request(15, 0, 10, tail=b"\x02\xff\x03"), memory)
    assert memory.coils.all()
    respond(request(5, 4, 0), memory)
    assert not memory.coils[4]


def test_span_is_the_addresses_that_a_read_asks_for() -> None:
    assert span(request(3, 10, 4)) == range(10, 14)
    assert not span(request(6, 10, 4))
    assert not span(request(3, 10))


def test_frames_come_out_whole_however_the_stream_is_cut() -> None:
    stream = bytes.fromhex("000100000006010300000002000200000006020400050001")
    for cut in range(len(stream)):
        buffer, taken = bytearray(), []
        for piece in (stream[:cut], stream[cut:]):
            buffer += piece
            while (one := take_frame(buffer)) is not None:
                taken.append(one)
        assert [pdu.hex() for _, pdu in taken] == ["0300000002", "0400050001"]
        assert not buffer


def test_an_answer_carries_transaction_and_unit_of_its_request() -> None:
    assert frame(bytes.fromhex("12340000000609"), b"\x83\x02").hex() == "123400000003098302"


@pytest.mark.parametrize(
    "rubbish", ["000100010006010300000002", "0001000000000103", "00010000ffff0103", "0001000000010103"]
)
def test_bytes_that_are_no_modbus_are_refused(rubbish: str) -> None:
    with pytest.raises(FrameError):
        take_frame(bytearray.fromhex(rubbish))
