"""The paths of the live stream: opening one, and looking at something else on it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final, Literal

from pydantic import Field
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.console import stream
from gateway.console.calls import Call, Route
from gateway.console.looking import Quality, TagsQuery
from gateway.console.rights import Refused
from gateway.console.stream import ASSET, TAGS, Hub, View, Viewer
from gateway.console.tags import LIMIT
from gateway.sdk.config import Table

TOPICS: Final = ("overview", "alarms", "delivery", TAGS, ASSET)
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}  # nginx hands on each event at once
_LOOK: Final = ("search", "device", "quality", "offset", "limit")
Topic = Literal["overview", "alarms", "delivery", "tags", "asset"]


class StreamQuery(TagsQuery):
    """What a page looks at first."""

    topics: str = Field(default="overview", max_length=100)
    asset: str = Field(default="", max_length=256)


class ViewBody(Table):
    """What it looks at from now on; what is not named stays."""

    topics: list[Topic] | None = Field(default=None, max_length=len(TOPICS))
    asset: str | None = Field(default=None, max_length=256)
    search: str | None = Field(default=None, max_length=200)
    device: str | None = Field(default=None, max_length=64)
    quality: Quality | Literal[""] | None = None
    offset: int | None = Field(default=None, ge=0, le=1_000_000)
    limit: int | None = Field(default=None, ge=1, le=LIMIT)


class Stream(StreamingResponse):
    """What is sent to one page. One that has ended and is not read is cut off: nothing else would end it."""

    def __init__(self, hub: Hub, viewer: Viewer) -> None:
        super().__init__(hub.events(viewer), headers=_HEADERS, media_type="text/event-stream")
        self._hub, self._viewer = hub, viewer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it (ASGI 3)."""
        viewer = self._viewer
        try:
            async with asyncio.timeout(stream.GRACE if viewer.over else None) as viewer.until:
                await super().__call__(scope, receive, send)
        except TimeoutError:
            scope["state"]["cut"]()  # the connection's (connection.py)
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            viewer.until = None
            self._hub.leave(viewer)


class Watching:
    """Opens streams of `hub`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> Sequence[Route]:
        """The paths. A view is nobody's but the page's: changing it is no act."""
        return [
            Route("stream", "GET", "/stream", self._open, query=StreamQuery),
            Route("change_view", "PUT", "/stream/{id}", self._turn, body=ViewBody),
        ]

    async def _open(self, call: Call) -> Response:
        query = call.query
        topics = frozenset(filter(None, query.topics.split(",")))
        unknown = sorted(topics - set(TOPICS))
        if unknown:
            text = f"'{unknown[0]}' is no topic; there are {', '.join(TOPICS)}"
            raise Refused(HTTPStatus.BAD_REQUEST, "malformed", text)
        if call.method == "HEAD":
            return Response(headers=_HEADERS, media_type="text/event-stream")
        viewer = self._hub.come(call.who, View(topics, query.look, query.asset))
        return Stream(self._hub, viewer)

    async def _turn(self, call: Call) -> None:
        said = {name: value for name, value in call.body.model_dump(exclude_unset=True).items() if value is not None}

        def change(view: View) -> View:
            look = replace(view.look, **{name: said[name] for name in _LOOK if name in said})
            return View(frozenset(said.get("topics", view.topics)), look, said.get("asset", view.asset))

        self._hub.turn(call.path["id"], call.who, change)
