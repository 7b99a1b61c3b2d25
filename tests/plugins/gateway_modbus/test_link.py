"""The link as a protocol, with a transport that only remembers: any bytes in any pieces."""

import asyncio
import random
import struct
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus.faults import GOOD, SHORT, TIMEOUT
from gateway_modbus.frames import Request, read_request
from gateway_modbus.link import Link
from gateway_modbus.manners import Manners
from gateway_modbus.rtu import RTU, crc
from tests.plugins.gateway_modbus.lines import FRAMINGS, answered, damaged, taken
from tests.plugins.gateway_modbus.rig import FULL


class Memory(asyncio.Transport):
    """Stands for a socket: keeps what is written, and whether it was cut off."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.cut = False

    def get_extra_info(self, name: str, default: object = None) -> object:  # noqa: ARG002 - the transport's signature
        return self

    def setsockopt(self, *option: int) -> None:
        pass

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.cut
        self.written.append(bytes(data))

    def drain(self) -> bytes:
        return b""

    def abort(self) -> None:
        self.cut = True


ANSWERS = [
    b"\x00\x01\x00\x00\x00\x05\x01\x03\x02\x00\x2a",
    b"\x00\x01\x00\x00\x00\x03\x01\x83\x02",
    b"\x00\x01\x00\x00\x00\x03\x01\x83\x00",
    b"\x00\x01\x00\x00\x00\x02\x01\x03",
    b"\x00\x09\x00\x00\x00\x05\x01\x03\x02\x00\x2a",
    b"\x00\x01\x00\x00\x00\xfe",
]


async def _fed(chunks: list[bytes]) -> tuple[Link, Memory, list[bytes], asyncio.Task[list[int]]]:
    link, memory = Link(Counter()), Memory()
    stored: list[bytes] = []
    link.connection_made(memory)
    reading = asyncio.ensure_future(link.read([Request(read_request(1, 3, 0, 1), 2, stored.append, 60.0)]))
    await asyncio.sleep(0)
    for chunk in chunks:
        if not memory.cut:
            link.data_received(chunk)
    await asyncio.sleep(0)
    return link, memory, stored, reading


@given(st.lists(st.sampled_from(ANSWERS) | st.binary(min_size=1, max_size=300), max_size=20))
def test_whatever_comes_is_an_outcome_or_the_end_and_never_an_accident(chunks: list[bytes]) -> None:
    async def feed() -> None:
        link, memory, stored, reading = await _fed(chunks)
        assert memory.cut == link.closed.done()
        assert len(link._stream) < 260
        assert all(len(payload) == 2 for payload in stored)
        assert len(stored) <= 1
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        link.connection_lost(None)
        assert link._done is None

    asyncio.run(feed())


def test_the_answer_of_a_request_that_nobody_waits_for_any_more_is_late() -> None:
    async def feed() -> None:
        link, memory, stored, reading = await _fed([])
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        link.data_received(ANSWERS[0])
        assert (stored, link._counters["answers_late_total"]) == ([], 1)
        again = asyncio.ensure_future(link.read([Request(read_request(1, 3, 0, 1), 2, stored.append, 60.0)]))
        await asyncio.sleep(0)
        assert [request[:2] for request in memory.written] == [b"\x00\x01", b"\x00\x02"]
        link.data_received(ANSWERS[0])
        assert not again.done()
        assert stored == []
        link.data_received(b"\x00\x02" + ANSWERS[0][2:])
        assert await again == [GOOD]
        assert stored == [b"\x00\x2a"]
        link.connection_lost(None)

    asyncio.run(feed())


def test_a_unit_that_owes_an_answer_is_left_alone_until_it_has_come_and_the_others_are_not() -> None:
    async def feed() -> None:
        link, memory = Link(Counter(), manners=Manners(RTU, patience=100.0)), Memory()
        link.connection_made(memory)
        one, two = ([Request(read_request(unit, 3, 0, 1), 2, lambda _: None, 0.02)] for unit in (1, 2))
        assert await link.read(one) == [TIMEOUT]
        assert await link.read(two) == [TIMEOUT]
        assert [frame[0] for frame in memory.written] == [1, 2]
        again = asyncio.ensure_future(link.read(one))
        await asyncio.sleep(0.1)
        assert len(memory.written) == 2
        link.data_received(b"\x01\x03\x02\x00\x2a" + crc(b"\x01\x03\x02\x00\x2a"))
        assert [frame[0] for frame in memory.written] == [1, 2, 1]
        assert link._counters["answers_late_total"] == 1
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
        link.connection_lost(None)

    asyncio.run(feed())


@pytest.mark.parametrize("kind", ["tcp", "rtu", "ascii"])
def test_of_many_damaged_answers_only_whole_ones_are_taken(kind: str) -> None:
    """All requests are of one kind, and each has another answer: whatever is stored must be its own."""

    async def feed() -> None:
        link, memory, draw = Link(Counter(), manners=Manners(FRAMINGS[kind], patience=0.0)), Memory(), random.Random(1)
        link.connection_made(memory)
        stored: list[bytes] = []
        good = 0
        for number in range(10_000 if FULL else 1000):
            stored.clear()
            ask = [Request(read_request(1, 3, number, 2), 4, stored.append, 60.0)]
            reading = asyncio.ensure_future(link.read(ask))
            await asyncio.sleep(0)
            for _ in range(1 if kind == "tcp" else 2):  # a probe may come first
                frames, _ = taken(kind, memory.written[-1])
                answer = FRAMINGS[kind].wrap(answered(frames[0]))
                if not link.closed.done():
                    link.data_received(damaged(kind, draw, answer) if draw.random() < 0.5 else answer)
            await asyncio.sleep(0)
            assert stored in ([], [struct.pack(">HH", number, number + 1)])
            assert len(link._stream) < 2048
            good += bool(stored)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            if link.closed.done():
                link, memory = Link(Counter(), link.transaction, Manners(FRAMINGS[kind], patience=0.0)), Memory()
                link.connection_made(memory)
        assert good > number / 3
        link.connection_lost(None)

    asyncio.run(feed())


def test_exception_code_nought_is_no_success() -> None:
    async def feed() -> None:
        link, _, stored, reading = await _fed([ANSWERS[2]])
        assert await reading == [SHORT]
        assert stored == []
        link.connection_lost(None)

    asyncio.run(feed())


def test_the_deadline_of_an_answered_request_is_not_that_of_the_next_one() -> None:
    async def feed() -> None:
        link, memory = Link(Counter()), Memory()
        link.connection_made(memory)
        stored: list[bytes] = []
        tail = read_request(1, 3, 0, 1)
        requests = [Request(tail, 2, stored.append, 0.05), Request(tail, 2, stored.append, 60.0)]
        reading = asyncio.ensure_future(link.read(requests))
        await asyncio.sleep(0)
        link.data_received(ANSWERS[0])
        await asyncio.sleep(0.15)  # the timer of the first request has gone off
        assert not reading.done()
        link.data_received(b"\x00\x02" + ANSWERS[0][2:])
        assert await reading == [GOOD, GOOD]
        link.connection_lost(None)

    asyncio.run(feed())
