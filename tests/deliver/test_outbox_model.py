"""The outbox against a model of three lists: any order of put, commit, take, acknowledge, refuse, kill, cut, reopen."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.sdk.testing import FakeClock
from tests.deliver.simfiles import SimFiles
from tests.deliver.support import assert_balanced, config, opened

classes = st.sampled_from(list(Class))


class OutboxMachine(RuleBasedStateMachine):
    """`safe` is what was accepted and not settled: exactly that is to come out, in this order, possibly again."""

    def __init__(self) -> None:
        super().__init__()
        self.files, self.clock = SimFiles(random.Random(0)), FakeClock()
        self.safe: dict[Class, dict[int, bytes]] = {cls: {} for cls in Class}
        self.waiting: list[tuple[Class, int, bytes]] = []
        self.settled: set[tuple[Class, int]] = set()
        self.flying: list[Record] = []
        self.last = dict.fromkeys(Class, 0)  # last sequence taken since the last rewind
        self.reopen()

    def reopen(self) -> None:
        self.outbox, recovery = opened(self.files, self.clock, config(segment=500, memory=3000))
        assert not recovery.damages
        assert not recovery.errors
        self.flying = []
        self.last = dict.fromkeys(Class, 0)

    @rule(cls=classes, body=st.binary(max_size=120), readings=st.integers(0, 50))
    def put(self, cls: Class, body: bytes, readings: int) -> None:
        sequence = self.outbox.reserve(cls)
        self.outbox.put(cls, sequence, f"t/{cls}", body, readings)
        self.waiting.append((cls, sequence, body))

    @rule()
    def commit(self) -> None:
        self.outbox.step()
        for cls, sequence, body in self.waiting:
            self.safe[cls][sequence] = body
        self.waiting = []

    @rule(limit=st.integers(0, 10))
    def take(self, limit: int) -> None:
        for record in self.outbox.take(limit):
            assert record.sequence > self.last[record.cls]
            self.last[record.cls] = record.sequence
            key = (record.cls, record.sequence)
            assert key in self.settled or self.safe[record.cls][record.sequence] == record.body
            self.flying.append(record)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), refuse=st.booleans())
    def settle(self, data: st.DataObject, refuse: bool) -> None:
        record = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        if refuse:
            assert self.outbox.drop(record.cls, record.sequence, "refused")
        else:
            assert self.outbox.ack(record.cls, record.sequence)
        self.safe[record.cls].pop(record.sequence, None)
        self.settled.add((record.cls, record.sequence))

    @rule()
    def lose_the_connection(self) -> None:
        self.outbox.rewind()
        self.flying = []
        self.last = dict.fromkeys(Class, 0)

    @rule(seconds=st.sampled_from([0.1, 2.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(cut=st.booleans())
    def crash(self, cut: bool) -> None:
        (self.files.crash if cut else self.files.kill)()
        self.waiting = []
        self.reopen()

    @rule()
    def everything_safe_comes_out(self) -> None:
        self.lose_the_connection()
        self.commit()
        self.outbox.take(0)
        got: dict[Class, dict[int, bytes]] = {cls: {} for cls in Class}
        for _ in range(1000):
            self.outbox.step()
            records = self.outbox.take(1000)
            for record in records:
                got[record.cls][record.sequence] = record.body
            if not records and not any(lane.behind for lane in self.outbox._lanes.values()):
                break
        for cls in Class:
            assert {n: body for n, body in got[cls].items() if (cls, n) not in self.settled} == self.safe[cls]
            assert list(got[cls]) == sorted(got[cls])
        self.lose_the_connection()

    @invariant()
    def nothing_is_unaccounted_for(self) -> None:
        assert_balanced(self.outbox)


OutboxMachine.TestCase.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
TestOutboxAgainstModel = OutboxMachine.TestCase
