"""`fieldgate console`: people and tokens from the command line, beside a gateway that runs and without one."""

import io
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.__main__ import main
from gateway.cli.children import write_configuration
from gateway.console.passwords import digest, matches
from gateway.state.users import User, Users
from tests.console.plant import ADMIN, DEVICE, Plant, until


def people(place: Path) -> dict[str, User]:
    """What is kept of all users."""
    with closing(Users(place / "state")) as users:
        return users.users()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A state folder, and a configuration beside it."""
    (tmp_path / "state").mkdir()
    write_configuration(tmp_path, {"gateway": {"id": "line-3"}}, [DEVICE])
    return tmp_path


@pytest.fixture
def said(place: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the verb; gives its exit code and what it prints."""

    def run(*words: str, state: Path = place / "state", config: Path = place / "fieldgate.yaml") -> tuple[int, str]:
        code = main(["console", *words, "--config", str(config), "--state", str(state)])
        told = capsys.readouterr()
        return code, told.out.strip() or told.err.strip()

    return run


def test_the_first_password_is_told_until_another_one_is_set(said: Any, place: Path, monkeypatch: Any) -> None:
    code, told = said("password")
    user, _, password = told.partition(" ")
    assert (code, user) == (0, "admin")
    assert said("password") == (0, told), "it stays the same"
    assert stat.S_IMODE((place / "state/console-password").stat().st_mode) == 0o600
    monkeypatch.setattr("sys.stdin", io.StringIO("too short\n"))
    assert said("password", "admin")[0] == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("several words of mine\n"))
    assert said("password", "admin") == (0, "admin has a new password")
    assert said("password")[0] == 1
    kept = people(place)["admin"]
    assert matches(kept.secret, "several words of mine")
    assert not matches(kept.secret, password)
    assert not kept.change


def test_users_are_added_listed_and_removed_but_the_last_admin(said: Any, place: Path) -> None:
    code, told = said("add", "otto", "--role", "operator")
    assert (code, told.split()[0]) == (0, "otto")
    assert said("add", "otto")[0] == 1
    assert said("add", "no name")[0] == 1
    listed = orjson.loads(said("users", "--json")[1])
    assert [(one["user"], one["role"]) for one in listed] == [("admin", "admin"), ("otto", "operator")]
    user = people(place)["otto"]
    assert matches(user.secret, told.split()[1])
    assert user.change, "what somebody else has made is changed at the first login"
    assert said("remove", "otto") == (0, "otto is removed")
    assert said("remove", "otto")[0] == 1
    code, told = said("remove", "admin")
    assert (code, "must stay admin" in told) == (1, True)


def test_a_token_is_told_once_and_kept_as_a_hash(said: Any, place: Path) -> None:
    code, token = said("token", "scada", "--role", "operator", "--days", "30")
    assert (code, token[:4]) == (0, "fgt_")
    with closing(Users(place / "state")) as users:
        [kept] = users.tokens().values()
    assert (kept.name, kept.role, kept.secret) == ("scada", "operator", digest(token))
    assert kept.expires - kept.made == 30 * 86400 * 10**9
    assert token not in said("tokens")[1]
    assert said("revoke", kept.id) == (0, f"{kept.id} holds no longer")
    assert said("revoke", kept.id)[0] == 1


def test_where_the_console_is(said: Any, own: Plant) -> None:
    assert "console: {listen: 127.0.0.1:8480}" in said()[1]
    own.start()
    found = said(state=own.state, config=own.folder / "fieldgate.yaml")
    assert found == (0, own.url)


def test_a_gateway_that_runs_takes_up_what_was_changed_beside_it(said: Any, own: Plant) -> None:
    own.start()
    admin, config = own.admin(), own.folder / "fieldgate.yaml"
    code, told = said("add", "otto", state=own.state, config=config)
    assert code == 0
    until(lambda: own.page().login("otto", told.split()[1]).status == 200, "otto is known")
    assert said("password", "admin", "--make", state=own.state, config=config)[0] == 0
    assert until(lambda: admin.get("/me").status == 401, "the admin's login has ended")
    assert own.page().login("admin", ADMIN).status == 401


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A gateway of the test's own."""
    one = Plant(tmp_path_factory.mktemp("own"))
    yield one
    one.stop()
