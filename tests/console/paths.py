"""Every path that the console has, as its own application lists them, and somebody who goes to all of them.

The list is made where the console makes it: a new path is looked at by itself, and one with a new kind of name in it
must be given a value in NAMES before the tests pass.
"""

import io
import re
import tarfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, cast

from starlette.routing import Route

from gateway.console.beside import Beside
from gateway.console.looking import Looking
from gateway.console.server import Console
from tests.console.plant import ADMIN, OTHERS, Answer, Page, until

API: Final = "/api/v1"
NAMES: Final[dict[str, str]] = {
    "action": "ack", "answer": "accept", "asset": "ASSET", "decision": "trust", "id": "none", "path": "main.js",
    "thumb": "0" * 40, "user": "none",
}  # fmt: skip
TOPICS: Final = "overview,alarms,delivery,tags,asset"
LOGIN: Final = f"{API}/login"  # wrong ones are slowed, and not tried again here
STREAM: Final = f"{API}/stream"  # does not end: see `watched`
LAST: Final = f"{API}/logout"  # who has gone there goes nowhere else


class Place(NamedTuple):
    """One path, with the names in it still to be filled in."""

    method: str
    template: str


def places() -> list[Place]:
    """All of them, that which ends a login last. HEAD tells no more than GET."""
    console, nobody = Console.__new__(Console), cast("Any", None)
    console._host, console._config = cast("Any", SimpleNamespace(clock=None)), cast("Any", SimpleNamespace(hosts=[]))
    console._tls, console._accounts, console._gateway, console._beside = None, nobody, nobody, Beside(nobody)
    app = cast("Any", console._application(nobody, Looking.__new__(Looking), nobody)._app)
    routes = [route for route in app.routes if isinstance(route, Route)]
    assert len(routes) == len(app.routes), "a kind of route that nobody looks at yet"
    found = [Place(method, route.path) for route in routes for method in sorted((route.methods or set()) - {"HEAD"})]
    return sorted(found, key=lambda one: one.template == LAST)


def admin_of(state: Path) -> Page:
    """The admin of a gateway that has just been started for the first time, with the first password changed."""
    until((state / "console-listen").is_file, "the console listens")
    page = Page((state / "console-listen").read_text())
    first = (state / "console-password").read_text().split()[1]
    assert page.login("admin", first).status == 200
    assert page.post("/password", {"old": first, "new": ADMIN}).status == 204
    assert page.login("admin", ADMIN).status == 200
    return page


def user_of(admin: Page, role: str) -> Page:
    """Somebody of this role, logged in; "" for nobody."""
    page = Page(admin.parts.geturl())
    if role:
        assert admin.ask("PUT", f"/users/{role}-1", {"role": role, "password": ADMIN}).status == 200
        assert page.login(f"{role}-1", ADMIN).status == 200
        assert page.post("/password", {"old": ADMIN, "new": OTHERS}).status == 204
    return page


def visit(page: Page, place: Place, tag: str, asset: str) -> Iterator[tuple[str, int, bytes]]:
    """What is answered there, to what is right and to what is wrong: label, status, all that can be read of it."""
    for path in dict.fromkeys((_filled(place.template, tag, asset), _filled(place.template, "nothing", "nothing"))):
        for body in (None,) if place.method == "GET" else ({}, {"nonsense": 1}, b"{", b'"text"'):
            while (answer := page.raw(place.method, path, body)).status == 429 and place.template != LOGIN:
                time.sleep(float(answer.headers["retry-after"]))
            yield f"{place.method} {path}", answer.status, _read(answer)


def _filled(template: str, tag: str, asset: str) -> str:
    names = NAMES | {"asset": asset, "name": asset if "/assets/" in template else tag}
    return re.sub(r"\{(\w+)(?::path)?\}", lambda found: names[found[1]], template)


def _read(answer: Answer) -> bytes:
    """Its head and its body; of an archive what is in it."""
    head = "\n".join(f"{name}: {text}" for name, text in answer.headers.items()).encode()
    if answer.headers.get("content-type") != "application/gzip":
        return head + answer.body
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as found:
        files = [one for member in found.getmembers() if (one := found.extractfile(member)) is not None]
        return head + b"\n".join(file.read() for file in files)


def watched(page: Page, asset: str, events: int = 12) -> bytes:
    """The first events of a stream of everything."""
    seen = islice(page.events(f"/stream?topics={TOPICS}&asset={asset}"), events)
    return repr(list(seen)).encode()
