"""Safe mode: no configuration, no plugin, no model, no outbox; a page that says why, and what to do.

What was accepted stays on disk. Ended by hand, the next start is an ordinary one; after a quarter of an hour one more
is tried by itself, for nobody may come for years.
"""

import signal
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from gateway import __version__
from gateway.ops.metrics import Metrics, Sample
from gateway.ops.safepage import PageServer, Shown, page
from gateway.ops.starts import LIMIT, SETTLED, Starts
from gateway.ops.systemd import notify
from gateway.ops.web import TEXT, WebServer, json_answer

LISTEN: Final = "127.0.0.1:9184"  # where no earlier start has said where it listens
HOLD: Final = 900.0  # s until an ordinary start is tried again
_FEED: Final = 2.0  # s between two signs of life for systemd
REMEDY: Final = (
    "see the log (journalctl -u fieldgate); undo what has changed, or send `fieldgate bundle` to support; then restart"
)


def serve(
    starts: Starts, state: Path, listen: str | None, log: Any, hold: float = HOLD,
    scrub: Callable[[bytes], bytes] = bytes,
) -> bool:  # fmt: skip
    """Answer until SIGTERM or SIGINT (True), or until `hold` seconds have passed (False).

    `scrub` takes secrets out of what earlier starts have said.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    starts.record.errors = [scrub(said.encode()).decode(errors="replace") for said in starts.record.errors]
    document = document_of(starts)
    log.error("safe mode", why=document["parts"][0]["why"], remedy=REMEDY, errors=starts.record.errors)
    servers = [_server(document, state, listen, log), _page_server(document, state, log)]
    notify(f"READY=1\nSTATUS=safe mode: {document['parts'][0]['why']}")
    until = time.monotonic() + hold
    while time.monotonic() < until and not stop.wait(min(_FEED, hold)):
        notify("WATCHDOG=1")
    notify("STOPPING=1")
    for server in servers:
        if server:
            server.stop()
    return stop.is_set()


def document_of(starts: Starts) -> dict[str, Any]:
    """/status in safe mode, in the form of a gateway that runs: `fieldgate status` prints it."""
    changes = "; ".join(starts.changes()) or "nothing has changed since it ran well"
    last = f" The last one said: {starts.record.errors[-1]}." if starts.record.errors else ""
    why = f"{LIMIT} starts in a row did not last {SETTLED:.0f} s.{last} Since it ran well: {changes}."
    part = {"name": "safe mode", "state": "failed", "why": why, "remedy": REMEDY, "since": time.time()}
    return {
        "gateway": starts.record.good.get("gateway", "fieldgate"), "version": __version__, "state": "failed",
        "safe_mode": True, "uptime": 0.0, "parts": [part], "devices": [], "assets": [], "alarms": {}, "models": [],
        "errors": starts.record.errors, "changes": starts.changes(),
        "outbox": {"classes": {}}, "broker": {"connected": False, "why": "safe mode"},
    }  # fmt: skip


def _server(document: dict[str, Any], state: Path, listen: str | None, log: Any) -> WebServer | None:
    """The page, where the last start listened; None where nothing can listen there."""
    told = state / "listen"
    where = listen or (told.read_text().strip() if told.is_file() else LISTEN)
    metrics = Metrics()
    metrics.add(lambda: [Sample("safe_mode", 1)])
    gone = json_answer(HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "error": document["parts"][0]["why"]})
    routes = {
        "/status": lambda _: json_answer(HTTPStatus.OK, document),
        "/metrics": lambda _: (HTTPStatus.OK, TEXT, metrics.render()),
        "/healthz": lambda _: json_answer(HTTPStatus.OK, {"alive": True, "safe_mode": True}),
        "/readyz": lambda _: gone,
        "/why": lambda _: gone,
    }
    try:
        server = WebServer(where, routes)
    except (OSError, ValueError) as error:
        log.warning("safe mode does not listen", where=where, why=str(error))
        return None
    server.start()
    told.write_text(server.address)
    return server


def _page_server(document: dict[str, Any], state: Path, log: Any) -> PageServer | None:
    """The page where the console was, if there was one."""
    shown = Shown.read(state)
    if shown is None:
        return None
    facts = {"limit": f"{LIMIT}", "settled": f"{SETTLED:.0f}", "minutes": f"{HOLD / 60:.0f}"}
    try:
        server = PageServer(shown, page(document, facts))
    except (OSError, ValueError) as error:
        log.warning("safe mode does not listen", where=shown.url, why=str(error))
        return None
    if server.plain_because:
        log.warning("safe mode speaks no TLS", where=server.url, why=server.plain_because)
    server.start()
    return server
