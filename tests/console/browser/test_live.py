"""Live tags: five thousand of them, five thousand updates a second, and only what is in sight is drawn."""

import re
import time

import pytest

from tests.console.browser.chromium import button
from tests.console.browser.conftest import Enter
from tests.console.browser.plant import DEVICES, REGISTERS

pytestmark = pytest.mark.slow

TAGS = DEVICES * REGISTERS
FEW = 120  # rows that are elements, at most


def figures(status: str) -> tuple[int, int]:
    """Tags and updates a second, as the page tells them."""
    total, rate = (int(text.replace(",", "")) for text in re.findall(r"[\d,]+", status))
    return total, rate


@pytest.mark.timeout(180)
def test_five_thousand_tags_at_five_thousand_updates_a_second(enter: Enter) -> None:
    page = enter()
    page.to("tags")
    status = page.until("p[role=status]", lambda text: text.count(",") >= 2, within=40)
    total, rate = figures(status)
    assert total >= TAGS
    assert rate >= 0.9 * TAGS
    assert 10 < len(page.texts(".vlong .vrow")) < FEW
    page.wait('.vrow[data-tag="farm-0.r1"]')
    value = '.vrow[data-tag="farm-0.r1"] .c-value'
    seen: set[str] = set()
    until = time.monotonic() + 10
    while time.monotonic() < until and len(seen) < 5:
        seen.add(page.text(value))
        time.sleep(0.2)
    assert len(seen) >= 5, f"{seen}: a tag that changes every second did not in ten"
    page.shot("tags-live")
    page.scroll(".vlist", 10_000_000)
    page.wait('.vrow[data-tag="press.t"]')
    assert len(page.texts(".vlong .vrow")) < FEW
    page.shot("tags-end")


def test_tags_are_searched_and_a_trend_is_drawn(enter: Enter) -> None:
    page = enter()
    page.to("tags")
    page.wait(".vrow[data-kind]")
    page.type("input[type=search]", "pump vibration")
    page.until("p[role=status]", lambda text: text.startswith("Tags: 1 "))
    page.until(".vlong .vrow:not([hidden]) .c-name", lambda text: text == "plc.pump_vibration")
    page.click('.vrow[data-tag="plc.pump_vibration"]')
    page.wait("aside.drawer canvas")
    page.until("aside.drawer dl", lambda text: "mm/s" in text)
    page.until('.vrow[data-tag="plc.pump_vibration"] .c-course', lambda _: True)
    page.wait('.vrow[data-tag="plc.pump_vibration"] .spark path')
    page.shot("tags-trend")
    assert page.unreadable() == []


def test_only_tags_of_a_quality_are_shown(enter: Enter) -> None:
    page = enter()
    page.to("tags")
    page.wait(".vrow[data-kind]")
    page.click(button("bad"))
    page.until(".vlong .vrow:not([hidden]) .c-name", lambda text: text == "robot.time")
    page.click(button("uncertain"))
    page.until("p[role=status]", lambda text: text.startswith("Tags: 0 "))
