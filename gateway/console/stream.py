"""What pages are shown as it changes: each event is encoded once, and given to all pages that look at the same.

A page that does not keep up loses its oldest events; then it is given all of what it looks at, so that it shows the
truth again. Nothing here waits for a page: queues are bounded, and each page empties its own.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson

from gateway.console.host import Host, now
from gateway.console.rights import Refused, Who
from gateway.console.tags import Look, Names, Window

TICK: Final = 0.25  # s between two events of the tags; faster than anybody reads
SLOW: Final = 4  # ticks between two events of everything else
OF_ONE: Final = 16  # streams of one login or token
GRACE: Final = 5.0  # s in which a stream that has ended must be read to its end
QUEUE: Final = 16  # events that wait for one page; beyond it the oldest go
_ALIVE: Final = 15.0  # s of silence after which a comment is sent: proxies end what says nothing
TAGS: Final = "tags"
ASSET: Final = "asset"
Source = Callable[[str], Awaitable[bytes]]
"""Gives the document of a topic now; for `asset` of the asset that is named."""


@dataclass(frozen=True, slots=True)
class View:
    """What one page looks at: topics, the window of its tags, and its asset."""

    topics: frozenset[str]
    look: Look
    asset: str = ""


@dataclass(eq=False)
class Viewer:
    """One page: `fresh` holds the topics that it must be given whole, because it has just come or has lost events."""

    id: str
    who: Who
    view: View
    fresh: set[str]
    events: deque[bytes] = field(default_factory=deque)
    there: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    until: asyncio.Timeout | None = None  # of what sends it

    def give(self, event: bytes) -> bool:
        """Have it sent. False where it is one too many: all that waits is lost, and what the page knows with it."""
        if len(self.events) == QUEUE:
            self.events.clear()
            self.fresh = set(self.view.topics)
            return False
        self.events.append(event)
        self.there.set()
        return True

    def take(self) -> bytes:
        """All that waits, at once."""
        waiting = b"".join(self.events)
        self.events.clear()
        return waiting


class Hub:
    """All pages that are open.

    Args:
        host: the gateway.
        sources: of all topics but the tags.
        still: whether somebody may go on looking.
        most: pages at once.

    Attributes:
        viewers: all pages, by the id of their stream.
        behind: times that a page did not keep up.
    """

    def __init__(self, host: Host, sources: Mapping[str, Source], still: Callable[[Who], bool], most: int) -> None:
        self._host, self._sources, self._still, self._most = host, sources, still, most
        self.viewers: dict[str, Viewer] = {}
        self.behind = 0
        self._windows: dict[Look, Window] = {}
        self._told: dict[tuple[str, str], bytes] = {}  # the last event of each topic
        self._running = now(host)
        self._names = Names(self._running.table, 1, self._running.meanings)
        self._unknown: set[str] = set()  # assets that are looked at and that there are not

    # -- pages -------------------------------------------------------------------------------------------------------

    def come(self, who: Who, view: View) -> Viewer:
        """Another page. Raises Refused (429) when there are too many."""
        if sum(viewer.who.key == who.key for viewer in self.viewers.values()) >= OF_ONE:
            text = f"{OF_ONE} pages are open already with this login or token; close one"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "full", text, 10.0)
        if len(self.viewers) >= self._most:
            text = f"{self._most} pages are open already (console.viewers); close one"
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "full", text, 10.0)
        viewer = Viewer(secrets.token_hex(8), who, view, set(view.topics))
        viewer.give(event("hello", orjson.dumps({"id": viewer.id, "tick": TICK})))
        self.viewers[viewer.id] = viewer
        return viewer

    def turn(self, id_: str, who: Who, change: Callable[[View], View]) -> None:
        """A page looks at something else. Raises Refused (404) when it is not open, or somebody else's."""
        viewer = self.viewers.get(id_)
        if viewer is None or (viewer.who.name, viewer.who.key) != (who.name, who.key):
            raise Refused(HTTPStatus.NOT_FOUND, "unknown", "there is no such stream; open one")
        viewer.view = change(viewer.view)
        viewer.fresh = set(viewer.view.topics)
        viewer.events.clear()

    async def events(self, viewer: Viewer) -> AsyncIterator[bytes]:
        """What is sent to one page, until it has gone or must go."""
        try:
            while not viewer.over or viewer.events:
                if viewer.events:
                    yield viewer.take()
                    continue
                viewer.there.clear()
                try:
                    await asyncio.wait_for(viewer.there.wait(), _ALIVE)
                except TimeoutError:
                    yield b": \n\n"
        finally:
            self.leave(viewer)

    def leave(self, viewer: Viewer) -> None:
        """A page has gone."""
        self.viewers.pop(viewer.id, None)

    def end(self, reason: str, whose: Callable[[Viewer], bool] = lambda _viewer: True) -> None:
        """Let pages go, and say why. Their places are free at once; who does not read it is cut off."""
        for viewer in [one for one in self.viewers.values() if whose(one)]:
            viewer.events.clear()
            viewer.give(event("bye", orjson.dumps({"reason": reason})))
            viewer.over = True
            self.leave(viewer)
            if viewer.until is not None:
                viewer.until.reschedule(asyncio.get_running_loop().time() + GRACE)

    def window(self, look: Look) -> dict[str, Any]:
        """One look at the tags, now."""
        self._follow()
        return Window(self._names, look).document(self._running.pipeline.image)

    # -- work --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Give every page what it looks at, for ever."""
        clock, count = self._host.clock, 0
        due = clock.monotonic()
        while True:
            due = max(due + TICK, clock.monotonic())
            await clock.sleep_until(due)
            count += 1
            if not self.viewers:
                self._windows.clear()
                self._told.clear()
                self._unknown.clear()
                continue
            self.tick()
            await self._topics(slowly=count % SLOW == 0)

    def tick(self) -> None:
        """The tags: one event for each window, whoever looks at it."""
        self._follow()
        watching: dict[Look, list[Viewer]] = {}
        for viewer in self.viewers.values():
            if TAGS in viewer.view.topics and not viewer.over:
                watching.setdefault(viewer.view.look, []).append(viewer)
        for gone in self._windows.keys() - watching.keys():
            del self._windows[gone]
        for look, viewers in watching.items():
            self._show(look, viewers)

    def _show(self, look: Look, viewers: list[Viewer]) -> None:
        image = self._running.pipeline.image
        window = self._windows.get(look) or self._windows.setdefault(look, Window(self._names, look))
        changed = window.frame(image)
        fresh = [viewer for viewer in viewers if TAGS in viewer.fresh]
        whole = event(TAGS, window.whole(image)) if fresh else b""
        frame = event(TAGS, changed) if changed is not None else b""
        for viewer in viewers:
            one = whole if TAGS in viewer.fresh else frame
            viewer.fresh.discard(TAGS)
            if one:
                self.behind += not viewer.give(one)

    def _follow(self) -> None:
        """Another configuration: other rows."""
        running = now(self._host)
        if running is not self._running:
            self._running = running
            self._names = Names(running.table, self._names.revision + 1, running.meanings)
            self._windows.clear()
            self._unknown.clear()

    async def _topics(self, *, slowly: bool) -> None:
        """Everything else: at its own pace, and at once for those that have just come."""
        if slowly:
            self.end("session", lambda viewer: not self._still(viewer.who))
        wanted = {
            (topic, viewer.view.asset if topic == ASSET else "")
            for viewer in self.viewers.values()
            for topic in (viewer.view.topics if slowly else viewer.fresh & viewer.view.topics) - {TAGS}
        }
        self._unknown &= {viewer.view.asset for viewer in self.viewers.values()}
        for topic, asset in wanted:
            if topic != ASSET or asset not in self._unknown:
                await self._topic(topic, asset)

    async def _topic(self, topic: str, asset: str) -> None:
        try:
            found = event(topic, await self._sources[topic](asset))
        except Refused:
            self._unknown.add(asset)  # until another configuration; whoever asks for it by its address is told so
            return
        before, self._told[topic, asset] = self._told.get((topic, asset)), found
        for viewer in self.viewers.values():
            looks = topic in viewer.view.topics and (topic != ASSET or viewer.view.asset == asset)
            if looks and not viewer.over and (found != before or topic in viewer.fresh):
                viewer.fresh.discard(topic)
                self.behind += not viewer.give(found)


def event(name: str, data: bytes) -> bytes:
    """A server-sent event (WHATWG HTML, 9.2.5)."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
