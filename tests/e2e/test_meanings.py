"""What a server says of its values goes wherever a value goes: console, alarm, broker, verbs; and over a reload."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bench.kill import Broker
from bench.rig import free_port
from tests.console.plant import ADMIN, Page
from tests.e2e.site import GATEWAY, Listener, Site, until
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import start_asyncua

SCHEMA = json.loads((Path(__file__).parents[2] / "config/schema/meta-1.json").read_text())
NODES = {"temp": "Boiler.Temperature", "colour": "Colour", "valve": "Valve"}
TEXTS = {"0": "red", "1": "green"}
RULE = {"tag": "boiler.colour", "above": 0.5, "alarm": {"on_delay": "4s"}}  # by then it is known
OTHER = {"device": "another", "adapter": "sim", "tags": {"x": {"description": "Not there before"}}}


@pytest.fixture(scope="module")
def site(place: Path, post: Broker, ear: Listener) -> Iterator[Site]:  # noqa: ARG001 - that hears it from the first word
    """A gateway that reads a server which says what its values mean; the files say next to nothing."""
    port = free_port()
    tags: dict[str, Any] = {name: {"node": f"nsu={URI};s={node}"} for name, node in NODES.items()}
    device = {"device": "boiler", "adapter": "opcua", "connect": f"opc.tcp://127.0.0.1:{port}", "tags": tags}
    root: dict[str, Any] = {
        "assets": {"kettle": {"tags": [f"boiler.{name}" for name in tags], "rules": {"lit": RULE}}},
        "console": {"listen": "127.0.0.1:0"},
    }
    with start_asyncua(port), Site(place, [device], post.port, **root) as one:
        yield one.start()


@pytest.fixture(scope="module")
def page(site: Site) -> Page:
    until((site.state / "console-listen").is_file, "the console listens")
    page = Page((site.state / "console-listen").read_text())
    first = (site.state / "console-password").read_text().split()[1]
    assert page.login("admin", first).status == 200
    assert page.post("/password", {"old": first, "new": ADMIN}).status == 204
    assert page.login("admin", ADMIN).status == 200
    return page


def retained(post: Broker, device: str) -> dict[str, Any]:
    """What somebody who comes now is told of a device; empty where that is nothing."""
    late = Listener(post.port, f"late {time.monotonic_ns()}")
    try:
        topic = f"fieldgate/{GATEWAY}/meta/{device}"
        found = [body for at, body in list(late.heard) if at == topic and body]
    finally:
        late.stop()
    return dict(json.loads(found[-1])) if found else {}


def tags(page: Page) -> dict[str, tuple[str, str]]:
    """Unit and text of each tag, as the console shows them."""
    found = page.get("/tags").json
    named = zip(found["rows"], found["names"], found["units"], strict=True)
    return {name: (unit, found["texts"].get(str(row), "")) for row, name, unit in named}


WANTED = {"boiler.temp": ("°C", ""), "boiler.colour": ("", "green"), "boiler.valve": ("", "open")}


@pytest.mark.usefixtures("site")
def test_whoever_comes_late_is_told_what_the_values_mean(post: Broker) -> None:
    told = until(
        lambda: (one := retained(post, "boiler")).get("metadata", {}).get("boiler.valve") and one, "it is told"
    )
    jsonschema.validate(told, SCHEMA)
    assert told["metadata"] == {
        "boiler.temp": {"unit": "°C", "range": [0.0, 100.0]},
        "boiler.colour": {"texts": TEXTS},
        "boiler.valve": {"texts": {"0": "shut", "1": "open"}},
    }


def test_the_console_shows_unit_and_text_beside_the_number(page: Page) -> None:
    until(lambda: tags(page) == WANTED, "they are known")
    asset = {one["tag"]: (one["unit"], one["text"]) for one in page.get("/assets/kettle").json["tags"]}
    assert asset == WANTED
    until(lambda: page.get("/tags/boiler.colour/trend").json["text"] == "green", "its past is there")
    assert page.get("/tags/boiler.temp/trend").json["unit"] == "°C"
    assert page.get("/assets/kettle/trend").json["tags"]["boiler.temp"]["unit"] == "°C"


def test_an_alarm_and_the_verbs_say_it(site: Site, ear: Listener) -> None:
    [alarm] = until(lambda: ear.told("alarm", asset="kettle-lit", state="active-unacknowledged"), "the alarm")
    [first] = alarm["contributions"]
    assert (first["tag"], first["value"], first["text"]) == ("boiler.colour", 1.0, "green")
    assert "boiler.colour is 1 (green); its rule says" in alarm["message"]
    assert "boiler.colour is good: 1 (green)" in site.get("/why?name=boiler.colour")[1]
    shown = {one["tag"]: (one["unit"], one.get("text", "")) for one in json.loads(site.verb("read", "--json").stdout)}
    assert shown == WANTED


def test_after_a_reload_it_holds_for_the_same_tags_on_other_rows(site: Site, page: Page, post: Broker) -> None:
    files = site.folder / "devices.d"
    (files / "another.yaml").write_text(json.dumps(OTHER))
    assert site.verb("apply", "--state", str(site.state)).returncode == 0
    until(lambda: "another.x" in tags(page), "it runs")
    assert {name: one for name, one in tags(page).items() if name != "another.x"} == WANTED
    assert "(green)" in site.get("/why?name=boiler.colour")[1]
    until(lambda: retained(post, "another").get("metadata"), "of the new device is told, too")
    (files / "another.yaml").unlink()
    assert site.verb("apply", "--state", str(site.state)).returncode == 0
    until(lambda: not retained(post, "another"), "and not any more when it is gone")
    assert retained(post, "boiler")["metadata"]["boiler.colour"] == {"texts": TEXTS}
