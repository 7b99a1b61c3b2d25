"""The desk looks into the state folder, answers there, and is not stopped by what lies in it or by a full disk."""

import asyncio
from pathlib import Path

import pytest

from gateway.operators.desk import COMMANDS, Desk
from gateway.ops.inbox import Inbox, Note
from gateway.sdk.testing import SilentLog
from tests.operators.rig import ALARM, Rig


@pytest.fixture
def desk(tmp_path: Path) -> tuple[Desk, Inbox, SilentLog]:
    rig, log = Rig(), SilentLog()
    rig.row(95.0)
    return Desk(rig.commands, tmp_path, "g", log), Inbox(tmp_path, COMMANDS), log


def test_notes_are_carried_out_in_their_order_and_answered(desk: tuple[Desk, Inbox, SilentLog]) -> None:
    one, inbox, _ = desk
    tickets = [inbox.leave({"asset": ALARM, "action": action}) for action in ("ack", "shelve", "ack")]
    asyncio.run(one.look())
    answers = [inbox.answered(ticket, 0.0) or {} for ticket in tickets]
    assert [answer["result"] for answer in answers] == ["done", "done", "refused"]
    assert answers[2]["text"].startswith("pump-hot is shelved; ack is for")


def test_a_full_disk_keeps_no_command_from_being_carried_out(
    desk: tuple[Desk, Inbox, SilentLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, inbox, _ = desk
    inbox.leave({"asset": ALARM, "action": "ack"})

    def full(_inbox: Inbox, _name: str, _content: Note) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Inbox, "answer", full)
    asyncio.run(one.look())
    assert one.commands.counters["commands_done_total"] == 1


def test_a_note_that_cannot_be_read_is_logged_once(
    desk: tuple[Desk, Inbox, SilentLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, inbox, log = desk
    inbox.leave({"asset": ALARM, "action": "ack"})

    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for _ in range(3):
        asyncio.run(one.look())
    assert [event for _, event, _ in log.lines] == ["command not readable"]
