"""Who may use the console: kept whole, by two processes at once, and never begun anew by damage."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.state.users import ADMIN, FILE, LastAdminError, Token, User, UserChangedError, Users, UsersError

ROOT = User("root", ADMIN, "hash", change=False, made=1, era="a")
OTTO = User("otto", "operator", "hash", change=True, made=2, era="b")


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Users]:
    one = Users(tmp_path)
    one.put(ROOT)
    yield one
    one.close()


def test_what_is_put_is_there_after_a_restart(users: Users, tmp_path: Path) -> None:
    token = Token("1", "scada", "viewer", "digest", "root", 1, 2)
    users.put(OTTO)
    users.put_token(token)
    users.close()
    again = Users(tmp_path)
    assert again.users() == {"otto": OTTO, "root": ROOT}
    assert again.tokens() == {"1": token}
    assert again.remove("otto")
    assert not again.remove("otto")
    assert again.remove_token("1")
    assert not again.remove_token("1")
    again.close()


def test_nobody_but_the_owner_may_read_it(users: Users) -> None:
    for path in users.path.parent.glob(f"{FILE}*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_one_admin_stays(users: Users) -> None:
    users.put(OTTO)
    for change in (lambda: users.put(ROOT.renewed(role="viewer"), ROOT), lambda: users.remove("root")):
        with pytest.raises(LastAdminError):
            change()
    assert users.users() == {"otto": OTTO, "root": ROOT}, "what is refused changes nothing"
    users.put(OTTO.renewed(role=ADMIN), OTTO)
    assert users.remove("root")


def test_a_change_by_another_process_is_seen_and_ends_older_logins(users: Users, tmp_path: Path) -> None:
    before = users.changed()
    assert users.changed() == before
    other = Users(tmp_path)
    other.put(ROOT.renewed(secret="another"), ROOT)
    assert users.changed() != before
    assert users.users()["root"].secret == "another"
    assert users.users()["root"].era != ROOT.era
    other.close()


def test_who_writes_what_they_have_read_does_not_undo_what_another_has_done_meanwhile(users: Users) -> None:
    changed = ROOT.renewed(secret="another")
    users.put(changed, ROOT)
    for stale in (ROOT, None):
        with pytest.raises(UserChangedError, match=r"root.*try again"):
            users.put(ROOT.renewed(secret="a third"), stale)
    assert users.users() == {"root": changed}
    users.put(OTTO)
    assert users.remove("otto")
    with pytest.raises(UserChangedError):
        users.put(OTTO.renewed(role="viewer"), OTTO)
    assert "otto" not in users.users(), "who is removed does not come back"


def test_what_is_done_along_with_a_user_is_done_with_them_or_neither_is(users: Users) -> None:
    def full() -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        users.put(OTTO, along=full)
    assert "otto" not in users.users()


@pytest.mark.parametrize("content", [b"this is no database", b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_file_is_no_fresh_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UsersError, match=str(tmp_path / FILE)):
        Users(tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_file_of_a_newer_version_is_left_alone(users: Users, tmp_path: Path) -> None:
    users.close()
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(UsersError, match="newer Fieldgate"):
        Users(tmp_path)


def test_a_file_that_cannot_be_written_says_so(users: Users) -> None:
    users._db.execute("PRAGMA query_only=1")
    with pytest.raises(UsersError, match=str(users.path)):
        users.put(OTTO)
