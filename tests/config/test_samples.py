"""The samples are proven: they load, their commented lines are the defaults, none is left out, the schema is fresh."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.config.jsonschema import main_schema
from gateway.config.load import Configuration, load
from gateway.config.schema import Root
from gateway.ingest.registry import Registry

CONFIG = Path(__file__).parents[2] / "config"
OPTION = re.compile(r"^(\s*)# ?(?=\s*(?:# )?(?!yaml-language-server)[a-z][\w-]*:(?: |$))", re.MULTILINE)


def uncommented(text: str) -> str:
    """The sample with every option written out; examples are commented twice."""
    return OPTION.sub(r"\1", OPTION.sub(r"\1", text))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What an operator has after copying the samples."""
    (tmp_path / "devices.d").mkdir()
    for sample in (CONFIG / "devices.d").glob("*.sample"):
        (tmp_path / "devices.d" / sample.stem).write_text(sample.read_text())
    (tmp_path / "press-2").write_text("x")
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
    assert {device.device for device in found.devices} == {"pump-7", "press-2", "press-2-drive"}
    assert not found.warnings
    assert not found.broken


def test_every_commented_line_is_the_default(home: Path) -> None:
    root = read(home, uncommented((CONFIG / "fieldgate.yaml").read_text())).root
    assert root.mqtt
    bare = Root.model_validate(
        {
            "gateway": {"id": root.gateway.id},
            "mqtt": {"url": root.mqtt.url},
            "assets": {name: {"tags": asset.tags} for name, asset in root.assets.items()},
        }
    )
    assert root.model_dump() == bare.model_dump()


def test_no_option_is_left_out(home: Path) -> None:
    assert not unset(read(home, uncommented((CONFIG / "fieldgate.yaml").read_text())).root)


def test_the_schema_is_fresh() -> None:
    fresh = json.dumps(main_schema(), indent=2, ensure_ascii=False) + "\n"
    assert (CONFIG / "schema/fieldgate.json").read_text() == fresh, (
        "run: fieldgate schema > config/schema/fieldgate.json"
    )
