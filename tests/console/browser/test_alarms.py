"""An operator at the pages: a fault develops, its alarm is seen, acknowledged, shelved, and looked back at."""

import re

import pytest

from tests.console.browser.chromium import button
from tests.console.browser.conftest import Enter
from tests.console.browser.plant import Plant
from tests.e2e.site import until

pytestmark = pytest.mark.slow

ALARM = "press-hot"


def answer(page_button: str) -> str:
    """The button of the open question."""
    return f"dialog {button(page_button)}"


@pytest.mark.timeout(300)
def test_a_fault_develops_on_the_page_of_its_asset(enter: Enter, site: Plant) -> None:
    until(lambda: site.judged("exchanger"), "the exchanger has learnt", within=120)
    page = enter()
    page.to("assets")
    page.click('tr[data-key="exchanger"] a')
    page.wait(".chart canvas")
    site.machines.tell("fault clogged_filter on")
    try:
        page.until(".page .notice .strong", lambda text: text == "active, not acknowledged", within=60)
        page.until('tr[data-key="io.exchanger_pressure_drop"] td:nth-child(5)', lambda text: "%" in text)
        first = page.texts(".panel.span-12 tbody tr:first-child td:nth-child(2)")[0]
        assert first == "io.exchanger_pressure_drop"
        page.until('[data-part="head"]', lambda text: float((re.findall(r"score ([\d.]+)", text) or [0])[0]) > 5)
        assert len(page.texts(".chart canvas")) >= 3
        page.shot("asset-fault")
        assert page.unreadable() == []
        page.click(f".notice {button('Acknowledge')}")
        page.type("dialog input[name=comment]", "the filter is being changed")
        page.click(answer("Acknowledge"))
        page.until(".page .notice .strong", lambda text: text == "active, acknowledged")
        page.shot("asset-acknowledged")
        page.click(button("Real fault"))
        page.click(answer("Real fault"))
        page.until(".toast:last-child", lambda text: "fault is left for the gateway" in text)
    finally:
        site.machines.tell("fault clogged_filter off")


@pytest.mark.timeout(240)
def test_the_recording_is_looked_at_and_zoomed(enter: Enter, site: Plant) -> None:
    until(lambda: site.judged("pump"), "the pump has learnt", within=120)
    until(lambda: site.recorded("pump"), "it is recorded: once a minute", within=120)
    page = enter()
    page.to("assets")
    page.click('tr[data-key="pump"] a')
    page.until('[data-part="head"]', lambda text: "from memory" in text)
    page.click(button("24 h"))
    page.until('[data-part="head"]', lambda text: "from the recording" in text)
    page.drag(".chart .u-over")
    page.wait(button("Back to now"))
    page.wait(".chart canvas")
    page.shot("asset-recording")
    assert page.unreadable() == []
    page.click(button("Back to now"))
    page.gone(button("Back to now"))


@pytest.mark.timeout(180)
def test_an_alarm_is_acknowledged_shelved_and_comes_back(enter: Enter) -> None:
    page = enter()
    page.to("alarms")
    row = f'tr[data-key="{ALARM}"]'
    page.click(f"{row} {button('Acknowledge')}")
    page.type("dialog input[name=comment]", "seen")
    page.shot("alarm-question")
    assert page.unreadable() == []
    page.click(answer("Acknowledge"))
    page.until(f"{row} td:nth-child(3)", lambda text: text == "active, acknowledged")
    page.click(f"{row} {button('Shelve')}")
    page.type("dialog select[name=for]", "2h")
    page.type("dialog input[name=comment]", "a sensor is being changed")
    page.click(answer("Shelve"))
    page.until(f"{row} td:nth-child(5)", lambda text: text.startswith(("1 h 59", "2 h")))
    page.until(row, lambda text: "a sensor is being changed" in text)
    page.shot("alarm-shelved")
    page.click(f"{row} {button('Unshelve')}")
    page.click(answer("Unshelve"))
    page.until(f"{row} td:nth-child(3)", lambda text: text == "active, not acknowledged")
    page.click(button("History"))
    page.until("tbody", lambda text: "a sensor is being changed" in text)
    page.shot("alarm-history")
    assert page.unreadable() == []
    page.click(button("Figures"))
    page.wait('th[scope="row"]')
    page.shot("alarm-figures")
    assert page.unreadable() == []


def test_why_draws_the_way_of_an_alarm(enter: Enter) -> None:
    page = enter()
    page.to("why")
    page.type("input[name=name]", "press-hot")
    page.click(button("Ask"))
    page.until(".steps", lambda text: "the broker takes messages" in text)
    page.shot("why-way")
    assert page.unreadable() == []
