"""`check`, `schema` and `plugins`: what they print and how they end."""

import argparse
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.cli import check, plugins, schema
from gateway.config.jsonschema import device_schema
from gateway.config.problems import PluginError
from gateway.ingest.registry import Plugin
from gateway.sdk.adapter import API_VERSION, Adapter
from tests.config.tables import Models, PumpConfig

PUMP = "device: {name}\nadapter: pump\nconnect: tcp://10.0.0.7\ntags: {{flow: {{at: 258}}, p: {{at: 1}}}}\n"


class Pump(Adapter):
    """Reads nothing."""

    Config = PumpConfig


class Installed:
    """Two adapters as if they were installed: one good, one broken."""

    names = ("broken", "pump")
    plugins: tuple[Plugin, ...] = ()

    def models(self) -> Models:
        found = Models()
        found.tables.pop("server")
        return found

    def adapter(self, name: str) -> type[Adapter]:
        if name == "broken":
            raise PluginError("broken", "", "no licence")
        return Pump


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (check, schema):
        monkeypatch.setattr(module, "Registry", Installed)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good configuration: two devices on one connection."""
    (tmp_path / "devices.d").mkdir()
    for name in ("pump-7", "pump-8"):
        (tmp_path / f"devices.d/{name}.yaml").write_text(PUMP.format(name=name))
    path = tmp_path / "fieldgate.yaml"
    path.write_text("gateway: {id: a}\nassets: {a: {tags: [pump-7.flow]}}\n")
    return path


def run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    for module in (check, schema, plugins):
        module.add(subparsers)
    args = parser.parse_args([str(word) for word in words])
    code: int = args.func(args)
    return code


def test_a_right_configuration_ends_with_0_and_its_size(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--config", config) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "ok: 2 devices, 1 connection, 4 tags, 1 asset"


def test_a_wrong_configuration_ends_with_78_and_its_problems(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("gateway: {id: a}\nlog: {level: x}\n")
    assert run("check", "--config", config) == 78
    out = capsys.readouterr().out
    assert "fieldgate.yaml:2:14: log.level: must be" in out
    assert out.endswith("\n1 problem in 1 file\n")


def test_machines_get_the_problems_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("gateway: {id: a}\nlog: {level: x}\n")
    assert run("check", "--json", "--config", config) == 78
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"]
    assert report["problems"][0]["line"] == 2


def test_machines_get_the_counts_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--json", "--verbose", "--config", config) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"]
    assert report["counts"] == {"devices": 2, "connections": 1, "tags": 4, "assets": 1}
    assert report["listing"][0]["tags"]["flow"] == "register 0x0102"


def test_verbose_lists_what_is_read_for_each_tag(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--verbose", "--config", config) == 0
    assert (
        "pump-7  (pump, tcp://10.0.0.7)\n  flow  register 0x0102\n  p     register 0x0001\n" in capsys.readouterr().out
    )


def test_a_broken_plugin_is_a_warning(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "devices.d/old.yaml").write_text("device: old\nadapter: broken\ntags: {t: {slot: 1}}\n")
    assert run("check", "--config", config) == 0
    out = capsys.readouterr().out
    assert "warning: devices.d/old.yaml:2:10: adapter 'broken'" in out
    assert "3 devices, 1 connection, 5 tags, 1 asset, 1 warning" in out


def test_the_schema_is_one_that_accepts_what_load_accepts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema") == 0
    validator = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    validator.validate({"gateway": {"id": "a"}, "mqtt": {"url": "mqtt://b", "keepalive": "30s"}})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"gateway": {"id": "a"}, "mqqt": {}})


def device(**changes: Any) -> dict[str, Any]:
    return {"device": "a", "adapter": "pump", "connect": "tcp://x", "tags": {"t": {"at": 1}}} | changes


def test_the_schema_of_devices_is_told_apart_by_adapter() -> None:
    validator = jsonschema.Draft202012Validator(device_schema(Models().tables))
    validator.validate(device())
    validator.validate({"device": "a", "adapter": "server", "url": "x", "tags": {"t": {"node": "i=1"}}})
    for wrong in (device(adapter="server"), device(adapter="punp"), device(tags={"t": {"at": -1}}), device(order="x")):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(wrong)


def test_the_schema_of_all_adapters_leaves_out_a_broken_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema", "--device") == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["properties"]["adapter"]["enum"] == ["pump"]
    assert "left out: adapter 'broken'" in out.err


def test_the_schema_of_one_broken_adapter_ends_with_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema", "--device", "broken") == 78
    assert "cannot be used" in capsys.readouterr().err


def test_the_schema_of_an_unknown_adapter_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema", "--device", "punp") == 2
    assert "did you mean 'pump'?" in capsys.readouterr().err


def test_plugins_are_listed_with_their_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plugins", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["api_version"] == API_VERSION
    rows = {row["name"]: row for row in report["plugins"]}
    assert rows["modbus"]["distribution"] == "fieldgate"
    assert rows["modbus"]["api"] is None


def test_a_plugin_that_cannot_be_used_is_told_by_verify(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"name": "broken", "distribution": "acme", "version": "1", "target": "a:B", "api": None, "fault": "no licence"}
    ]
    monkeypatch.setattr(plugins, "listed", lambda _, *, verify: rows if verify else [])
    assert run("plugins", "--verify") == 1
    out = capsys.readouterr().out
    assert out.splitlines()[0].split() == ["name", "distribution", "version", "api"]
    assert out.splitlines()[1].endswith("no licence")


def test_verify_asks_every_adapter_for_its_api_version() -> None:
    class Two(Installed):
        plugins = (Plugin("broken", "acme", "1", "a:B"), Plugin("pump", "acme", "1", "a:P"))

    rows = plugins.listed(Two(), verify=True)  # type: ignore[arg-type]
    assert [(row["api"], row.get("fault")) for row in rows] == [(None, "no licence"), (API_VERSION, None)]
