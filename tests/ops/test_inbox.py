"""Notes appear whole, are taken once, the eldest first, and are answered under their own name."""

from pathlib import Path

import pytest

from gateway.ops.inbox import Inbox


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path, "commands")


def test_notes_are_taken_once_and_in_their_order(inbox: Inbox) -> None:
    names = [inbox.leave({"n": number}) for number in range(3)]
    assert inbox.collect() == [(name, {"n": number}) for number, name in enumerate(names)]
    assert inbox.collect() == []


def test_a_folder_that_is_not_there_holds_no_notes(tmp_path: Path) -> None:
    assert Inbox(tmp_path / "nowhere", "commands").collect() == []


@pytest.mark.parametrize("content", [b"", b"accept pump", b"[1]", b'{"a": "' + b"x" * 70_000 + b'"}'])
def test_what_is_no_note_is_taken_as_an_empty_one(inbox: Inbox, content: bytes) -> None:
    inbox.leave({})
    inbox.collect()
    (inbox.folder / "1").write_bytes(content)
    assert inbox.collect() == [("1", {})]
    assert not (inbox.folder / "1").exists()


def test_a_note_that_is_being_written_is_not_there_yet(inbox: Inbox) -> None:
    inbox.leave({})
    inbox.collect()
    (inbox.folder / ".2.part").write_bytes(b'{"half')
    assert inbox.collect() == []


def test_at_most_a_hundred_are_taken_at_once(inbox: Inbox) -> None:
    for _ in range(120):
        inbox.leave({})
    assert [len(inbox.collect()) for _ in range(3)] == [100, 20, 0]


def test_an_answer_is_fetched_once_and_what_nobody_fetches_goes_in_time(inbox: Inbox) -> None:
    name = inbox.leave({})
    assert inbox.answered(name, 0.0) is None
    inbox.answer(name, {"result": "done"})
    assert inbox.answered(name, 5.0) == {"result": "done"}
    assert inbox.answered(name, 0.0) is None
    for number in range(60):
        inbox.answer(f"{number:03}", {})
    assert len(list((inbox.folder / ".answers").iterdir())) == 50


def test_a_note_that_cannot_be_taken_holds_up_no_other(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    alien, mine = inbox.leave({"n": 1}), inbox.leave({"n": 2})
    real = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == alien:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert inbox.collect() == [(mine, {"n": 2})]
    assert inbox.unreadable == {alien}
