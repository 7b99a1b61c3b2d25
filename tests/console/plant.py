"""A gateway with a console, as a plant would have it: files, the real daemon, and pages that speak HTTP with it."""

import asyncio
import http.client
import json
import ssl
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.children import Child, daemon, listening, write_configuration

WITHIN = 20.0  # s; what is to happen soon happens within this, on a busy machine too
ADMIN = "plenty of words here"  # the admin's password, once it has been changed
OTHERS = "a phrase of their own"
CANARY = "canary-7f3a9c-secret"
TAGS = {"a": {"wave": "noise"}, "b": {"wave": "noise"}, "c": {"wave": "sine", "unit": "bar"}}
DEVICE: dict[str, Any] = {"device": "bench", "adapter": "sim", "every": "100ms", "tags": TAGS}
ASSET = {"tags": ["bench.a", "bench.b", "bench.c"], "calibrate": 50}
HOT = {"hot": {"tag": "bench.c", "above": -1e9, "alarm": {"on_delay": "0s", "severity": "high"}}}


class Answer:
    """What came back: status, headers by lower-case names, body."""

    def __init__(self, found: http.client.HTTPResponse) -> None:
        self.status, self.body = found.status, found.read()
        self.headers = {name.lower(): value for name, value in found.getheaders()}
        self.cookies = [value for name, value in found.getheaders() if name.lower() == "set-cookie"]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def reason(self) -> str:
        return str(self.json["reason"])


class Page:
    """One browser: keeps its cookie, and brings along what a change must bring."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        self.parts, self.context = urlsplit(url), context
        self.cookie = self.csrf = ""

    def connection(self) -> http.client.HTTPConnection:
        host, port = self.parts.hostname or "", self.parts.port
        if self.parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=WITHIN, context=self.context)
        return http.client.HTTPConnection(host, port, timeout=WITHIN)

    def headers(self, method: str, more: Mapping[str, str | None]) -> dict[str, str]:
        found: dict[str, str | None] = {"cookie": self.cookie or None}
        if method != "GET":
            found |= {"x-csrf-token": self.csrf or None, "origin": f"{self.parts.scheme}://{self.parts.netloc}"}
        return {name: value for name, value in (found | dict(more)).items() if value is not None}

    def ask(self, method: str, path: str, body: Any = None, **more: str | None) -> Answer:
        """A request of the API; `more` are headers, None leaves one out. Who acts too fast waits as they are told."""
        while (answer := self.raw(method, f"/api/v1{path}", body, **more)).status == 429 and answer.reason == "pace":
            time.sleep(float(answer.headers["retry-after"]))
        return answer

    def raw(self, method: str, path: str, body: Any = None, **more: str | None) -> Answer:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if content is not None:
            named.setdefault("content-type", "application/json")
        connection = self.connection()
        try:
            connection.request(method, path, content, self.headers(method, named))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **more: str | None) -> Answer:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: str | None) -> Answer:
        return self.ask("POST", path, body, **more)

    def login(self, user: str, password: str) -> Answer:
        answer = self.post("/login", {"user": user, "password": password})
        if answer.status == 200:
            self.cookie = answer.cookies[0].split(";")[0]
            self.csrf = answer.json["csrf"]
        return answer

    def events(self, path: str, within: float = WITHIN) -> Generator[tuple[str, dict[str, Any]], None, None]:
        """Events of a stream, as they come."""
        connection = self.connection()
        connection.timeout = within
        connection.request("GET", f"/api/v1{path}", headers=self.headers("GET", {}))
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        try:
            name = ""
            while line := answer.readline():
                kind, _, text = line.decode().rstrip("\n").partition(": ")
                if kind == "event":
                    name = text
                elif kind == "data":
                    yield name, json.loads(text)
        finally:
            answer.close()
            connection.close()


class Plant:
    """One gateway with its files, and the pages of its users."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.log = folder, folder / "state", folder / "gateway.log"
        self.state.mkdir()
        (folder / "secrets").mkdir()
        (folder / "secrets" / "mqtt").write_text(CANARY)
        self.root: dict[str, Any] = {
            "gateway": {"id": "line-3", "secrets_dir": "secrets"},
            "console": {"listen": "127.0.0.1:0"},
            "recording": {"keep": "256KiB"},
            "assets": {"bench": {**ASSET, "rules": HOT}},
        }
        self.devices: Sequence[dict[str, Any]] = [DEVICE]
        self.gateway: Child | None = None

    def write(self) -> Path:
        return write_configuration(self.folder, self.root, self.devices)

    def start(self) -> "Plant":
        self.begin()
        until((self.state / "console-listen").is_file, "the console listens")
        return self

    def begin(self) -> None:
        """Start the daemon, and wait until it answers to machines."""
        (self.state / "console-listen").unlink(missing_ok=True)
        self.gateway = daemon(self.write(), self.state, self.log)
        listening(self.gateway, self.state)

    def parts(self) -> list[dict[str, Any]]:
        """Its health, as machines are told it."""
        where = (self.state / "listen").read_text()
        connection = http.client.HTTPConnection(where, timeout=WITHIN)
        try:
            connection.request("GET", "/status")
            found: list[dict[str, Any]] = json.loads(connection.getresponse().read())["parts"]
        finally:
            connection.close()
        return found

    def stop(self) -> int:
        return self.gateway.stop() if self.gateway else 0

    @property
    def url(self) -> str:
        return (self.state / "console-listen").read_text()

    @property
    def first(self) -> str:
        """The first password."""
        return (self.state / "console-password").read_text().split()[1]

    def page(self, context: ssl.SSLContext | None = None) -> Page:
        """A browser in which nobody is logged in."""
        return Page(self.url, context)

    def admin(self) -> Page:
        """The admin, who has changed the first password."""
        page = self.page()
        if (self.state / "console-password").is_file():
            first = self.first
            assert page.login("admin", first).status == 200
            assert page.post("/password", {"old": first, "new": ADMIN}).status == 204
        assert page.login("admin", ADMIN).status == 200
        return page

    def user(self, role: str, admin: Page | None = None) -> Page:
        """A user of this role who has changed their password; named by the role."""
        admin = admin or self.admin()
        assert admin.ask("PUT", f"/users/{role}-1", {"role": role, "password": ADMIN}).status == 200
        page = self.page()
        assert page.login(f"{role}-1", ADMIN).status == 200
        assert page.post("/password", {"old": ADMIN, "new": OTHERS}).status == 204
        return page

    def token(self, role: str, admin: Page | None = None) -> str:
        """A token for a program."""
        made = (admin or self.admin()).post("/tokens", {"name": f"for {role}", "role": role})
        return str(made.json["token"])


def until(condition: Any, what: str, within: float = WITHIN) -> Any:
    """Poll until `condition` gives something true, and give that."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(0.02)
    return found


async def soon(condition: Callable[[], Any], what: str, within: float = WITHIN) -> None:
    """The same, on the loop of the test."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        await asyncio.sleep(0.01)
