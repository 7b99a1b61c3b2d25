"""What the pages read: the paths of the API that change nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field

from gateway.config.problems import did_you_mean
from gateway.console import alarms, assets
from gateway.console.calls import Call, Route
from gateway.console.host import Host, now
from gateway.console.logbook import Logbook
from gateway.console.memory import Memory
from gateway.console.overview import Overview, delivery
from gateway.console.rights import Refused
from gateway.console.stream import Hub, Source
from gateway.console.tags import LIMIT, Look
from gateway.console.trends import Trends
from gateway.sdk.config import Table

LIVE: Final = 600  # s; who asks for no more back from now wants scores, and a recording has none
_LATEST = (2**63 - 1) // alarms.MS  # Unix ms: as ns it fills what SQLite and numpy count with
_LAST = 2**53 - 1  # number of a line: what JavaScript counts exactly
When = Annotated[int, Field(ge=0, le=_LATEST)]
Quality = Literal["good", "uncertain", "bad"]


class TagsQuery(Table):
    """Which tags."""

    search: str = Field(default="", max_length=200)
    device: str = Field(default="", max_length=64)
    quality: Quality | None = None
    offset: int = Field(default=0, ge=0, le=1_000_000)
    limit: int = Field(default=100, ge=1, le=LIMIT)

    @property
    def look(self) -> Look:
        """The same, as the windows know it."""
        return Look(self.search, self.device, self.quality or "", self.offset, self.limit)


class TrendQuery(Table):
    """How far back, and how fine."""

    span: int = Field(default=600, ge=10, le=86400)
    points: int = Field(default=600, ge=10, le=2000)


class AssetTrendQuery(TrendQuery):
    """The same, or between two instants."""

    begin: When | None = Field(default=None, alias="from")
    end: When | None = Field(default=None, alias="to")


class HistoryQuery(Table):
    """Which changes of alarms."""

    asset: str = Field(default="", max_length=256)
    since: When = 0
    most: int = Field(default=500, ge=1, le=5000)


class LogQuery(Table):
    """Which lines."""

    level: Literal["debug", "info", "warning", "error"] = "debug"
    search: str = Field(default="", max_length=200)
    after: int = Field(default=0, ge=0, le=_LAST)
    most: int = Field(default=500, ge=1, le=2000)


class Looking:
    """Reads, of `host` and of what the console itself remembers."""

    def __init__(self, host: Host, memory: Memory, logbook: Logbook) -> None:
        self._host, self._logbook = host, logbook
        self._trends, self._overview = Trends(host, memory), Overview(host)

    def sources(self) -> dict[str, Source]:
        """What the stream shows at its slow pace, by topic."""
        return {
            "overview": lambda _: self._apart(self._overview.document),
            "alarms": lambda _: self._apart(self._alarms),
            "delivery": lambda _: self._apart(partial(delivery, self._host)),
            "asset": lambda name: self._apart(partial(assets.page, self._host, name)),
        }

    def routes(self, hub: Hub) -> Sequence[Route]:
        """The paths."""
        sources = self.sources()

        async def tags(call: Call) -> dict[str, Any]:
            return hub.window(call.query.look)

        return [
            Route("overview", "GET", "/overview", lambda _: sources["overview"]("")),
            Route("tags", "GET", "/tags", tags, query=TagsQuery),
            Route("tag_trend", "GET", "/tags/{name}/trend", self._tag_trend, query=TrendQuery),
            Route("assets", "GET", "/assets", self._assets),
            Route("asset", "GET", "/assets/{name}", lambda call: sources["asset"](call.path["name"])),
            Route("asset_trend", "GET", "/assets/{name}/trend", self._asset_trend, query=AssetTrendQuery),
            Route("alarms", "GET", "/alarms", lambda _: sources["alarms"]("")),
            Route("alarm_history", "GET", "/alarms/history", self._history, query=HistoryQuery),
            Route("alarm_figures", "GET", "/alarms/figures", self._figures),
            Route("delivery", "GET", "/delivery", lambda _: sources["delivery"]("")),
            Route("why", "GET", "/why/{name}", self._why),
            Route("models", "GET", "/models", self._models),
            Route("logs", "GET", "/logs", self._logs, query=LogQuery),
        ]

    async def _apart(self, gather: Any) -> bytes:
        """On another thread: it reads files, and a page must not wait for the page of somebody else."""
        return await asyncio.to_thread(lambda: orjson.dumps(gather(), option=orjson.OPT_SERIALIZE_NUMPY))

    def _alarms(self) -> dict[str, Any]:
        return {"alarms": alarms.alarms(self._host), "figures": alarms.figures(self._host)}

    async def _tag_trend(self, call: Call) -> dict[str, Any]:
        return self._trends.tag(call.path["name"], call.query.span, call.query.points)

    async def _assets(self, _call: Call) -> dict[str, Any]:
        return {"assets": assets.assets(now(self._host))}

    async def _asset_trend(self, call: Call) -> dict[str, Any]:
        query, at = call.query, self._host.clock.wall_ns() // alarms.MS
        end = at if query.end is None else query.end
        begin = end - query.span * 1000 if query.begin is None else query.begin
        live = query.begin is None and query.span <= LIVE
        return await self._trends.asset(call.path["name"], begin, end, query.points, live=live)

    async def _history(self, call: Call) -> dict[str, Any]:
        query = call.query
        past = partial(alarms.past, self._host, query.asset, query.since, query.most)
        return {"changes": await asyncio.to_thread(past)}

    async def _figures(self, _call: Call) -> dict[str, Any]:
        return alarms.figures(self._host)

    async def _why(self, call: Call) -> dict[str, Any]:
        why, name = now(self._host).why, call.path["name"]
        try:
            way = why.of(name)
        except KeyError:
            hint = did_you_mean(name, why.names())
            text = f"there is no tag and no asset '{name}'; {hint}".rstrip("; ")
            raise Refused(HTTPStatus.NOT_FOUND, "unknown", text) from None
        for step in way["steps"]:
            step["since"] = None if step["since"] is None else round(step["since"] * 1000)
        return way

    async def _models(self, _call: Call) -> dict[str, Any]:
        return {"models": assets.models(now(self._host))}

    async def _logs(self, call: Call) -> dict[str, Any]:
        query = call.query
        lines, last = self._logbook.lines(query.level, query.search, query.after, query.most)
        return {"lines": [asdict(line) for line in lines], "last": last}
