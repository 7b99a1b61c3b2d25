"""One plant and one browser for all tests of the pages; the first password is changed by the first who logs in."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.console.browser.chromium import Browser, Page, missing
from tests.console.browser.plant import PASSWORD, Plant, plant

Enter = Callable[..., Page]


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the screenshots are kept: $FIELDGATE_SCREENSHOTS, else a folder of this run."""
    folder = Path(os.environ.get("FIELDGATE_SCREENSHOTS") or tmp_path_factory.getbasetemp() / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser(shots: Path) -> Iterator[Browser]:
    if reason := missing():
        pytest.skip(f"the pages need a browser: {reason}")
    one = Browser(shots)
    yield one
    one.stop()


@pytest.fixture(scope="session")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """The plant, with its first password changed in the browser."""
    with plant(tmp_path_factory.mktemp("plant")) as one:
        user, first = one.first
        page = browser.page(one.url)
        log_in(page, user, first)
        page.wait("input[name=fresh]")
        page.shot("login-first-password")
        choose(page, first)
        page.close()
        yield one


@pytest.fixture
def enter(browser: Browser, site: Plant) -> Iterator[Enter]:
    """Pages of somebody who is logged in, the admin unless told; each is closed, and has told of no error."""
    opened: list[Page] = []

    def one(user: str = "admin", **how: Any) -> Page:
        page = browser.page(site.url, **how)
        opened.append(page)
        log_in(page, user, PASSWORD)
        page.wait(".rail a")
        return page

    yield one
    for page in opened:
        page.close()


def log_in(page: Page, user: str, password: str) -> None:
    page.type("input[name=user]", user)
    page.type("input[name=password]", password)
    page.click("button[type=submit]")


def choose(page: Page, old: str) -> None:
    """Choose a password of one's own in place of one that somebody else has made."""
    page.type("input[name=old]", old)
    page.type("input[name=fresh]", PASSWORD)
    page.type("input[name=again]", PASSWORD)
    page.click("button[type=submit]")
    page.wait(".rail a")
