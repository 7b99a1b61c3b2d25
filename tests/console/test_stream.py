"""The live stream: what is looked at and nothing else, encoded once, and whole again for whoever does not keep up."""

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import pytest

from gateway.console.rights import Refused, Role, Who
from gateway.console.stream import OF_ONE, QUEUE, Hub, View
from gateway.console.tags import Look, Window
from gateway.ingest.image import Image
from gateway.sdk import DeviceConfig, TagConfig, TagTable, quality
from gateway.sdk.testing import FakeClock
from gateway.stages.meaning import Meanings
from tests.console.plant import ADMIN, Page, Plant, until

OTTO = Who("otto", Role.VIEWER, csrf="x", key="otto")


class Scene:
    """A hub over one device with 20 tags, moved by hand."""

    def __init__(self, most: int = 10) -> None:
        self.running: Any = type("Running", (), {"former": None})()
        self.clock, self.documents, self.asked = FakeClock(), {"overview": b"{}", "asset": b"{}"}, Counter[str]()
        self.load(20)
        self.gone: set[str] = set()
        sources = {name: self._source(name) for name in ("overview", "alarms", "delivery", "asset")}
        self.hub = Hub(cast("Any", self), sources, lambda who: who.name not in self.gone, most)

    def load(self, tags: int) -> None:
        """Another configuration."""
        config = DeviceConfig(device="d", adapter="x", every=1.0, tags={f"t{i}": TagConfig() for i in range(tags)})
        self.running = type("Running", (), {"former": None})()
        self.running.table = TagTable.build([config])
        self.running.meanings = Meanings(self.running.table)
        self.running.pipeline = type("Pipeline", (), {"image": Image(self.running.table)})()
        self.image.value[:], self.image.status[:], self.image.time[:] = 0.0, quality.GOOD, 10**9

    @property
    def image(self) -> Image:
        return cast("Image", self.running.pipeline.image)

    def _source(self, name: str) -> Any:
        async def document(asset: str) -> bytes:
            self.asked[name + asset] += 1
            if asset == "none":
                raise Refused(404, "unknown", "there is none")
            return self.documents.get(name, b"{}")

        return document

    def come(self, who: Who = OTTO, topics: str = "tags", **look: Any) -> Any:
        viewer = self.hub.come(who, View(frozenset(topics.split(",")), Look(**look), "bench"))
        assert self.events(viewer)[0][0] == "hello"
        return viewer

    def events(self, viewer: Any) -> list[tuple[str, dict[str, Any]]]:
        """What waits for one page."""
        found = []
        for one in viewer.take().decode().split("\n\n"):
            if one:
                name, _, data = one.partition("\ndata: ")
                found.append((name.removeprefix("event: "), json.loads(data)))
        return found

    def move(self, *rows: int) -> None:
        self.image.value[list(rows)] += 1.0
        self.image.time[list(rows)] += 10**9


def test_pages_that_look_at_the_same_share_one_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(most=30)
    encoded = Counter[str]()
    for name in ("whole", "_encoded"):
        inner = getattr(Window, name)

        def counted(self: Window, *given: Any, name: str = name, inner: Any = inner) -> bytes:
            encoded[name] += 1
            return cast("bytes", inner(self, *given))

        monkeypatch.setattr(Window, name, counted)
    pages = [scene.come(Who("otto", Role.VIEWER, key=f"{i % 2}"), limit=5) for i in range(29)]
    other = scene.come(offset=5, limit=5)
    scene.hub.tick()
    scene.move(2)
    encoded.clear()
    scene.hub.tick()
    assert encoded == {"_encoded": 1}
    assert all([event["rows"] for _, event in scene.events(page)] == [[0, 1, 2, 3, 4], [2]] for page in pages)
    assert [event["rows"] for _, event in scene.events(other)] == [[5, 6, 7, 8, 9]], "nothing of it has moved"


