from hypothesis import given
from hypothesis import strategies as st

from gateway_modbus.faults import TIMEOUT
from gateway_modbus.standing import Standing


def _silent(standing: Standing, now: float, times: int) -> float:
    for _ in range(times):
        while standing.rests(now):
            now += 0.01
        now += standing.timeout
        standing.missed(now, TIMEOUT)
    return now


def test_two_silences_are_forgiven() -> None:
    standing = Standing(timeout=1.0)
    _silent(standing, 0.0, 2)
    assert not standing.rests(2.0)
    assert not standing.answered()
    assert standing.misses == 0


def test_the_third_silence_sets_aside_and_an_answer_brings_back() -> None:
    standing = Standing(timeout=1.0)
    assert [standing.missed(now, TIMEOUT) for now in (1.0, 2.0, 3.0, 14.0)] == [False, False, True, False]
    assert standing.rests(14.0)
    assert standing.answered()
    assert not standing.rests(14.0)


def test_waits_grow_to_thirty_seconds_and_begin_anew_after_an_answer() -> None:
    standing = Standing(timeout=0.5)
    now, waits = _silent(standing, 0.0, 3), []
    for _ in range(5):
        asked = now = _silent(standing, now, 1)
        while standing.rests(now):
            now += 0.01
        waits.append(round(now - asked))
    assert waits == [10, 20, 30, 30, 30]
    standing.answered()
    now = _silent(standing, now, 3)
    assert standing.rests(now + 4.9)
    assert not standing.rests(now + 5.1)


@given(st.floats(0.01, 60.0), st.integers(4, 12))
def test_a_silent_unit_takes_a_tenth_of_the_line_at_most(timeout: float, probes: int) -> None:
    standing = Standing(timeout)
    start = now = 3 * timeout
    for at in (timeout, 2 * timeout, now):
        standing.missed(at, TIMEOUT)
    for _ in range(probes):
        now = standing._until + timeout
        standing.missed(now, TIMEOUT)
    assert probes * timeout <= (now - start) / 10
