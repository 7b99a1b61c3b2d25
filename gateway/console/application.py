"""The application that uvicorn serves: the paths of the API, the files of the page, and what stands before both."""

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.console import doors
from gateway.console.calls import Desk, Route, json_answer, refusal
from gateway.console.files import INDEX, Files
from gateway.console.manual import PLACE, Manual
from gateway.console.rights import Refused
from gateway.ops import manual

API: Final = "/api/v1"
DOCUMENT: Final = "/api/openapi.yaml"
_OWN: Final = ("localhost", "ip6-localhost")


def application(desk: Desk, login: Callable[[Request], Awaitable[Response]], routes: Sequence[Route]) -> Starlette:
    """All paths."""
    pages, docs = Files(), Manual(desk, manual.folder())

    async def index(request: Request) -> Response:
        return pages.answer(INDEX, request)

    async def file(request: Request) -> Response:
        return pages.answer(request.path_params["path"], request)

    app = Starlette(
        routes=[
            Path("/", index),
            Path("/static/{path:path}", file),
            Path(PLACE, docs.top),
            Path(f"{PLACE}/{{path:path}}", docs.answer),
            Path(DOCUMENT, docs.api),
            Path(f"{API}/login", login, methods=["POST"]),
            *(Path(API + route.path, desk.endpoint(route), methods=[route.method]) for route in routes),
        ],
        exception_handlers={HTTPException: _no_such},
    )
    app.router.redirect_slashes = False  # each path has one spelling
    return app


async def _no_such(request: Request, error: Exception) -> Response:
    """A path, or a method, that is none."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    status = HTTPStatus(error.status_code)
    answer = json_answer(
        {"error": f"{request.method} {request.scope['path'][:200]}: {status.phrase}", "reason": "path"}, status
    )
    answer.headers.update(error.headers or {})
    return answer


class Door:
    """Stands before the application: looks at the Host of each request, and puts the headers on each answer."""

    def __init__(self, app: ASGIApp, names: Iterable[str], *, secure: bool) -> None:
        """`names` under which the console is reached, beside the machine's own; `secure`: by TLS."""
        self._app = app
        self._names = frozenset((*_OWN, socket.gethostname().lower(), socket.getfqdn().lower(), *names))
        headers = doors.HEADERS | (doors.TLS_ONLY if secure else {})
        self._headers = [(name.encode(), text.encode()) for name, text in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (ASGI 3)."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
            await send(message)

        try:
            doors.check_host(Request(scope).headers.get("host", ""), self._names)
        except Refused as error:
            await refusal(error)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)