def test_a_page_that_does_not_keep_up_is_given_all_of_it_and_disturbs_nobody() -> None:
    scene = Scene()
    slow, quick = scene.come(limit=5), scene.come(limit=5)
    seen = []
    for _ in range(QUEUE + 5):
        scene.move(1)
        scene.hub.tick()
        seen += scene.events(quick)
    assert len(seen) == QUEUE + 5
    assert scene.hub.behind == 1
    assert len(slow.events) <= QUEUE
    events = [event for _, event in scene.events(slow)]
    assert events[0]["full"], "it begins with the truth"
    value = dict(zip(events[0]["rows"], events[0]["value"], strict=True))
    for event in events[1:]:
        value |= dict(zip(event["rows"], event["value"], strict=True))
    assert value[1] == scene.image.value[1]


def test_a_view_is_changed_without_another_stream_and_only_by_its_own_user() -> None:
    scene = Scene()
    page = scene.come(limit=5)
    scene.hub.tick()
    scene.events(page)
    with pytest.raises(Refused):
        scene.hub.turn(page.id, Who("eve", Role.ADMIN, csrf="y", key="eve"), lambda view: view)
    scene.hub.turn(page.id, OTTO, lambda view: View(view.topics, Look(offset=10, limit=2)))
    scene.hub.tick()
    [(name, event)] = scene.events(page)
    assert (name, event["full"], event["rows"]) == ("tags", True, [10, 11])


def test_another_configuration_is_shown_from_the_next_tick_on() -> None:
    scene = Scene()
    page = scene.come(limit=500)
    scene.hub.tick()
    scene.events(page)
    scene.load(7)
    scene.hub.tick()
    [(_, event)] = scene.events(page)
    assert (event["full"], event["revision"], event["total"]) == (True, 2, 7)


async def test_documents_are_made_once_for_all_and_only_sent_when_they_have_changed() -> None:
    scene = Scene()
    pages = [scene.come(topics="overview,asset") for _ in range(3)]
    for slowly in (True, True):
        await scene.hub._topics(slowly=slowly)
    assert scene.asked == {"overview": 2, "assetbench": 2}
    assert all(sorted(name for name, _ in scene.events(page)) == ["asset", "overview"] for page in pages)
    scene.documents["overview"] = b'{"changed": true}'
    late = scene.come(topics="overview")
    await scene.hub._topics(slowly=True)
    assert [scene.events(page) for page in (*pages, late)] == [[("overview", {"changed": True})]] * 4
    lost = scene.hub.come(OTTO, View(frozenset({"asset"}), Look(), "none"))
    await scene.hub._topics(slowly=True)
    assert len(lost.events) == 1, "an asset that is none says nothing"


async def test_a_page_whose_login_has_ended_is_told_so_and_let_go() -> None:
    scene = Scene()
    page, other = scene.come(), scene.come(Who("anna", Role.VIEWER, csrf="z", key="anna"))
    scene.gone.add("otto")
    await scene.hub._topics(slowly=True)
    stream = scene.hub.events(page)
    assert [one async for one in stream] == [b'event: bye\ndata: {"reason":"session"}\n\n']
    assert list(scene.hub.viewers.values()) == [other]


async def test_pages_are_bounded_and_one_that_has_gone_makes_room() -> None:
    scene = Scene(most=1)
    page = scene.hub.come(OTTO, View(frozenset({"tags"}), Look()))
    with pytest.raises(Refused) as error:
        scene.come()
    assert error.value.status == 429
    stream = cast("Any", scene.hub.events(page))
    assert b"hello" in await anext(stream)
    await stream.aclose()
    scene.come()


def test_one_login_does_not_take_the_places_of_all_others_and_who_is_sent_away_has_none() -> None:
    scene = Scene(most=100)
    for _ in range(OF_ONE):
        scene.come()
    with pytest.raises(Refused) as error:
        scene.come()
    assert error.value.status == 429
    scene.come(Who("anna", Role.VIEWER, csrf="z", key="anna"))
    scene.hub.end("session", lambda viewer: viewer.who == OTTO)
    assert [viewer.who.name for viewer in scene.hub.viewers.values()] == ["anna"]
    scene.come()


