"""The samples are proven: they load, their commented lines are the defaults, none is left out, the schema is fresh."""

import json
import re
import shutil
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.__main__ import main
from gateway.config.load import Configuration, load
from gateway.config.schema import Root
from gateway.ingest.registry import Registry

CONFIG = Path(__file__).parents[2] / "config"
OPTION = re.compile(r"^(\s*)# ?(?=\s*(?:# )?(?!yaml-language-server)[a-z][\w-]*:(?: |$))", re.MULTILINE)

SECRET = "c4n4ry-press"
SHOWN = re.compile(r"^`([\w./@-]+)`\n\n```(?:yaml|csv)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def uncommented(text: str) -> str:
    """The sample with every option written out; examples are commented twice."""
    return OPTION.sub(r"\1", OPTION.sub(r"\1", text))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What an operator has after copying the samples."""
    (tmp_path / "devices.d").mkdir()
    for sample in (CONFIG / "devices.d").glob("*.sample"):
        (tmp_path / "devices.d" / sample.stem).write_text(sample.read_text())
    shutil.copytree(CONFIG / "templates", tmp_path / "templates")
    (tmp_path / "press-2").write_text(SECRET)
    return tmp_path


def read(home: Path, text: str) -> Configuration:
    (home / "fieldgate.yaml").write_text(text)
    return load(home / "fieldgate.yaml", Registry().models(), environ={"CREDENTIALS_DIRECTORY": str(home)})


def unset(table: BaseModel) -> list[str]:
    """The options of `table` and of the tables in it that are not written out."""
    found = [
        f"{type(table).__name__}.{name}" for name in type(table).model_fields if name not in table.model_fields_set
    ]
    for value in (getattr(table, name) for name in type(table).model_fields):
        inner = [value, *value.values()] if isinstance(value, dict) else [value]
        found += [name for part in inner if isinstance(part, BaseModel) for name in unset(part)]
    return found


def test_the_samples_load_together_as_they_are(home: Path) -> None:
    found = read(home, (CONFIG / "fieldgate.yaml").read_text())
    feed = {"feed-spare", *(f"feed-{n:02}" for n in range(1, 13))}
    assert {device.device for device in found.devices} == {"pump-7", "press-2", "press-2-drive", *feed}
    assert not found.warnings
    assert not found.broken


def test_the_templates_make_what_they_promise(home: Path) -> None:
    main = "gateway: {id: a}\nassets:\n  a-${n:02}:\n    for: {n: 1..12}\n    use: watched-pump\n"
    found = read(home, main + '    with: {device: "feed-${n:02}"}\n')
    devices = {device.device: device for device in found.devices}
    assert devices["feed-12"].connection() == "10.0.5.12:502"
    assert set(devices["feed-01"].tags) == {"flow", "pressure", "motor_temp", "running"}
    assert set(devices["feed-spare"].tags) == {"flow", "pressure", "running", "level"}
    assert devices["feed-spare"].every == 5.0
    assert found.root.assets["a-07"].tags[0] == "feed-07.flow"


def test_check_prints_what_they_come_to_and_where_it_stands(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(home))
    (home / "fieldgate.yaml").write_text((CONFIG / "fieldgate.yaml").read_text())
    assert main(["check", "--expanded", "--config", str(home / "fieldgate.yaml")]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^connect: tcp://10\.0\.5\.12:502\?unit=1 +# templates/pump\.yaml:9$", text, re.MULTILINE)
    assert re.search(r"^    scale: 0\.01 +# templates/pump\.csv:3:5$", text, re.MULTILINE)
    assert re.search(r"^password: !secret press-2 +# devices\.d/press-2\.yaml:\d+$", text, re.MULTILINE)
    assert main(["check", "--expanded", "--json", "--config", str(home / "fieldgate.yaml")]) == 0
    machine = capsys.readouterr().out
    assert len(json.loads(machine)["expanded"]) == 17
    assert SECRET not in text + machine


def shown() -> dict[str, str]:
    """The files that docs/many-from-one.md shows, by name."""
    return dict(SHOWN.findall((CONFIG.parent / "docs/many-from-one.md").read_text()))


def test_the_examples_of_many_from_one_load(tmp_path: Path) -> None:
    for name, text in shown().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert {Path(name).name for name in shown()} >= {"pump@2.yaml", "pump.csv", "pumps.yaml", "mixers.yaml"}
    found = read(tmp_path, shown()["fieldgate.yaml"])
    devices = {device.device: device for device in found.devices}
    assert len(devices) == 203
    assert len(found.root.assets) == 200
    assert devices["pump-200"].tags["pressure"].range == (0.0, 16.0)
    assert set(devices["pump-north"].tags) == {"flow", "pressure", "level"}
    assert devices["mixer-b"].connection() == "10.0.7.20:502"
    assert not found.warnings


def test_every_commented_line_is_the_default(home: Path) -> None:
    root = read(home, uncommented((CONFIG / "fieldgate.yaml").read_text())).root
    assert root.mqtt
    bare = Root.model_validate(
        {
            "gateway": {"id": root.gateway.id},
            "mqtt": {"url": root.mqtt.url},
            "assets": {name: {"tags": asset.tags} for name, asset in root.assets.items()},
            "console": {"listen": root.console.listen},
        }
    )
    assert root.console.listen == "127.0.0.1:8480"
    assert root.model_dump() == bare.model_dump()


def test_no_option_is_left_out(home: Path) -> None:
    assert not unset(read(home, uncommented((CONFIG / "fieldgate.yaml").read_text())).root)


@pytest.mark.parametrize(
    ("file", "words"),
    [("fieldgate", ()), ("devices", ("--device",)), ("templates", ("--template",))],
)
def test_the_schemas_are_fresh(file: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", *words]) == 0
    fresh = capsys.readouterr().out
    assert (CONFIG / f"schema/{file}.json").read_text() == fresh, "run: python docs/generate.py"


def samples() -> list[Path]:
    """Every file that an operator copies and edits."""
    adapters = sorted((CONFIG.parent / "plugins").glob("*/sample.yaml"))
    return [*sorted((CONFIG / "devices.d").iterdir()), *sorted((CONFIG / "templates").rglob("*.yaml")), *adapters]


@pytest.mark.parametrize("sample", samples(), ids=lambda path: str(path.relative_to(CONFIG.parent)))
def test_the_first_line_names_the_schema(sample: Path) -> None:
    """An editor wants it in each document of a file."""
    name = "templates" if sample.is_relative_to(CONFIG / "templates") else "devices"
    line = f"# yaml-language-server: $schema=../schema/{name}.json\n"
    assert all(document.startswith(line) for document in sample.read_text().split("---\n"))
    assert (CONFIG / f"schema/{name}.json").is_file()
