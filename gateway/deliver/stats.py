"""The outbox, in figures, at one moment."""

from dataclasses import dataclass

from gateway.deliver.event import Class
from gateway.deliver.lane import Lane
from gateway.deliver.ledger import Drop, Tally


@dataclass(frozen=True, slots=True)
class ClassStats:
    """One class, in figures. recovered + put = waiting + queued + acked + dropped, in records and in readings."""

    recovered: Tally
    put: Tally
    waiting: Tally  # not yet on disk
    queued: Tally  # on disk, not yet acknowledged
    accepted: Tally
    acked: Tally
    dropped: dict[str, int]  # readings by reason
    dropped_records: dict[str, int]
    drops: tuple[Drop, ...]  # the last ones, with their sequences
    oldest_age: float  # s; of what is queued
    balances: bool


@dataclass(frozen=True, slots=True)
class Stats:
    """The outbox, in figures."""

    classes: dict[Class, ClassStats]
    epoch: str
    disk_bytes: int
    written_bytes: int
    fsyncs: int
    errors: int
    last_error: str
    failed: bool  # the last write did not succeed, or the store thread is gone


def class_stats(lane: Lane, now: float) -> ClassStats:
    """The figures of one class at monotonic time `now`."""
    ledger = lane.ledger
    return ClassStats(
        recovered=ledger.recovered + Tally(),
        put=ledger.put + Tally(),
        waiting=ledger.waiting + Tally(),
        queued=ledger.queued,
        accepted=ledger.accepted + Tally(),
        acked=ledger.acked + Tally(),
        dropped=dict(ledger.dropped),
        dropped_records=dict(ledger.dropped_records),
        drops=tuple(ledger.drops),
        oldest_age=_age(lane, now),
        balances=ledger.balances(),
    )


def _age(lane: Lane, now: float) -> float:
    oldest = lane.ledger.oldest
    if lane.born is None and oldest is None:
        return 0.0
    born = lane.born if lane.born is not None else oldest.born if oldest else now
    return max(0.0, now - born)
