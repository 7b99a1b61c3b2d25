"""A wheel with the documentation in it: as packages of ours have it, found by the command, served by the console."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.console.browser.chromium import Browser, missing
from tests.packaging.house import CLUTTER, ROOT, WITHIN, Environment, build, call, clean

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "manual"
    call(sys.executable, ROOT / "docs/site/build.py", out, cwd=out.parent)
    return out


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "checkout"
    return Path(shutil.copytree(ROOT, folder, ignore=CLUTTER))


@pytest.fixture(scope="module")
def wheel(site: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as packaging/wheels builds it."""
    return build(source, tmp_path_factory.mktemp("with-site"), FIELDGATE_SITE=str(site))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("manual") / "venv")
    environment.install(wheel)
    return environment


def test_the_site_is_in_the_wheel_and_the_wheel_is_the_same_again(
    site: Path, source: Path, wheel: Path, tmp_path: Path
) -> None:
    files = {path.relative_to(site).as_posix(): path for path in site.rglob("*") if path.is_file()}
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("gateway/manual/")}
        assert packed == {f"gateway/manual/{name}" for name in files}
        assert all(archive.read(f"gateway/manual/{name}") == path.read_bytes() for name, path in files.items())
    for path in files.values():
        os.utime(path, (1_650_000_000, 1_650_000_000))
    shutil.copytree(source, tmp_path / "elsewhere")
    again = build(tmp_path / "elsewhere", tmp_path / "out", FIELDGATE_SITE=str(site))
    assert again.read_bytes() == wheel.read_bytes()


def test_the_command_says_where_it_lies(installed: Environment) -> None:
    where, _ = installed.run("fieldgate", "docs").splitlines()
    index = Path(where.removeprefix("file://"))
    assert index.is_relative_to(installed.folder)
    assert "Fieldgate" in index.read_text()


@pytest.fixture(scope="module")
def console(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the console of an installed gateway answers."""
    folder = tmp_path_factory.mktemp("console")
    (folder / "devices.d").mkdir()
    (folder / "fieldgate.yaml").write_text("gateway: {id: a}\nconsole: {listen: 127.0.0.1:0}\n")
    words: list[str | Path] = [installed.folder / "bin/fieldgate", "run", "--state", folder / "state"]
    words += ["--config", folder / "fieldgate.yaml"]
    told = folder / "state/console-listen"
    with subprocess.Popen(words, cwd=folder, env=clean(), stderr=subprocess.DEVNULL) as daemon:
        until = time.monotonic() + WITHIN
        while not (told.is_file() and told.read_text()):
            assert daemon.poll() is None
            assert time.monotonic() < until, "the console does not listen"
            time.sleep(0.1)
        yield told.read_text()
        daemon.send_signal(signal.SIGTERM)


def test_the_console_serves_it_under_its_policy_and_the_search_works(console: str, tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(f"the pages need a browser: {reason}")
    browser = Browser(tmp_path)
    try:
        page = browser.page(f"{console}docs/")
        page.type(".pages input[name=q]", "sparkplug primary host")
        page.press("Enter")
        page.wait("#search-results li")
        page.click("#search-results li a")
        page.wait("main h1")
        page.close()
    finally:
        browser.stop()
