"""`browse`: globs, names of tags, and the outputs; without a device."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.__main__ import main
from gateway.cli.globs import Glob
from gateway.cli.inventory import DeviceFile, Json, Names, Tree
from gateway.sdk.browse import Found


def variable(*path: str, **more: Any) -> Found:
    address = "s=" + ".".join(path)
    return Found(("Objects", *path), address, "variable", type="Double", tag={"node": address}, **more)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("Boiler*/Temp*", ["Boiler1", "Temperature"], True),
        ("Boiler*/Temp*", ["Plant", "Boiler1", "Temperature"], True),
        ("Boiler*/Temp*", ["Boiler1", "Temperature", "Limit"], False),
        ("/Boiler*/Temp*", ["Plant", "Boiler1", "Temperature"], False),
        ("/Plant/**", ["Plant", "Boiler1", "Temperature"], True),
        ("/Plant/**/Temp?", ["Plant", "Temp1"], True),
        ("/Plant/**/Temp?", ["Plant", "a", "b", "Temp1"], True),
        ("Temp?", ["Temp"], False),
        ("A*B", ["A/B"], True),
        ("a.c", ["abc"], False),
        ("Temp", [], False),
    ],
)
def test_globs(pattern: str, path: list[str], matches: bool) -> None:
    assert Glob(pattern).matches(path) is matches


def test_names_are_safe_unique_and_the_same_each_time() -> None:
    paths = [("Boiler #1", "T"), ("Boiler 1", "T"), ("温度",), ("压力",), ("x" * 80, "a"), ("x" * 80, "b"), ("Größe",)]
    first, second = Names(), Names()
    made = [first.of(variable(*path)) for path in paths]
    assert made == [second.of(variable(*path)) for path in paths]
    assert made[0] == "Boiler_1_T"
    assert made[-1] == "Grosse"
    assert len(set(made)) == len(paths)


@given(st.lists(st.lists(st.text(max_size=40), min_size=1, max_size=4), max_size=20, unique_by=tuple))
def test_any_path_gives_a_name_that_the_configuration_takes(paths: list[list[str]]) -> None:
    names = Names()
    made = [names.of(variable(*path)) for path in paths]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[A-Za-z0-9_\-]{1,64}", name) for name in made)


def test_a_device_file_is_yaml_with_comments_for_what_is_bad(capsys: pytest.CaptureFixture[str]) -> None:
    file = DeviceFile({"device": "boiler", "adapter": "opcua", "user": "op"})
    file.tell(Found(("Objects", "Boiler"), "s=Boiler", "object"))
    file.tell(variable("Boiler", 'T "1": #'))
    file.tell(variable("Boiler", "Level", status=0x808C0000, remark="BadSensorFailure"))
    assert file.end()
    out, err = capsys.readouterr()
    assert yaml.safe_load(out.replace("!secret ", "")) == {
        "device": "boiler", "adapter": "opcua", "user": "op", "password": "boiler", "every": "1s",
        "tags": {"Boiler_T_1": {"node": 's=Boiler.T "1": #'}},
    }  # fmt: skip
    assert '  # bad now, BadSensorFailure: Boiler_Level: {node: "s=Boiler.Level"}' in out
    assert "1 written" in err
    assert "1 bad now" in err


def test_a_device_file_without_a_tag_is_not_begun(capsys: pytest.CaptureFixture[str]) -> None:
    file = DeviceFile({"device": "boiler"})
    file.tell(Found(("Objects", "Curve"), "s=Curve", "variable", type="Double[]"))
    assert not file.end()
    assert not capsys.readouterr().out


def test_a_tree_is_indented_and_long_values_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    tree = Tree()
    tree.tell(Found(("Objects",), "i=85", "object"))
    tree.tell(variable("Boiler", value=21.5, unit="°C", range=(0.0, 100.0), remark="more below"))
    tree.tell(variable("Text", value="a\n" * 100))
    root, boiler, text = capsys.readouterr().out.splitlines()
    assert root.split() == ["Objects", "object", "i=85"]
    assert boiler.startswith("  Boiler ")
    assert "21.5 °C [0 .. 100]" in boiler
    assert boiler.endswith("s=Boiler  (more below)")
    assert " a a a a…" in text


def test_json_is_one_object_on_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    out = Json()
    out.tell(variable("T", value=1.5))
    out.tell(Found(("Objects", "Boiler"), "s=Boiler", "object"))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["value"], first["status"], first["tag"]) == (1.5, "Good", {"node": "s=T"})
    assert second["status"] is None


def test_an_unknown_device_and_an_adapter_that_cannot_browse_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "fieldgate.yaml"
    config.write_text("gateway: {id: a}\nmqtt: {url: mqtt://127.0.0.1}\n")
    assert main(["browse", "pump", "--config", str(config)]) == 78
    assert "no device is called pump" in capsys.readouterr().err
    assert main(["browse", "tcp://10.0.0.1:502", "--adapter", "modbus"]) == 78
    assert "modbus cannot browse" in capsys.readouterr().err
    assert main(["browse", "tcp://10.0.0.1:502", "--adapter", "nothing"]) == 78
    assert "installed: " in capsys.readouterr().err
