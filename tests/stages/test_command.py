"""A command is read strictly, and what is wrong with it is said in a sentence."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stages.command import ACTIONS, SECOND, Command, CommandError, Refusal, check_state, parse, until
from gateway.stages.states import TABLE, State

WHOLE = {
    "id": "7", "asset": "pump", "action": "shelve", "by": "ann", "comment": "bearing is\n being changed", "for": "2h",
    "expires": "2026-03-14T10:00:00Z",
}  # fmt: skip


def test_every_field_is_read() -> None:
    assert parse(WHOLE) == Command(
        "7", "pump", "shelve", "ann", "bearing is being changed", 7200 * SECOND, 1_773_482_400 * SECOND
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"asset": None}, "asset is missing"),
        ({"asset": 7}, "asset must be text"),
        ({"action": "mute"}, "'mute' is no action; there are ack, shelve"),
        ({"action": "ack"}, "'for' belongs to shelve"),
        ({"for": "8"}, "for: a duration is a number with a unit"),
        ({"for": "0s"}, "longer than 0"),
        ({"expires": "soon"}, "expires must be a time"),
        ({"expires": "2026-03-14T10:00:00"}, "time zone"),
        ({"comment": "x" * 1025}, "more than 1024"),
        ({"by": "ann\x1b[2J"}, "control characters"),
        ({"priority": "1"}, "'priority' is unknown"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, object], why: str) -> None:
    with pytest.raises(CommandError, match=why) as error:
        parse(WHOLE | change)
    assert error.value.refusal is Refusal.MALFORMED


@given(st.dictionaries(st.sampled_from([*WHOLE, "x"]), st.one_of(st.text(max_size=40), st.integers(), st.none())))
def test_whatever_comes_is_a_command_or_malformed(table: dict[str, object]) -> None:
    with contextlib.suppress(CommandError):  # and nothing else
        assert parse(table).action in ACTIONS


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", ACTIONS)
def test_what_the_state_does_not_know_is_refused_by_its_name(state: State, action: str) -> None:
    command = Command("", "pump", action)
    if (state, command.event) in TABLE:
        check_state(command, state)
    else:
        with pytest.raises(CommandError, match=f"pump is {state.word}; {action} is for what is"):
            check_state(command, state)


def test_shelving_has_an_end_within_what_is_allowed() -> None:
    assert until(Command("", "pump", "ack"), 5, 60.0) is None
    assert until(Command("", "pump", "shelve"), 5, 60.0) == 5 + 60 * SECOND
    assert until(Command("", "pump", "shelve", lasts=3 * SECOND), 5, 60.0) == 5 + 3 * SECOND
    with pytest.raises(CommandError, match="at most"):
        until(Command("", "pump", "shelve", lasts=61 * SECOND), 5, 60.0)
