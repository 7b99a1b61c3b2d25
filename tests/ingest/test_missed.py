"""What is missing: from the last reading before an outage to the first one behind it, tag by tag."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingest.missed import Missed
from gateway.sdk.quality import BAD_TIMEOUT

FIRST, N = 10, 3


def missed() -> Missed:
    return Missed(FIRST, np.zeros(N, np.int64))


def note(on: Missed, time: int, *places: int, status: int = 0) -> None:
    rows = np.array([FIRST + place for place in places], np.uint32)
    on.note(rows, np.full(len(rows), time), np.full(len(rows), status, np.uint32))


def test_an_outage_lies_between_the_readings_around_it() -> None:
    some = missed()
    some.note(slice(FIRST, FIRST + N), np.array([5, 6, 7]), np.zeros(N, np.uint32))
    some.cut()
    note(some, 20, 0, 2)
    [outage] = some.outages
    assert outage.missing().tolist() == [True, False, True]
    assert (outage.since.tolist(), outage.until.tolist()) == ([5, 6, 7], [20, 0, 20])


def test_only_the_first_reading_behind_it_ends_it() -> None:
    some = missed()
    note(some, 5, 0)
    some.cut()
    note(some, 20, 0)
    note(some, 30, 0)
    assert some.outages[0].until[0] == 20


def test_a_bad_reading_neither_begins_nor_ends_it() -> None:
    some = missed()
    note(some, 5, 0)
    note(some, 9, 0, status=BAD_TIMEOUT)
    some.cut()
    note(some, 20, 0, status=BAD_TIMEOUT)
    assert (some.outages[0].since[0], some.outages[0].until[0]) == (5, 0)


def test_what_has_not_changed_is_not_missing() -> None:
    some = missed()
    note(some, 5, 0)
    some.cut()
    note(some, 5, 0)
    assert not some.outages[0].missing().any()


def test_before_the_first_reading_nothing_is_missing() -> None:
    some = missed()
    some.cut()
    note(some, 20, 0)
    assert some.outages == []


def test_an_outage_that_lasts_stays_one() -> None:
    some = missed()
    note(some, 5, 0)
    for _ in range(100):
        some.cut()
    assert len(some.outages) == 1


def test_many_outages_that_nobody_fills_are_bounded_and_cover_the_same() -> None:
    some = missed()
    for instant in range(1, 100):
        note(some, 10 * instant, 0)
        some.cut()
    note(some, 1000, 0)
    assert len(some.outages) <= 8
    assert min(outage.since[0] for outage in some.outages) == 10
    assert max(outage.until[0] for outage in some.outages) == 1000


def test_what_is_filled_is_complete_and_forgotten() -> None:
    some = missed()
    note(some, 5, 0)
    some.cut()
    note(some, 20, 0)
    assert some.complete_until().tolist() == [5, 0, 0]
    some.outages[0].filled(np.array([0]), 12)
    assert some.complete_until()[0] == 12
    some.outages[0].filled(np.array([0]), 99)
    assert some.complete_until()[0] == 20
    note(some, 21, 1, 2)
    some.forget_filled()
    assert some.outages == []


@given(st.lists(st.sampled_from(["read", "cut"]), max_size=60))
def test_every_instant_was_read_or_is_missing(steps: list[str]) -> None:
    """A tag is held at each second; those in which nobody read lie in an outage, and no instant lies in two."""
    some, read, since, was_cut = missed(), set[int](), 0, False
    expected: set[int] = set()
    for second, step in enumerate(steps, 1):
        if step == "cut":
            some.cut()
            was_cut = bool(read)
        else:
            if was_cut:
                expected |= set(range(since + 1, second))
            note(some, second, 0)
            read.add(second)
            since, was_cut = second, False
    if len(some.outages) < 8:
        spans = [range(o.since[0] + 1, o.until[0]) for o in some.outages if o.missing()[0]]
        found = [instant for span in spans for instant in span]
        assert sorted(found) == sorted(expected)


def test_what_the_device_had_held_back_is_not_asked_for_and_ends_nothing() -> None:
    some = missed()
    note(some, 5_000, 0)
    some.cut()
    some.held_back(np.array([FIRST, FIRST + 1], np.uint32), np.array([7_000, 8_000]))
    assert some.outages[0].until[0] == 0
    note(some, 20_000, 0)
    rows, time = np.array([FIRST, FIRST, FIRST + 1, FIRST + 1], np.uint32), np.array([7_000, 8_000, 8_500, 9_000])
    assert some.outages[0].untold(rows, time).tolist() == [False, True, False, True]
    assert some.outages[0].since[0] == 5_000


def test_a_device_whose_clock_was_set_back_has_gaps_again_before_it_is_where_it_was() -> None:
    year = 365 * 86400 * 10**9
    some = missed()
    note(some, 2 * year, 0)
    note(some, year, 0)
    some.cut()
    note(some, year + 10**10, 0)
    [outage] = some.outages
    assert (outage.missing()[0], outage.since[0]) == (True, year)


def test_a_reading_that_comes_a_little_late_moves_nothing_back() -> None:
    some = missed()
    note(some, 10**12, 0)
    note(some, 10**12 - 10**10, 0)
    assert some.last[0] == 10**12
