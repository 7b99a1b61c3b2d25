"""/metrics, /healthz, /readyz, /status and /why for machines: read-only, on a thread of its own, where told."""

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import orjson

Answer = tuple[HTTPStatus, str, bytes]
Route = Callable[[Mapping[str, str]], Answer]  # what stands behind the ? of the address
JSON = "application/json"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def json_answer(status: HTTPStatus, content: Any) -> Answer:
    """`content` as a JSON answer."""
    return status, JSON, orjson.dumps(content)


class WebServer:
    """Serves a fixed table of paths by GET."""

    def __init__(self, listen: str, routes: dict[str, Route]) -> None:
        host, _, port = listen.rpartition(":")
        self._server = ThreadingHTTPServer((host, int(port)), _handler(routes))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="web", daemon=True)

    @property
    def address(self) -> str:
        """host:port that it listens on."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)


def _handler(routes: dict[str, Route]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0  # s that a slow client may take

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            route = routes.get(path)
            unknown = json_answer(HTTPStatus.NOT_FOUND, {"error": "no such path", "paths": sorted(routes)})
            status, kind, body = route(dict(parse_qsl(query))) if route else unknown
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """A scrape is no event."""

    return Handler
