"""Which configuration runs is known by its number, and files that say something else are noticed."""

import asyncio
from pathlib import Path

import pytest

from gateway.config.load import Configuration, load
from gateway.state.configurations import Configurations, Record
from gateway.state.edition import EVERY, Edition, differs
from tests.config.tables import Models

DEVICE = "device: press\nadapter: server\nurl: opc.tcp://x\ntags: {t: {node: i=1}}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "fieldgate.yaml").write_text("gateway: {id: a}\n")
    (tmp_path / "devices.d/press.yaml").write_text(DEVICE)
    return tmp_path


def read(home: Path) -> Configuration:
    return load(home / "fieldgate.yaml", Models())


def test_before_anything_is_known_nothing_is_said() -> None:
    edition = Edition()
    assert (edition.document(), list(edition.samples())) == (None, [])


def look(edition: Edition, configuration: Configuration, kept: Configurations, times: int = 1) -> None:
    async def often() -> None:
        for _ in range(times):
            await edition.look(configuration, kept)

    asyncio.run(often())


def test_it_is_the_one_in_the_history_with_these_files(home: Path, tmp_path: Path) -> None:
    kept, edition = Configurations(tmp_path / "state"), Edition()
    first = read(home)
    look(edition, first, kept)
    assert edition.now is not None
    assert (edition.now.number, edition.now.since) == (0, 0.0), "it could not be kept"
    record = kept.keep(first.content, Record(0, "", 1000.0))
    (home / "fieldgate.yaml").write_text("gateway: {id: b}\n")
    kept.keep(read(home).content, Record(0, "", 2000.0))
    look(edition, again := read(home), kept)
    assert (edition.now.number, edition.now.since, edition.now.digest == record.digest) == (2, 2000.0, False)
    assert {sample.name: sample.value for sample in edition.samples()} == {
        "configuration_info": 1, "configuration_since_seconds": 2000.0, "configuration_differs": 0.0,
    }  # fmt: skip
    (home / "fieldgate.yaml").write_text("gateway: {id: c}\n")
    look(edition, again, kept, times=EVERY)
    assert edition.now.differs, "the files were changed while it runs"


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("devices.d/press.yaml", DEVICE + "# a comment\n", True),
        ("devices.d/new.yaml", DEVICE, True),
        ("devices.d/press.yaml", None, True),
        ("devices.d/.hidden.yaml", DEVICE, False),
        ("devices.d/press.yaml~", DEVICE, False),
        ("templates/unused.yaml", "x: 1\n", False),
        ("devices.d/press.yaml", DEVICE, False),
    ],
)
def test_what_counts_as_other_files(home: Path, name: str, text: str | None, wanted: bool) -> None:
    runs = read(home)
    if text is None:
        (home / name).unlink()
    else:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text)
    assert differs(home, runs.content) is wanted
