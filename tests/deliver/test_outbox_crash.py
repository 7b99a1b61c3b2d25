"""Power cuts and kills on a simulated disk: what was accepted is there, unchanged, in order, under its own id."""

import contextlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gateway.deliver import segments
from gateway.deliver.event import Class
from gateway.deliver.ledger import Record
from gateway.sdk.testing import FakeClock
from tests.deliver.simfiles import NoFsync, NoFsyncDir, PowerCutError, SimFiles
from tests.deliver.support import assert_balanced, config, drain, opened, put

CRASHES = int(os.environ.get("FIELDGATE_TEST_CRASHES", "2000"))


@dataclass
class Oracle:
    """What the outside world has seen."""

    ever: set[tuple[Class, int, bytes]] = field(default_factory=set)  # what was put, accepted or not
    accepted: dict[tuple[Class, int], bytes] = field(default_factory=dict)  # and not acknowledged
    ids: dict[tuple[str, Class, int], bytes] = field(default_factory=dict)  # every id that was delivered
    given: dict[bytes, str] = field(default_factory=dict)  # the epoch in which a body got its id
    wrong: list[str] = field(default_factory=list)

    def put(self, epoch: str, cls: Class, sequence: int, body: bytes) -> None:
        self.ever.add((cls, sequence, body))
        self.given[body] = epoch

    def delivered(self, record: Record) -> None:
        if (record.cls, record.sequence, record.body) not in self.ever:
            self.wrong.append(f"{record.cls}/{record.sequence} was never put")
            return
        key = (self.given[record.body], record.cls, record.sequence)
        if self.ids.setdefault(key, record.body) != record.body:
            self.wrong.append(f"{key} came with two contents")

    def acked(self, record: Record) -> None:
        self.accepted.pop((record.cls, record.sequence), None)


def live(rng: random.Random, files: SimFiles, clock: FakeClock, oracle: Oracle) -> None:
    """One life of an outbox, up to a crash, often in the middle of a write."""
    outbox, _ = opened(files, clock, config(segment=2000))
    for _ in range(rng.randrange(1, 10)):
        batch = [put(outbox, rng.choice(list(Class)), rng) for _ in range(rng.randrange(1, 5))]
        for one in batch:
            oracle.put(*one)
        if rng.random() < 0.2:
            files.cut_after(rng.randrange(8))
        outbox.step()
        oracle.accepted.update({(cls, sequence): body for _, cls, sequence, body in batch})
        for record in outbox.take(rng.randrange(4)):
            oracle.delivered(record)
            if rng.random() < 0.8:
                outbox.ack(record.cls, record.sequence)
                oracle.acked(record)
        clock.advance(rng.choice([0.0, 0.6]))
        assert_balanced(outbox)


def crash_run(seed: int, disk: Callable[[random.Random], SimFiles] = SimFiles) -> list[str]:
    """Three lives with a crash after each. Gives what went wrong."""
    rng = random.Random(seed)
    files, clock, oracle = disk(rng), FakeClock(), Oracle()
    for _ in range(3):
        with contextlib.suppress(PowerCutError):
            live(rng, files, clock, oracle)
        (files.kill if rng.random() < 0.3 else files.crash)()
        clock.advance(1.0)
    outbox, recovery = opened(files, clock, config(segment=2000))
    got = {(record.cls, record.sequence): record for record in drain(outbox)}
    for record in got.values():
        oracle.delivered(record)
    lost = [key for key, body in oracle.accepted.items() if key not in got or got[key].body != body]
    assert_balanced(outbox)
    return oracle.wrong + recovery.errors + [f"lost {key}" for key in lost]


def test_what_was_accepted_survives_every_crash() -> None:
    failures = [(seed, wrong) for seed in range(CRASHES) if (wrong := crash_run(seed))]
    assert not failures


@pytest.mark.parametrize("disk", [NoFsync, NoFsyncDir])
def test_a_store_without_fsync_is_found_out(disk: Callable[[random.Random], SimFiles]) -> None:
    wrong = sum(bool(crash_run(seed, disk)) for seed in range(60))
    assert wrong > 30


def test_a_store_that_ignores_checksums_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "checksum", lambda _data, _before=0: 0)
    assert any(crash_run(seed) for seed in range(200))