async def test_an_asset_that_is_none_is_asked_for_once_until_another_configuration() -> None:
    scene = Scene()
    lost = scene.hub.come(OTTO, View(frozenset({"asset"}), Look(), "none"))
    for slowly in (False, False, True, True):
        await scene.hub._topics(slowly=slowly)
    assert scene.asked == {"assetnone": 1}
    scene.load(7)
    scene.hub.tick()
    await scene.hub._topics(slowly=True)
    assert scene.asked == {"assetnone": 2}
    scene.hub.turn(lost.id, OTTO, lambda view: View(view.topics, view.look, "bench"))
    await scene.hub._topics(slowly=False)
    assert scene.asked == {"assetnone": 2, "assetbench": 1}
    assert not scene.hub._unknown


async def test_a_silent_page_waits_and_is_woken() -> None:
    scene = Scene()
    page = scene.hub.come(OTTO, View(frozenset({"tags"}), Look()))
    stream = cast("Any", scene.hub.events(page))
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    scene.hub.tick()
    assert b"event: tags" in await asyncio.wait_for(waiting, 5.0)
    await stream.aclose()


# -- through a whole gateway -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def admin(plant: Plant) -> Page:
    return plant.admin()


def test_a_stream_shows_what_the_tags_do(admin: Page) -> None:
    seen: dict[int, set[float]] = {}
    with contextlib.closing(admin.events("/stream?topics=tags,alarms&limit=2")) as events:
        name, hello = next(events)
        assert (name, set(hello)) == ("hello", {"id", "tick"})
        for name, event in events:
            if name == "tags":
                for row, value in zip(event["rows"], event["value"], strict=True):
                    seen.setdefault(row, set()).add(value)
            if min((len(values) for values in seen.values()), default=0) >= 5:
                break
        assert sorted(seen) == [0, 1]
        assert admin.ask("PUT", f"/stream/{hello['id']}", {"search": "bench.c"}).status == 204
        whole = next(event for name, event in events if name == "tags" and event["full"] and event["total"] == 1)
        assert whole["names"] == ["bench.c"]
        alarms = admin.ask("PUT", f"/stream/{hello['id']}", {"topics": ["alarms"]})
        assert alarms.status == 204
        assert next(event for name, event in events if name == "alarms")["figures"]
    assert admin.get("/stream?topics=nothing").status == 400
    assert admin.raw("HEAD", "/api/v1/stream").headers["content-type"].startswith("text/event-stream")


def test_a_stream_ends_with_its_login(plant: Plant, admin: Page) -> None:
    page = plant.user("viewer", admin)
    events = page.events("/stream?topics=alarms")
    assert next(events)[0] == "hello"
    assert page.post("/logout").status == 204
    assert [event for name, event in events if name == "bye"] == [{"reason": "session"}]


def test_thirty_pages_are_served_at_once_and_told_of_the_end(own: Plant) -> None:
    own.start()
    own.admin()
    pages = [own.page(), own.page()]
    assert [page.login("admin", ADMIN).status for page in pages] == [200, 200]
    counts, byes, guard = Counter[int](), list[dict[str, Any]](), threading.Lock()

    def watch(number: int, events: Iterator[tuple[str, dict[str, Any]]]) -> None:
        for name, event in events:
            with guard:
                counts[number] += name == "tags"
                byes.extend([event] if name == "bye" else [])

    threads = []
    for number in range(30):
        events = pages[number % 2].events(f"/stream?topics=tags,overview,alarms&offset={number % 3}")
        threads.append(threading.Thread(target=watch, args=(number, events), daemon=True))
        threads[-1].start()
    until(lambda: len(counts) == 30 and min(counts.values()) >= 8, "every page sees the tags move")
    assert pages[0].get("/overview").status == 200
    began = time.monotonic()
    assert own.stop() == 0
    assert time.monotonic() - began < 5.0
    for thread in threads:
        thread.join(5.0)
    assert byes == [{"reason": "restart"}] * 30
