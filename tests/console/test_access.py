"""Who comes in, and who may what: logins, first password, roles, tokens, and what a foreign page cannot do."""

import stat
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.__main__ import main
from gateway.console.rights import RIGHTS, Right, Role
from gateway.state.audit import read, verify
from tests.console.plant import ADMIN, OTHERS, Page, Plant, until

OPENAPI = yaml.safe_load((Path(__file__).parents[2] / "docs/openapi.yaml").read_text())
METHODS = ("get", "post", "put", "delete")
FILL = {
    "name": "bench", "asset": "bench", "action": "ack", "answer": "fault", "user": "nobody-here", "id": "0" * 16,
    "thumb": "0" * 8, "decision": "trust",
}  # fmt: skip


@pytest.fixture(scope="module")
def admin(plant: Plant) -> Page:
    return plant.admin()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path, words) of everything that docs/openapi.yaml lists."""
    return [
        (method.upper(), path, words[method])
        for path, words in OPENAPI["paths"].items()
        for method in METHODS
        if method in words
    ]


def test_the_first_password_is_made_readable_by_the_owner_only_and_must_be_changed(own: Plant) -> None:
    own.start()
    page, first = own.page(), own.first
    assert stat.S_IMODE((own.state / "console-password").stat().st_mode) == 0o600
    assert stat.S_IMODE((own.state / "console.db").stat().st_mode) == 0o600
    assert page.login("admin", first).json["change_password"] is True
    assert page.get("/overview").reason == "change-password"
    for poor, why in (("short", "characters"), ("admin-admin-admin", "tried first"), ("aaaaaaaaaaaaaaa", "repeats")):
        answer = page.post("/password", {"old": first, "new": poor})
        assert (answer.status, answer.reason) == (400, "password")
        assert why in answer.json["error"]
    assert page.post("/password", {"old": "not the old one", "new": ADMIN}).status == 403
    assert page.post("/password", {"old": first, "new": ADMIN}).status == 204
    assert page.get("/overview").status == 200
    assert not (own.state / "console-password").exists()
    assert own.page().login("admin", first).status == 401
    own.stop()
    own.start()
    again = own.page()
    again.cookie = page.cookie
    assert again.get("/overview").status == 401, "a restart ends every login"
    assert again.login("admin", ADMIN).status == 200


def test_two_gateways_have_two_first_passwords(tmp_path: Path) -> None:
    first = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        plant = Plant(tmp_path / name)
        try:
            first.append(plant.start().first)
        finally:
            plant.stop()
    assert first[0] != first[1]


def test_nothing_but_the_page_and_the_login_is_for_everybody(plant: Plant) -> None:
    page = plant.page()
    for method, path, _ in operations():
        if path == "/login":
            continue
        answer = page.ask(method, path.format(**FILL), {} if method != "GET" else None)
        assert (answer.status, answer.reason) == (401, "login"), (method, path)
    assert page.raw("GET", "/").status == 200


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_what_its_rights_say_and_nothing_else(plant: Plant, admin: Page, role: Role) -> None:
    page = plant.user(role, admin) if role is not Role.ADMIN else admin
    assert page.get("/me").json["rights"] == list(RIGHTS[role])
    for method, path, words in operations():
        right = words.get("x-right")
        if right is None or Right(right) in RIGHTS[role]:
            continue
        answer = page.ask(method, path.format(**FILL), {} if method != "GET" else None)
        assert (answer.status, answer.reason) == (403, "right"), (method, path)
    for act, status in (("alarms/none/disable", 404), ("alarms/none/enable", 404), ("assets/bench/accept", 200)):
        answer = page.post(f"/{act}", {})
        allowed = role in (Role.ENGINEER, Role.ADMIN)
        assert answer.status == (status if allowed else 403), act


def test_a_token_is_for_programs_has_its_role_and_can_be_taken_back(plant: Plant, admin: Page) -> None:
    made = admin.post("/tokens", {"name": "scada", "role": "operator", "days": 30})
    program, bearer = plant.page(), f"Bearer {made.json['token']}"
    assert program.get("/overview", authorization=bearer).status == 200
    assert program.post("/alarms/none/ack", {}, authorization=bearer, origin=None).status == 404, "no csrf is asked for"
    assert program.get("/users", authorization=bearer).reason == "right"
    assert program.post("/password", {"old": "x", "new": ADMIN}, authorization=bearer).status == 403
    listed = admin.get("/tokens")
    assert made.json["token"].encode() not in listed.body
    assert admin.ask("DELETE", f"/tokens/{made.json['id']}").status == 204
    assert program.get("/overview", authorization=bearer).status == 401
    assert program.get("/overview", authorization="Bearer fgt_guess").status == 401


def test_a_change_must_bring_its_secret_and_come_from_our_page(plant: Plant, admin: Page) -> None:
    target = "/alarms/none/ack"
    assert admin.post(target, {}).status == 404
    assert admin.post(target, {}, x_csrf_token=None).reason == "csrf"
    assert admin.post(target, {}, x_csrf_token="guess").reason == "csrf"
    assert admin.post(target, {}, origin="http://evil.example").reason == "origin"
    assert admin.post(target, {}, origin="null").reason == "origin"
    assert admin.post(target, {}, origin=None, sec_fetch_site="cross-site").reason == "origin"
    assert admin.post(target, {}, origin=None).status == 404, "a program that is no browser says none"
    other = plant.user("viewer", admin)
    assert admin.post(target, {}, x_csrf_token=other.csrf).reason == "csrf"
    login = {"user": "admin", "password": ADMIN}
    assert plant.page().post("/login", login, origin="http://evil.example").reason == "origin"
    assert plant.page().post("/login", b"user=admin", content_type="application/x-www-form-urlencoded").status == 415


def test_a_name_of_somebody_else_leads_nowhere(admin: Page) -> None:
    for host in ("evil.example", "evil.example:8480", "127.0.0.1.evil.example", ""):
        answer = admin.raw("GET", "/api/v1/me", host=host)
        assert (answer.status, answer.reason) == (421, "host"), host
    for host in ("localhost", "[::1]:8480", "10.0.0.7"):
        assert admin.raw("GET", "/api/v1/me", host=host).status == 200, host


def test_the_cookie_is_kept_from_scripts_and_from_other_sites(plant: Plant) -> None:
    plant.admin()
    [cookie] = plant.page().login("admin", ADMIN).cookies
    words = {word.strip().lower() for word in cookie.split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= words
    assert not any(word.startswith(("domain", "expires", "max-age")) for word in words)


def test_wrong_logins_are_slowed_more_and_more_and_a_right_one_is_not_let_through_meanwhile(own: Plant) -> None:
    own.start()
    own.admin()
    page = own.page()
    found = [page.login("admin", f"wrong {i}").status for i in range(6)]
    assert found[:3] == [401] * 3
    assert 429 in found[3:]
    answer = page.login("admin", ADMIN)
    assert (answer.status, answer.reason) == (429, "slow")
    assert int(answer.headers["retry-after"]) >= 1
    assert until(lambda: page.login("admin", ADMIN).status == 200, "the wait is over")
    kinds = [record.content for record in read(own.state / "console-audit.db")]
    assert sum(one["kind"] == "login" and "wrong" in one["text"] for one in kinds) >= 3


def test_a_user_that_is_not_there_is_refused_like_one_that_is(plant: Plant) -> None:
    plant.admin()
    page = plant.page()
    known, unknown = page.login("admin", "wrong"), page.login("nobody", "wrong")
    assert (known.status, known.body) == (unknown.status, unknown.body) == (401, known.body)


def test_logins_end_by_logout_by_another_password_and_with_their_user(plant: Plant, admin: Page) -> None:
    first, second = plant.user("operator", admin), plant.page()
    assert second.login("operator-1", OTHERS).status == 200
    assert first.post("/logout").status == 204
    assert first.get("/me").status == 401
    assert second.get("/me").status == 200
    third = plant.page()
    assert third.login("operator-1", OTHERS).status == 200
    assert third.post("/password", {"old": OTHERS, "new": f"{OTHERS} again"}).status == 204
    assert (second.get("/me").status, third.get("/me").status) == (401, 200)
    assert admin.ask("PUT", "/users/operator-1", {"role": "viewer"}).status == 200
    assert third.get("/me").status == 401, "a login does not outlive its role"
    assert admin.ask("DELETE", "/users/operator-1").status == 204
    assert plant.page().login("operator-1", f"{OTHERS} again").status == 401
    assert admin.ask("DELETE", "/users/admin").reason == "last-admin"
    assert admin.ask("PUT", "/users/admin", {"role": "viewer"}).reason == "last-admin"


def test_every_act_stands_in_the_audit_and_no_password_does(plant: Plant, admin: Page) -> None:
    path = plant.state / "console-audit.db"
    before = verify(path)[0]
    admin.ask("PUT", "/users/fred", {"role": "viewer", "password": "a secret of freds"})
    admin.post("/alarms/none/ack", {"comment": "who knows"})
    records = [record.content for record in read(path, before + 1)]
    assert [(one["kind"], one["action"], one.get("result")) for one in records] == [
        ("intent", "put_user", None), ("outcome", "put_user", "done"),
        ("intent", "alarm_action", None), ("outcome", "alarm_action", "refused"),
    ]  # fmt: skip
    assert {(one["by"], one["role"], one["from"], one["via"]) for one in records} == {
        ("admin", "admin", "127.0.0.1", "console")
    }
    assert records[2]["said"]["comment"] == "who knows"
    assert verify(path)[1] == []
    everything = b"".join(one.read_bytes() for one in plant.state.glob("console*"))
    assert b"a secret of freds" not in everything


def test_acts_are_paced_before_anything_is_written_and_each_has_a_pace_of_their_own(plant: Plant, admin: Page) -> None:
    program, bearer = plant.page(), {"authorization": f"Bearer {plant.token('operator', admin)}"}
    before = verify(plant.state / "console-audit.db")[0]
    found = [program.raw("POST", "/api/v1/alarms/none/ack", {}, **bearer) for _ in range(60)]
    paced = [one for one in found if one.status == 429]
    assert {one.status for one in found[:20]} == {404}
    assert 20 <= len(paced) <= 40
    assert {(one.reason, one.headers["retry-after"]) for one in paced} == {("pace", "1")}
    records = [record.content for record in read(plant.state / "console-audit.db", before + 1)]
    assert len(records) == 2 * (60 - len(paced)), "what is refused so stands nowhere"
    assert {one["by"] for one in records} == {"token:for operator"}
    assert program.get("/overview", **bearer).status == 200, "looking has no such bound"
    other = plant.page()
    assert other.login("admin", ADMIN).status == 200
    until(lambda: other.raw("POST", "/api/v1/alarms/none/ack", {}, cookie=other.cookie, x_csrf_token=other.csrf)
          .status == 404, "somebody else is not held up")  # fmt: skip


def test_what_the_command_line_has_done_stands_in_the_audit_of_the_console_that_runs(plant: Plant) -> None:
    plant.admin()
    assert main(["console", "add", "outsider", "--config", str(plant.write()), "--state", str(plant.state)]) == 0

    def noted() -> list[dict[str, Any]]:
        records = [record.content for record in read(plant.state / "console-audit.db")]
        return [one for one in records if one["kind"] == "outside" and "outsider" in one["text"]]

    [record] = until(noted, "it is seen")
    assert (record["via"], record["by"], record["action"]) == ("cli", "fieldgate console", "user made")


def test_what_cannot_be_put_into_the_audit_is_not_done(own: Plant) -> None:
    own.start()
    own.admin()
    own.stop()
    for path in own.state.glob("console-audit.db*"):
        path.unlink()
    (own.state / "console-audit.db").write_bytes(b"this is no database" * 100)
    own.start()
    admin = own.admin()
    answer = admin.ask("PUT", "/users/fred", {"role": "viewer", "password": "a secret of freds"})
    assert (answer.status, answer.reason) == (503, "audit")
    assert "console-audit.db" in answer.json["error"]
    assert "fred" not in {one["user"] for one in admin.get("/users").json["users"]}


def test_a_login_that_nobody_uses_ends_and_one_that_is_used_ends_as_well(own: Plant) -> None:
    own.root["console"] |= {"idle": "3s", "session": "8s"}
    own.start()
    used, idle = own.admin(), own.page()
    idle.login("admin", ADMIN)
    began = time.monotonic()
    while time.monotonic() - began < 3.5:
        assert used.get("/me").status == 200
        time.sleep(0.1)
    assert idle.get("/me").status == 401
    assert until(lambda: used.get("/me").status == 401, "the longest time is over", 10.0)


def test_a_console_that_cannot_begin_is_told_of_and_does_not_keep_the_gateway(own: Plant) -> None:
    (own.state / "console.db").write_bytes(b"this is no database")
    own.begin()
    why = until(lambda: [one for one in own.parts() if one["name"] == "console"], "the gateway runs")
    assert why[0]["state"] == "failed"
    assert "console.db" in why[0]["why"]
    assert not (own.state / "console-listen").exists()
    assert "no console" in own.log.read_text()
