"""The documentation, under /docs/: for whoever is logged in, and for everybody at the machine itself."""

import asyncio
import ipaddress
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.console.calls import Desk, address_of, refusal
from gateway.console.files import INDEX, Files
from gateway.console.rights import Refused
from gateway.ops import manual

PLACE: Final = "/docs"


class Manual:
    """Answers requests for its pages. They are read when somebody first asks for one, and kept."""

    def __init__(self, desk: Desk, folder: Path | None) -> None:
        """`folder` with the site, where there is one."""
        self._desk, self._folder = desk, folder
        self._files: Files | None = None

    async def top(self, _request: Request) -> Response:
        """Without the last stroke: links of a page are meant from where it lies."""
        return RedirectResponse(f"{PLACE}/", HTTPStatus.PERMANENT_REDIRECT)

    async def api(self, request: Request) -> Response:
        """The OpenAPI document, for programs that are written against it."""
        if not self._lets_in(request):
            return _log_in()
        return Response(await asyncio.to_thread(manual.api), media_type="application/yaml")  # RFC 9512

    async def answer(self, request: Request) -> Response:
        """One file of the site."""
        if not self._lets_in(request):
            return _log_in()
        if self._folder is None:
            return Response(manual.ABSENT + "\n", HTTPStatus.NOT_FOUND, media_type="text/plain")
        if self._files is None:
            self._files = await asyncio.to_thread(Files, self._folder)
        path = request.path_params["path"]
        return self._files.answer(f"{path}{INDEX}" if not path or path.endswith("/") else path, request)

    def _lets_in(self, request: Request) -> bool:
        return _at_the_machine(request) or self._desk.knows(request)


def _log_in() -> Response:
    return refusal(Refused(HTTPStatus.UNAUTHORIZED, "login", "log in to the console first"))


def _at_the_machine(request: Request) -> bool:
    """Whether it comes from this machine, be it through a tunnel."""
    try:
        return ipaddress.ip_address(address_of(request)).is_loopback
    except ValueError:
        return False
