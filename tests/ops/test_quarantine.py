"""Harm is counted by kind and time; who is set aside stays so over restarts, until let in again."""

from pathlib import Path

import pytest

from gateway.ops.quarantine import FILE, HARMS, Quarantine
from gateway.sdk.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize("harm", HARMS)
def test_each_harm_has_its_measure(tmp_path: Path, clock: FakeClock, harm: str) -> None:
    quarantine = Quarantine(tmp_path, clock)
    out = [quarantine.strike("press", harm, "did it") for _ in range(HARMS[harm].times)]
    assert out == [False] * (HARMS[harm].times - 1) + [True]
    assert not quarantine.strike("press", harm, "did it again")


def test_what_is_long_ago_does_not_count(tmp_path: Path, clock: FakeClock) -> None:
    quarantine = Quarantine(tmp_path, clock)
    for _ in range(10):
        clock.advance(HARMS["blocks"].within / 2 + 1)
        assert not quarantine.strike("press", "blocks", "held the loop")


def test_a_step_of_the_wall_clock_makes_nothing_long_ago(tmp_path: Path, clock: FakeClock) -> None:
    quarantine = Quarantine(tmp_path, clock)
    for _ in range(3):
        clock.advance(1.0, wall=365 * 86400.0)
        quarantine.strike("press", "blocks", "held the loop")
    assert quarantine.of("press")


def test_kinds_and_connections_are_counted_apart(tmp_path: Path, clock: FakeClock) -> None:
    quarantine = Quarantine(tmp_path, clock)
    for connection in ("press", "oven"):
        for harm in ("blocks", "blocks", "floods", "floods"):
            assert not quarantine.strike(connection, harm, "did it")


def test_a_verdict_survives_a_restart_until_it_is_lifted(tmp_path: Path, clock: FakeClock) -> None:
    Quarantine(tmp_path, clock).strike("press", "exits", "ended the process")
    again = Quarantine(tmp_path, clock).load()
    verdict = again.of("press")
    assert verdict
    assert verdict.why == "ended the process"
    assert again.release("press")
    assert not again.release("press")
    assert Quarantine(tmp_path, clock).load().of("press") is None


def test_strikes_begin_anew_when_it_is_let_in_again(tmp_path: Path, clock: FakeClock) -> None:
    quarantine = Quarantine(tmp_path, clock)
    for _ in range(3):
        quarantine.strike("press", "blocks", "held the loop")
    quarantine.release("press")
    assert not quarantine.strike("press", "blocks", "held the loop")


def test_who_held_the_loop_when_the_process_was_killed_is_set_aside(tmp_path: Path, clock: FakeClock) -> None:
    Quarantine(tmp_path, clock).holding("press", "was killed while it held the loop")
    quarantine = Quarantine(tmp_path, clock).load()
    assert quarantine.of("press") is None  # the process may be alive: whoever only looks judges nobody
    quarantine.judge()
    verdict = Quarantine(tmp_path, clock).load().of("press")
    assert verdict
    assert verdict.harm == "kills"


def test_who_has_let_go_of_the_loop_is_not(tmp_path: Path, clock: FakeClock) -> None:
    quarantine = Quarantine(tmp_path, clock)
    quarantine.holding("press", "was killed while it held the loop")
    quarantine.holding("", "")
    quarantine = Quarantine(tmp_path, clock).load()
    quarantine.judge()
    assert quarantine.of("press") is None


def test_everybody_is_told_of_harm(tmp_path: Path, clock: FakeClock) -> None:
    quarantine = Quarantine(tmp_path, clock)
    told: list[tuple[object, ...]] = []
    quarantine.told = lambda *what: told.append(what)
    quarantine.strike("press", "blocks", "held the loop")
    quarantine.strike("press", "exits", "ended the process")
    assert told == [("press", "blocks", "held the loop", False), ("press", "exits", "ended the process", True)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"aside": {"x": 1}, "holding": {}}', b'{"aside": {}}'])
def test_a_file_that_cannot_be_read_holds_nobody(tmp_path: Path, clock: FakeClock, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert not Quarantine(tmp_path, clock).load().aside


def test_where_nothing_can_be_written_it_is_remembered_as_long_as_the_process_lives(clock: FakeClock) -> None:
    quarantine = Quarantine(Path("/nonexistent/folder"), clock)
    assert quarantine.strike("press", "exits", "ended the process")
    assert quarantine.of("press")
