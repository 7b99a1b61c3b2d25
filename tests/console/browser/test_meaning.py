"""What a server says of its values stands beside the numbers: the text of a state, the unit of a measurement."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.rig import free_port
from tests.console.browser.chromium import Browser
from tests.console.browser.conftest import log_in
from tests.console.paths import admin_of
from tests.console.plant import ADMIN
from tests.e2e.site import Site
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import start_asyncua

TAGS: dict[str, Any] = {
    "temp": {"node": f"nsu={URI};s=Boiler.Temperature"},
    "colour": {"node": f"nsu={URI};s=Colour"},
}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The console of a gateway that reads such a server."""
    port = free_port()
    device = {"device": "boiler", "adapter": "opcua", "connect": f"opc.tcp://127.0.0.1:{port}", "tags": TAGS}
    assets = {"kettle": {"tags": ["boiler.temp", "boiler.colour"]}}
    with start_asyncua(port), Site(tmp_path, [device], assets=assets, console={"listen": "127.0.0.1:0"}) as site:
        site.start()
        yield admin_of(site.state).parts.geturl()


def test_a_state_has_its_text_and_a_measurement_its_unit(browser: Browser, url: str) -> None:
    page = browser.page(url)
    log_in(page, "admin", ADMIN)
    page.wait(".rail a")
    page.to("tags")
    page.until('.vrow[data-tag="boiler.colour"] .c-unit', lambda text: text == "green")
    page.until('.vrow[data-tag="boiler.temp"] .c-unit', lambda text: text == "°C")
    assert page.text('.vrow[data-tag="boiler.colour"] .c-value') == "1"
    page.shot("tags-meaning")
    page.click('.vrow[data-tag="boiler.colour"]')
    page.until("aside.drawer dl", lambda text: "1 green" in text)
    page.press("Escape")
    page.to("assets")
    page.click('a[href="#/assets/kettle"]')
    page.until("table td .unit", lambda text: text in ("green", "°C"))
    assert set(page.texts("table td .unit")) >= {"green", "°C"}
    page.shot("asset-meaning")
    page.close()
