"""Safe mode as a browser shows it: readable in both languages, in light and dark, at a desk and on a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gateway.ops import safemode
from gateway.ops.safepage import Shown
from gateway.ops.starts import Starts
from tests.console.browser.chromium import DESK, PHONE, Browser

WORDS = "ImportError: libusb-1.0.so.0: cannot open shared object file: No such file or directory (adapter.py:31)"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Where the page is."""
    starts = Starts(tmp_path, "boot")
    starts.record.errors = [WORDS] * 5
    files = {str(tmp_path / "devices.d" / "pump-7.yaml"): "another"}
    starts.record.good = {"version": "0.0.9", "gateway": "line-3", "files": files}
    Shown("http://127.0.0.1:0/").leave(tmp_path)
    server = safemode._page_server(safemode.document_of(starts), tmp_path, structlog.get_logger())
    assert server is not None
    yield server.url
    server.stop()


@pytest.mark.parametrize(("theme", "size"), [("light", DESK), ("dark", DESK), ("light", PHONE)])
def test_the_page_is_readable(browser: Browser, url: str, theme: str, size: tuple[int, int]) -> None:
    page = browser.page(f"{url}alarms", theme=theme, size=size)
    assert "line-3 is in safe mode" in page.text("h1")
    assert page.texts("h2") == ["Why", "What runs", "What to do", "原因", "正在运行什么", "怎么办"]
    assert page.texts("ul li").count(f"{WORDS} (5 times)") == 2
    assert page.overflow() <= 0
    assert page.unreadable() == []
    page.shot(f"safe-mode-{theme}-{size[0]}")
    page.close()
