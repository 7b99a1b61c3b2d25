"""Safe mode, seen where the console is: one page that says in two languages what has happened and what to do.

Every path gives it, without login, script or secret; the API's give a problem document (RFC 9457). The console leaves
in the state folder where it listens and with which certificate, for in safe mode no configuration is read.
"""

import base64
import contextlib
import hashlib
import html
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final, Self
from urllib.parse import urlsplit

import orjson

FILE: Final = "console-safe.json"
_ROOM: Final = 32  # connections at once; beyond it they are closed
_BODY: Final = 65536  # bytes of a request that are read to their end, so that the answer arrives
_RETRY: Final = 60  # s, as the answers of the API advise


@dataclass(frozen=True, slots=True)
class Shown:
    """Where the console was shown last: its address as people type it, its PEM files, and the folder of secrets."""

    url: str
    cert: str | None = None
    key: str | None = None
    secrets: str | None = None

    @classmethod
    def read(cls, state: Path) -> Self | None:
        """What was left; None where there was no console, or nothing that can be read."""
        try:
            return cls(**orjson.loads((state / FILE).read_bytes()))
        except (OSError, orjson.JSONDecodeError, TypeError):
            return None

    def leave(self, state: Path) -> None:
        """Leave it for safe mode. A disk that takes nothing must not keep the console from beginning."""
        with contextlib.suppress(OSError):
            (state / FILE).write_bytes(orjson.dumps(asdict(self)))


def forget(state: Path) -> None:
    """There is no console any more."""
    with contextlib.suppress(OSError):
        (state / FILE).unlink(missing_ok=True)


def page(document: Mapping[str, Any], facts: Mapping[str, str]) -> bytes:
    """The page of a /status in safe mode; `facts` fill what it does not say."""
    words = {name: html.escape(str(text)) for name, text in facts.items()}
    lists = {name: _items(document[name]) for name in ("errors", "changes")}
    head = {name: html.escape(str(document[name])) for name in ("gateway", "version")}
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(document["parts"][0]["since"]))
    return Template(_template()).substitute(words, since=since, **lists, **head).encode()


def _items(texts: Sequence[str]) -> str:
    """A list; what has been said several times stands there once."""
    counted = ((html.escape(text), f" ({count} times)" if count > 1 else "") for text, count in Counter(texts).items())
    return "".join(f"<li>{text}{times}</li>" for text, times in counted) or "<li>-</li>"


def _template() -> str:
    return files("gateway.ops").joinpath("safepage.html").read_text(encoding="utf-8")


def problem(path: str) -> bytes:
    """What the API answers (RFC 9457)."""
    told = {
        "type": "about:blank", "title": "Service Unavailable", "status": 503, "reason": "safe-mode",
        "detail": "the gateway is in safe mode, and nothing runs; the page at / says why, and what to do",
        "error": "the gateway is in safe mode, and nothing runs", "instance": path[:200],
    }  # fmt: skip
    return orjson.dumps(told)


class PageServer(ThreadingHTTPServer):
    """Answers every request of every path where the console did, by TLS where its certificate can be read."""

    daemon_threads = True
    request_queue_size = 128  # connections that the system holds until they are looked at: more than have room

    def __init__(self, shown: Shown, content: bytes) -> None:
        """Opens its address; what cannot be had by TLS is had at this machine only. Raises OSError, ValueError."""
        self._tls, self.plain_because = _tls(shown)
        where = urlsplit(shown.url)
        host = "127.0.0.1" if self.plain_because else where.hostname or "127.0.0.1"
        self.address_family, *_, address = socket.getaddrinfo(host, where.port, type=socket.SOCK_STREAM)[0]
        super().__init__(address[:2], _handler(content))  # type: ignore[arg-type]  # host and port, of either family
        self._room = threading.BoundedSemaphore(_ROOM)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.2,), name="safe page", daemon=True)

    @property
    def url(self) -> str:
        """What a person types."""
        host, port = self.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"{'https' if self._tls else 'http'}://{name}:{port}/"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self.shutdown()
        self.server_close()
        self._thread.join(2.0)

    def get_request(self) -> tuple[Any, Any]:
        """The next connection; its handshake is done by its own thread, for it may take long."""
        connection, address = super().get_request()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of its own, while there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """As the server has it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or speaks no TLS, is no event."""


def _tls(shown: Shown) -> tuple[ssl.SSLContext | None, str]:
    """TLS as the console had it, and why there is none although it had; "" where all is as it was."""
    if shown.cert is None or shown.key is None:
        return None, ""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(shown.cert, shown.key)
    except (OSError, ssl.SSLError) as error:
        return None, f"{shown.cert}: {error}"
    return context, ""


def _handler(content: bytes) -> type[BaseHTTPRequestHandler]:
    styles = re.findall(rb"<style>(.*?)</style>", content, re.DOTALL)
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'" for style in styles)
    headers = {
        "cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
        "content-security-policy": (
            f"default-src 'none'; style-src {digests}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    }  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0  # s that a slow client may take
        server_version, sys_version = "Fieldgate", ""

        def answer(self) -> None:
            api = self.path.startswith("/api/")
            body = problem(self.path.partition("?")[0]) if api else content
            said = self.headers.get("content-length", "")
            self.rfile.read(min(int(said), _BODY) if said.isdigit() else 0)
            self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if api else HTTPStatus.OK)
            kind = "application/problem+json" if api else "text/html; charset=utf-8"
            more = {"retry-after": str(_RETRY)} if api else {}
            for name, text in {"content-type": kind, "content-length": str(len(body)), **headers, **more}.items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer  # noqa: N815 - http.server's

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """A look at the page is no event."""

    return Handler
