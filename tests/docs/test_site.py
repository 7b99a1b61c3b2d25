"""The documentation as a site: whole, without a link that leads nowhere, the same every time, and read from a disk."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.console.browser.chromium import PHONE, Browser, missing

ROOT = Path(__file__).parents[2]
NEEDED = ("docs", "config/schema", "examples/subscriber.py", "plugins", "gateway/__init__.py",
          "gateway/console/static/icon.svg", "LICENSE", "NOTICE")  # fmt: skip
WITHIN = 100.0  # s; some 5 when nothing else runs

pytestmark = pytest.mark.timeout(300)


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, root / "docs/site/build.py", out]
    return subprocess.run(command, cwd=out.parent, capture_output=True, text=True, timeout=WITHIN, check=False)


def copied(to: Path, root: Path = ROOT) -> Path:
    """What the site is made of, in another place."""
    for name in (*NEEDED, *(path.name for path in root.glob("*.md"))):
        source, target = root / name, to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    return to


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout as it was when the site was made."""
    return copied(tmp_path_factory.mktemp("source") / "checkout")


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "manual"
    done = build(root, out)
    assert done.returncode == 0, done.stderr
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Seen(HTMLParser):
    """What a page leads to, loads and names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.names: set[str] = set()
        self.inline: list[str] = []
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._tag = tag if tag == "style" or (tag == "script" and "src" not in found) else ""
        self.inline += [name for name in found if name == "style" or name.startswith("on")]
        self.names |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif "href" in found or "src" in found:
            self.loads.append(found.get("href") or found["src"])

    def handle_data(self, data: str) -> None:
        if self._tag and data.strip():
            self.inline.append(self._tag)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Seen]:
    return {name: Seen(text.decode()) for name, text in files(site).items() if name.endswith(".html")}


def test_every_page_is_there_and_in_the_column_of_every_other(root: Path, site: Path, pages: dict[str, Seen]) -> None:
    written = [*root.glob("*.md"), *root.glob("plugins/*/README.md"), *(root / "docs").rglob("*.md")]
    names = {path.relative_to(root).with_suffix(".html").as_posix().removeprefix("docs/") for path in written}
    assert names == pages.keys() - {"search.html", "adr/index.html"}
    for name, page in pages.items():
        led = {os.path.normpath((site / name).parent / link.partition("#")[0]) for link in page.links}
        missing = {other for other in names if not other.startswith("adr/")} - {
            os.path.relpath(one, site) for one in led
        }
        assert missing <= {name}, name
    assert {link.partition("#")[0] for link in pages["adr/index.html"].links} >= {
        Path(name).name for name in names if name.startswith("adr/")
    }


def test_every_link_leads_to_a_page_and_a_place_on_it(site: Path, pages: dict[str, Seen]) -> None:
    astray = []
    for name, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            known = pages.get(os.path.relpath(target, site))
            if not target.is_file() or (parts.fragment and known and unquote(parts.fragment) not in known.names):
                astray.append((name, link))
    assert astray == []


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(site: Path, pages: dict[str, Seen]) -> None:
    assert {load for page in pages.values() for load in page.loads if urlsplit(load).scheme} == set()
    assert {name: page.inline for name, page in pages.items() if page.inline} == {}
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.search(r"@import|url\(\s*[\"']?(?!#|data:)", styles)


def test_the_same_pages_give_the_same_site_to_the_bit_wherever_they_lie(root: Path, site: Path, tmp_path: Path) -> None:
    done = build(copied(tmp_path / "elsewhere", root), tmp_path / "again")
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "again") == files(site)
    assert not [name for name, text in files(site).items() if str(root).encode() in text]


def test_a_link_that_leads_nowhere_and_a_page_without_a_place_make_no_site(root: Path, tmp_path: Path) -> None:
    spoilt = copied(tmp_path / "spoilt", root)
    glossary = spoilt / "docs/glossary.md"
    glossary.write_text(glossary.read_text() + "\n[astray](messages.md#no-such-heading) [gone](no-such-page.md)\n")
    (spoilt / "docs/lonely.md").write_text("# Lonely\n")
    done = build(spoilt, tmp_path / "out")
    assert done.returncode != 0
    for word in ("no-such-heading", "no-such-page.md", "lonely.md"):
        assert word in done.stderr


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if reason := missing():
        pytest.skip(f"the pages need a browser: {reason}")
    shots = Path(os.environ.get("FIELDGATE_SCREENSHOTS") or tmp_path_factory.mktemp("shots"))
    shots.mkdir(parents=True, exist_ok=True)
    one = Browser(shots)
    yield one
    one.stop()


def test_the_search_finds_a_word_from_a_disk(site: Path, browser: Browser) -> None:
    page = browser.page(f"file://{site}/index.html")
    page.type(".pages input[name=q]", "ballast")
    page.press("Enter")
    page.wait("#search-results li")
    found = page.texts("#search-results li")
    assert any("Every option" in one or "Configuration" in one for one in found), found
    page.shot("docs-search")
    page.click("#search-results li a")
    page.wait("nav.headings")
    page.until("main", lambda text: "ballast" in text.lower())
    page.close()


@pytest.mark.parametrize(("theme", "size"), [("light", (1440, 900)), ("dark", PHONE)])
@pytest.mark.parametrize("name", ["index", "operations", "plugins/gateway_modbus/README"])
def test_a_page_can_be_read_by_everybody(
    site: Path, browser: Browser, name: str, theme: str, size: tuple[int, int]
) -> None:
    page = browser.page(f"file://{site}/{name}.html", theme=theme, size=size)
    page.wait("main h1")
    page.shot(f"docs-{name.rpartition('/')[2]}-{theme}")
    assert page.unreadable() == []
    assert page.overflow() <= 0
    page.close("XMLHttpRequest at 'file:", "net::ERR_FAILED file:")  # of axe itself, which reads the styles


def test_the_index_of_the_search_is_there(site: Path) -> None:
    text = (site / "searchindex.js").read_text()
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    assert {"operations", "first-hour", "plugins/gateway_opcua/README"} <= set(index["docnames"])
