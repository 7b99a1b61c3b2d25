"""One request after another: who asks, may they, what do they say; then it is done, and answered. For every path alike.

A path is a `Route`, a row of a table: what it needs and what it does stand side by side (`routes`).
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from gateway.console import doors
from gateway.console.accounts import Accounts
from gateway.console.audit import Acts
from gateway.console.connection import BODY
from gateway.console.rights import Refused, Right, Who
from gateway.console.throttle import Pace
from gateway.sdk.clock import Clock
from gateway.sdk.config import Table

LARGEST: Final = 65536  # bytes of a body
_JSON: Final = "application/json"
_MEANWHILE: Final = ("me", "logout", "password")  # what is there for whom must change their password first


class Nothing(Table):
    """A request that says nothing."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, looked through: from whom, from which address, and what it says."""

    who: Who
    address: str
    path: Mapping[str, str]
    query: Any
    body: Any
    method: str


Do = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One path.

    Attributes:
        name: in docs/openapi.yaml, and in the audit.
        method: of HTTP.
        path: behind /api/v1.
        do: what is done; a table is answered as JSON, None as 204.
        right: that it needs; None: to be logged in.
        query: what may stand behind the ?.
        body: what it may bring.
        act: whether it changes anything, so that it stands in the audit.
    """

    name: str
    method: str
    path: str
    do: Do
    right: Right | None = Right.LOOK
    query: type[Table] = Nothing
    body: type[Table] = Nothing
    act: bool = False


class Desk:
    """Answers requests."""

    def __init__(self, accounts: Accounts, acts: Acts, cookie: str, clock: Clock) -> None:
        """`cookie`: the name of the cookie that a login bears."""
        self._accounts, self._acts, self._cookie, self._pace = accounts, acts, cookie, Pace(clock)

    def endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        """What Starlette calls for `route`."""

        async def answer(request: Request) -> Response:
            try:
                return answered(await self._answer(route, request))
            except Refused as error:
                return refusal(error)

        return answer

    def knows(self, request: Request) -> bool:
        """Whether somebody who is logged in asks."""
        try:
            self._who(request)
        except Refused:
            return False
        return True

    async def _answer(self, route: Route, request: Request) -> Any:
        who = self._who(request)
        if request.method not in doors.SAFE:
            doors.check_origin(request.headers, request.scope["scheme"])
            doors.check_csrf(request.headers, who)
        if who.change and route.name not in _MEANWHILE:
            raise Refused(HTTPStatus.FORBIDDEN, "change-password", "the password must be changed first")
        if route.right is not None and not who.may(route.right):
            text = f"it needs the right to {route.right}; {who.name} is {who.role}"
            raise Refused(HTTPStatus.FORBIDDEN, "right", text)
        query = checked(route.query, dict(request.query_params), strings=True)
        body = checked(route.body, await said(request))
        call = Call(who, address_of(request), request.path_params, query, body, request.method)
        if not route.act:
            return await route.do(call)
        self._not_too_fast(who)
        return await self._acts.do(who, call.address, _asked(route, call), lambda: route.do(call))

    def _not_too_fast(self, who: Who) -> None:
        """Before anything is written: else whoever asks all the time pushes everybody's records out of the audit."""
        wait = self._pace.wait(who.by)
        if wait > 0:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "pace", "too many acts at once; try again in a moment", wait)

    def _who(self, request: Request) -> Who:
        token = doors.bearer(request.headers)
        cookie = request.cookies.get(self._cookie, "")
        who = self._accounts.by_token(token) if token else self._accounts.by_cookie(cookie)
        if who is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "login", "nobody is logged in")
        return who


def _asked(route: Route, call: Call) -> dict[str, Any]:
    """For the audit; passwords read ***, for they are secret strings."""
    return {
        "action": route.name,
        "text": printable(" ".join((route.name, *call.path.values()))),
        "said": call.body.model_dump(mode="json", exclude_none=True),
    }


async def said(request: Request) -> dict[str, Any]:
    """The JSON table of a body; empty where there is none. Raises Refused."""
    try:
        async with asyncio.timeout(BODY):
            content = await _content(request)
    except TimeoutError as error:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "late", f"the body did not come within {BODY:g} s") from error
    if not content:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _JSON:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "type", f"a body is {_JSON}")
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed", f"the body is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed", "the body must be a table")
    return found


async def _content(request: Request) -> bytes:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > LARGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size", f"a body has at most {LARGEST} bytes")
    return content


def checked(table: type[Table], found: Mapping[str, Any], *, strings: bool = False) -> Any:
    """`found` as a `table`. Raises Refused with what is wrong, without saying the value: it may be a password."""
    try:
        return table.model_validate_strings(found) if strings else table.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the request"
        raise Refused(HTTPStatus.BAD_REQUEST, "malformed", f"{where}: {first['msg']}") from error


def printable(text: str) -> str:
    """What somebody has sent, for logs and terminals: bounded, and without control characters."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:512])


def address_of(request: Request) -> str:
    """Of the machine that the request came from. What a proxy says is not believed: anybody can say it."""
    return request.client.host if request.client else ""


def answered(found: Any) -> Response:
    """What was found, as an answer."""
    if isinstance(found, Response):
        return found
    if found is None:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"cache-control": "no-store"})
    return json_answer(found)


def json_answer(found: Any, status: int = HTTPStatus.OK) -> Response:
    """`found` as JSON that nobody keeps."""
    content = found if isinstance(found, bytes) else orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, {"cache-control": "no-store"}, _JSON)


def refusal(error: Refused) -> Response:
    """Why it was not done."""
    answer = json_answer({"error": str(error), "reason": error.reason}, error.status)
    if error.status == HTTPStatus.REQUEST_TIMEOUT:
        answer.headers["connection"] = "close"  # what comes later is no request
    if error.wait:
        answer.headers["retry-after"] = str(math.ceil(error.wait))
    return answer
