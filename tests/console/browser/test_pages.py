"""Every page, by a click on its name: in both themes and languages, on a desk and on a phone, for everybody's eyes."""

import pytest

from tests.console.browser.chromium import PHONE, button
from tests.console.browser.conftest import Enter

pytestmark = pytest.mark.slow

PAGES = (
    "overview", "alarms", "assets", "tags", "why", "delivery", "config", "certificates", "logs", "support", "users",
)  # fmt: skip
SHOWN = {
    "overview": ".tile", "alarms": "tr[data-key]", "assets": "tr[data-key]", "tags": ".vrow[data-kind]",
    "why": "button.chip", "delivery": ".way li", "config": "table.values tr[data-key]", "certificates": "tr[data-key]",
    "logs": ".logline", "support": "button.first", "users": "tr[data-key]",
}  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.timeout(240)
def test_every_page_is_shown_and_hinders_nobody(enter: Enter, theme: str) -> None:
    page = enter(theme=theme)
    for name in PAGES:
        page.to(name)
        page.wait(SHOWN[name])
        page.shot(f"{name}-{theme}")
        assert page.unreadable() == [], name


def test_every_page_speaks_chinese(enter: Enter) -> None:
    page = enter(language="zh-CN")
    for name in PAGES:
        page.to(name)
        page.wait(SHOWN[name])
        page.shot(f"{name}-chinese")
    assert page.texts(".rail a")[:2] == ["总览", "报警"]


@pytest.mark.timeout(240)
def test_every_page_fits_a_phone(enter: Enter) -> None:
    page = enter(size=PHONE)
    for name in PAGES:
        page.click("button.menu")
        page.to(name)
        page.wait(SHOWN[name])
        page.shot(f"{name}-phone")
        assert page.overflow() <= 0, name
        assert page.unreadable() == [], name


def test_the_theme_and_the_language_are_chosen_and_kept(enter: Enter) -> None:
    page = enter()
    page.click(".tools button.icon")
    page.wait('html[data-theme="light"]')
    page.click(".tools button.icon")
    page.wait('html[data-theme="dark"]')
    page.type(".tools select", "zh-CN")
    page.wait('html[lang="zh-CN"]')
    assert page.text('.rail a[data-key="overview"]') == "总览"


def test_the_keyboard_is_enough(enter: Enter) -> None:
    page = enter()
    page.press("Tab")
    page.press("Enter")  # the skip link leads to the page
    page.wait("main:focus")
    page.to("tags")
    page.wait(".vrow[data-kind]")
    page.focus(".vlist")
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.press(key)
    page.wait("aside.drawer canvas")
    page.press("Escape")
    page.gone("aside.drawer")


def test_the_log_is_filtered(enter: Enter) -> None:
    page = enter()
    page.to("logs")
    page.wait(".logline")
    page.type("input[type=search]", "no such word")
    page.wait(".log .empty")
    page.type("input[type=search]", "broker")
    page.until(".logline", lambda text: "broker connected" in text)
    page.click(button("error"))
    page.wait(".log .empty")


def test_a_support_bundle_is_made_and_downloaded(enter: Enter) -> None:
    page = enter()
    page.to("support")
    page.click(button("Make and download"))
    page.until(".panel dl dt", lambda text: text.endswith(".tar.gz"))
    page.shot("support-made")
