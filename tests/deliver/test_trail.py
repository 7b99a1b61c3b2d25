"""What was sent with QoS 0 is settled by the answer to what followed it, and by nothing else."""

import asyncio

import pytest

from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.deliver.trail import Trail


def record(sequence: int) -> Record:
    return Record(Class.TELEMETRY, sequence, "t", b"", 1, 0.0, 1)


class Marks:
    """A trail, and the marks that it sent; each goes out under the next number."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.trail = Trail(self._mark)

    def _mark(self, last: int) -> None:
        self.sent.append(last)
        self.trail.follow(len(self.sent))


def test_what_was_sent_with_qos_0_waits_for_the_answer_to_what_followed() -> None:
    trail = Marks().trail
    trail.add(record(1))
    trail.follow(7)
    trail.add(record(2))
    assert trail.answered(6) == []
    assert (trail.answered(7), len(trail)) == ([record(1)], 1)
    trail.follow(8)
    assert (trail.answered(8), len(trail)) == ([record(2)], 0)


async def test_when_nothing_follows_a_mark_does_soon() -> None:
    marks = Marks()
    for sequence in (1, 2):
        marks.trail.add(record(sequence))
        marks.trail.settle(50)
    assert marks.sent == []
    await asyncio.sleep(0.15)
    assert marks.sent == [2]
    assert marks.trail.answered(1) == [record(1), record(2)]


async def test_when_much_waits_a_mark_follows_at_once_and_the_next_behind_its_answer() -> None:
    marks = Marks()
    for sequence in range(4):
        marks.trail.add(record(sequence))
        marks.trail.settle(2)
    assert marks.sent == [1], "the others wait for the answer"
    assert len(marks.trail.answered(1)) == 2
    marks.trail.settle(2)
    assert marks.sent == [1, 3]


@pytest.mark.parametrize("followed", [False, True])
async def test_a_lost_connection_settles_nothing(followed: bool) -> None:
    marks = Marks()
    marks.trail.add(record(1))
    marks.trail.settle(50)
    if followed:
        marks.trail.follow(7)
    marks.trail.clear()
    await asyncio.sleep(0.15)
    assert (len(marks.trail), marks.trail.answered(7), marks.sent) == (0, [], [])
