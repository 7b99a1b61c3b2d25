"""Headless Chromium, driven by puppeteer-core (npm) through `driver.mjs`; axe-core (npm) judges what it shows."""

import contextlib
import itertools
import json
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests import npm

MODULES: Final = npm.folder("browser")
PACKAGES: Final = ("puppeteer-core@24.43.1", "axe-core@4.14.1")
WITHIN: Final = 60.0  # s for any one command
DESK, PHONE = (1440, 900), (390, 844)


def missing() -> str | None:
    """Why there is no browser, or None."""
    return npm.install(MODULES, *PACKAGES) if shutil.which("chromium") else "chromium is not installed"


class BrowserError(Exception):
    """What was asked of the browser did not come about; the message is the browser's."""


class Browser:
    """One browser; `shots` is the folder of its screenshots."""

    def __init__(self, shots: Path) -> None:
        self.shots, self._numbers = shots, itertools.count()
        command = ["node", str(Path(__file__).parent / "driver.mjs"), str(MODULES), str(shutil.which("chromium"))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answer()

    def tell(self, do: str, **command: Any) -> Any:
        """Have one thing done; its answer. Raises BrowserError."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **command}).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise BrowserError(f"{do} {command}: {answer['error']}")
        return answer["ok"]

    def page(self, url: str, theme: str = "light", language: str = "en", size: tuple[int, int] = DESK) -> "Page":
        """A page that knows nothing of others."""
        width, height = size
        number = next(self._numbers)
        self.tell("open", page=number, url=url, theme=theme, language=language, width=width, height=height)
        return Page(self, number, url)

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        finally:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], WITHIN)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            raise BrowserError(f"no answer within {WITHIN:.0f} s")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Page:
    """A page, by what a person does there and sees there. Selectors are puppeteer's."""

    def __init__(self, browser: Browser, number: int, url: str) -> None:
        self._browser, self._number, self.url = browser, number, url

    def _do(self, what: str, **more: Any) -> Any:
        try:
            return self._browser.tell(what, page=self._number, **more)
        except BrowserError:
            self.failed()
            raise

    def failed(self) -> None:
        """Keep a picture of what was there instead of what was waited for."""
        with contextlib.suppress(BrowserError):
            path = self._browser.shots / f"failed-{self._number}.png"
            self._browser.tell("shot", page=self._number, path=str(path))

    def click(self, selector: str) -> None:
        self._do("click", selector=selector)

    def to(self, name: str) -> None:
        """Go to another page of the console, by a click on its name."""
        self.click(f'.rail a[data-key="{name}"]')
        self.wait(f'.place[data-page="{name}"]')

    def type(self, selector: str, text: str) -> None:
        self._do("type", selector=selector, text=text)

    def press(self, key: str) -> None:
        self._do("press", key=key)

    def wait(self, selector: str) -> None:
        self._do("wait", selector=selector)

    def gone(self, selector: str) -> None:
        self._do("gone", selector=selector)

    def focus(self, selector: str) -> None:
        self._do("focus", selector=selector)

    def drag(self, selector: str) -> None:
        """Drag over the middle half of it."""
        self._do("drag", selector=selector)

    def scroll(self, selector: str, top: int) -> None:
        self._do("scroll", selector=selector, top=top)

    def text(self, selector: str) -> str:
        return str(self._do("text", selector=selector))

    def texts(self, selector: str) -> list[str]:
        return list(self._do("texts", selector=selector))

    def until(self, selector: str, condition: Callable[[str], Any], within: float = 45.0) -> str:
        """Wait until the text of an element is as `condition` wants it; that text."""
        deadline = time.monotonic() + within
        while not condition(text := (self.texts(selector) or [""])[0]):
            if time.monotonic() > deadline:
                self.failed()
                raise AssertionError(f"{selector} says {text!r} after {within:.0f} s")
            time.sleep(0.1)
        return text

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self._do("overflow"))

    def shot(self, name: str) -> None:
        """Keep a picture of it."""
        self._do("shot", path=str(self._browser.shots / f"{name}.png"))

    def unreadable(self) -> list[str]:
        """What is a serious or critical hindrance to somebody (WCAG, by axe-core)."""
        return list(self._do("axe"))

    def close(self, *expected: str) -> None:
        """Close it. No error was told in the browser's console but such as hold an `expected` word; no request left."""
        told = self._do("told")
        self._do("close")
        faults = [fault for fault in told["faults"] if not any(word in fault for word in expected)]
        assert not faults, faults
        own = urlsplit(self.url).netloc
        strange = [url for url in told["requests"] if urlsplit(url).netloc != own and not url.startswith("blob:")]
        assert not strange, strange


def button(name: str) -> str:
    """Selector of the button with this name."""
    return f'::-p-aria([name="{name}"][role="button"])'


def link(name: str) -> str:
    """Selector of the link with this name."""
    return f'::-p-aria([name="{name}"][role="link"])'
