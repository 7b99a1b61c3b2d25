"""Who may do what at the pages: the login, a wrong password, a user who may only look, a token."""

import pytest

from tests.console.browser.chromium import Browser, button
from tests.console.browser.conftest import Enter, choose, log_in
from tests.console.browser.plant import Plant
from tests.e2e.site import until

pytestmark = pytest.mark.slow

GIVEN = "a password that ann was told"


def test_a_wrong_password_is_told_and_lets_nobody_in(browser: Browser, site: Plant) -> None:
    page = browser.page(site.url)
    page.wait("main.login")
    page.shot("login")
    assert page.unreadable() == []
    log_in(page, "nobody", "wrong")
    page.until("p.bad", bool)
    page.shot("login-wrong")
    assert page.texts(".rail a") == []
    page.close("401")


def test_a_viewer_looks_and_may_not_act(enter: Enter, browser: Browser, site: Plant) -> None:
    admin = enter()
    admin.to("users")
    admin.click(button("Add a user"))
    admin.type("dialog input[name=user]", "ann")
    admin.type("dialog input[name=password]", GIVEN)
    admin.shot("users-add")
    admin.click(f"dialog {button('Add a user')}")
    admin.wait('tr[data-key="ann"]')
    page = browser.page(site.url)
    log_in(page, "ann", GIVEN)
    page.wait("input[name=fresh]")
    choose(page, GIVEN)
    assert "Users" not in page.texts(".rail a")
    assert "Support" not in page.texts(".rail a")
    page.to("alarms")
    page.wait('tr[data-key="press-hot"]')
    assert "Acknowledge" not in page.text('tr[data-key="press-hot"]')
    page.shot("alarms-viewer")
    page.click(button("Log out"))
    page.wait("input[name=user]")
    page.close()
    admin.click(f'tr[data-key="ann"] {button("Remove")}')
    admin.click(f"dialog {button('Remove')}")
    admin.gone('tr[data-key="ann"]')


@pytest.mark.timeout(240)
def test_a_server_is_trusted_and_no_longer(enter: Enter, site: Plant) -> None:
    page = enter()
    until(lambda: "trust" in site.site.part("device robot").get("why", ""), "the server is refused")
    page.to("certificates")
    page.click(button("Trust"))
    page.shot("certificate-question")
    assert page.unreadable() == []
    page.click(f"dialog {button('Trust')}")
    page.until("tbody", lambda text: "trusted" in text)
    page.shot("certificate-trusted")
    page.to("overview")
    until(lambda: site.site.reads("robot"), "the robot is read", within=90)
    page.wait('a.chip[href$="device=robot"]')
    page.to("certificates")
    page.click(button("Reject"))
    page.click(f"dialog {button('Reject')}")
    page.until("tbody", lambda text: "barred" in text)
    until(lambda: site.site.lost("robot"), "the robot is left", within=90)


def test_a_token_is_shown_once(enter: Enter) -> None:
    page = enter()
    page.to("users")
    page.click(button("Make a token"))
    page.type("dialog input[name=name]", "historian")
    page.click(f"dialog {button('Make a token')}")
    page.until(".notice .mono", bool)
    page.shot("token")
    assert page.unreadable() == []
    page.to("overview")
    page.to("users")
    page.until("tbody", bool)
    assert page.texts(".notice .mono") == []
