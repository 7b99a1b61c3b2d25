"""The configuration at the pages: what stands on disk is planned, taken up on trial, confirmed, or taken back."""

from pathlib import Path

import pytest

from tests.console.browser.chromium import button
from tests.console.browser.conftest import Enter
from tests.console.browser.plant import PRESS, Plant, rewrite

pytestmark = pytest.mark.slow

FILE = "devices.d/press.yaml"


def with_tag(site: Plant, *names: str) -> Path:
    """The press with more tags, on disk."""
    file = site.site.folder / FILE
    wave = {"wave": "constant", "mean": 1.0}
    rewrite(file, tags={**PRESS["tags"], **dict.fromkeys(names, wave)})
    return file


@pytest.mark.timeout(240)
def test_a_change_is_planned_applied_on_trial_and_confirmed(enter: Enter, site: Plant) -> None:
    page = enter()
    page.to("config")
    page.wait("table.values tr[data-key]")
    with_tag(site, "oil")
    page.click(button("Plan"))
    page.until(".change", lambda text: "press" in text)
    page.shot("config-plan")
    assert page.unreadable() == []
    page.click(button("Apply"))
    page.type("dialog select[name=confirm]", "60")
    page.shot("config-question")
    page.click(f"dialog {button('Apply')}")
    page.until(".count-down", lambda text: text.startswith("0:"), within=40)
    page.shot("config-trial")
    assert page.unreadable() == []
    page.click(button("Confirm"))
    page.gone(".count-down")
    page.click(button("History"))
    page.until("tbody tr", lambda text: "it runs" in text and "admin" in text)
    page.shot("config-history")
    page.to("tags")
    page.wait(".vrow[data-kind]")
    page.type("input[type=search]", "press.oil")
    page.until(".vlong .vrow:not([hidden]) .c-name", lambda text: text == "press.oil")


@pytest.mark.timeout(240)
def test_a_change_on_trial_is_taken_back(enter: Enter, site: Plant) -> None:
    page = enter()
    with_tag(site, "grease")
    page.to("config")
    page.click(button("Plan"))
    page.wait(".change")
    page.click(button("Apply"))
    page.click(f"dialog {button('Apply')}")
    page.wait(".count-down")
    page.click(button("Go back"))
    page.gone(".count-down")
    page.until("tbody tr, .change", bool)
    with_tag(site)


def test_what_is_wrong_on_disk_is_told(enter: Enter, site: Plant) -> None:
    page = enter()
    file = site.site.folder / FILE
    written = file.read_text()
    file.write_text(written.replace('"every"', '"each"'))
    try:
        page.to("config")
        page.until("pre.notice", lambda text: "each" in text)
        page.shot("config-wrong")
        assert page.unreadable() == []
    finally:
        file.write_text(written)
