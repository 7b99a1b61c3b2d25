"""Editor help by a real language server: what could stand here, what is wrong, and no complaint of what is right."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.editor import Editor, editor, install

CONFIG = Path(__file__).parents[2] / "config"
HEAD = "# yaml-language-server: $schema=../schema/{}.json\n"
DEVICE = HEAD.format("devices") + "device: a\nadapter: modbus\nconnect: tcp://x\ntags:\n  t:\n    at: 7\n    \n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an operator has after copying the samples."""
    home = tmp_path_factory.mktemp("editor") / "fieldgate"
    shutil.copytree(CONFIG, home)
    for sample in (home / "devices.d").glob("*.sample"):
        sample.rename(sample.with_suffix(""))
    return home


@pytest.fixture(scope="module")
def edit(home: Path) -> Iterator[Editor]:
    if reason := install():
        pytest.skip(f"yaml-language-server: {reason}")
    with editor(home) as found:
        yield found


def test_a_key_of_a_device_is_offered_with_its_sentence(edit: Editor, home: Path) -> None:
    path = home / "devices.d/a.yaml"
    edit.open(path, DEVICE)
    offered = edit.completion(path, 1, 0)
    assert {"timeout", "max_registers", "use", "for"} <= offered.keys()
    assert "url" not in offered, "of another adapter"
    assert "How long an answer may take" in str(offered["timeout"])


def test_a_key_of_a_tag_is_offered(edit: Editor, home: Path) -> None:
    path = home / "devices.d/b.yaml"
    edit.open(path, DEVICE)
    assert {"type", "scale", "deadband", "write"} <= edit.completion(path, 7, 4).keys()


def test_a_wrong_unit_is_told_in_words(edit: Editor, home: Path) -> None:
    [wrong] = edit.open(home / "devices.d/c.yaml", DEVICE.replace("tags:", "every: 5parsec\ntags:"))
    assert wrong["message"] == "a duration is a number with a unit: 200ms, 1s, 5min, 2h, 1d, 1w"
    assert wrong["range"]["start"] == {"line": 4, "character": 7}


def test_what_is_wrong_in_the_second_document_is_told(edit: Editor, home: Path) -> None:
    second = DEVICE.replace("device: a", "device: b").replace("at: 7", "at: 7\n    deadband: none")
    [wrong] = edit.open(home / "devices.d/d.yaml", f"{DEVICE}---\n{second}")
    assert wrong["range"]["start"]["line"] == 16


def test_fieldgate_yaml_is_known_too(edit: Editor, home: Path) -> None:
    text = "# yaml-language-server: $schema=schema/fieldgate.json\ngateway: {id: a}\noutbox: {budget: 64}\n\n"
    [wrong] = edit.open(home / "other.yaml", text)
    assert wrong["range"]["start"]["line"] == 2
    assert {"mqtt", "assets", "log"} <= edit.completion(home / "other.yaml", 3, 0).keys()


def test_a_template_may_say_a_part_and_not_a_wrong_one(edit: Editor, home: Path) -> None:
    path = home / "templates/part.yaml"
    text = HEAD.format("templates") + "parameters: {unit: 1}\nadapter: modbus\n"
    assert edit.open(path, text + "timeout: ${unit}\n") == []
    [wrong] = edit.open(home / "templates/wrong.yaml", text + "timeout: 3\n")
    assert wrong["range"]["start"]["line"] == 3
    wrong, *_ = edit.open(
        home / "templates/asset.yaml", HEAD.format("templates") + "tags: [a.b]\nalarm: {severity: 1}\n"
    )
    assert wrong["range"]["start"]["line"] == 2


def test_no_sample_is_complained_of(edit: Editor, home: Path) -> None:
    samples = [home / "fieldgate.yaml", *(home / "devices.d").iterdir(), *(home / "templates").rglob("*.yaml")]
    assert len(samples) >= 6
    assert {path.name: edit.open(path, path.read_text()) for path in samples} == {path.name: [] for path in samples}
