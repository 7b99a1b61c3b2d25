"""What `load` gives: devices in their adapters' tables, paths from their files, and only the plugins that are named."""

from pathlib import Path

import pytest

from gateway.config.load import UnreadDevice, load
from gateway.config.problems import ConfigErrors
from tests.config.tables import Models, PumpConfig, ServerConfig

PUMP = "device: pump-{n}\nadapter: pump\nconnect: tcp://10.0.0.{n}\ntags: {{flow: {{at: 1}}}}\n"


def write(home: Path, main: str = "gateway: {id: a}\n", **devices: str) -> Path:
    (home / "devices.d").mkdir(exist_ok=True)
    for name, text in devices.items():
        (home / f"devices.d/{name}.yaml").write_text(text)
    (home / "fieldgate.yaml").write_text(main)
    return home / "fieldgate.yaml"


def test_devices_come_in_the_order_of_files_and_documents(tmp_path: Path) -> None:
    path = write(tmp_path, b=PUMP.format(n=1), a=PUMP.format(n=3) + "---\n" + PUMP.format(n=2))
    found = load(path, Models(), environ={})
    assert [device.device for device in found.devices] == ["pump-3", "pump-2", "pump-1"]
    assert all(type(device) is PumpConfig for device in found.devices)
    assert [file.name for file in found.files] == ["fieldgate.yaml", "a.yaml", "b.yaml"]


def test_only_the_tables_that_devices_name_are_asked_for(tmp_path: Path) -> None:
    models = Models()
    load(write(tmp_path, a=PUMP.format(n=1)), models, environ={})
    assert set(models.asked) == {"pump"}


def test_paths_are_meant_from_the_file_that_they_stand_in(tmp_path: Path) -> None:
    main = "gateway: {id: a, state: state}\nmqtt: {url: mqtt://b, ca: ca.pem, key: /etc/key.pem}\n"
    server = "device: s\nadapter: server\nurl: x\ntrust: [a.pem, /b.pem]\ntags: {t: {node: i=1}}\n"
    found = load(write(tmp_path, main, s=server), Models(), environ={})
    assert found.root.mqtt
    assert found.root.mqtt.ca == tmp_path / "ca.pem"
    assert found.root.mqtt.key == Path("/etc/key.pem")
    assert found.root.gateway.state == tmp_path / "state"
    assert isinstance(found.devices[0], ServerConfig)
    assert found.devices[0].trust == [tmp_path / "devices.d/a.pem", Path("/b.pem")]


def test_a_relative_configuration_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "gateway: {id: a, state: state}\n")
    monkeypatch.chdir(tmp_path)
    assert load(Path("fieldgate.yaml"), Models(), environ={}).root.gateway.state == tmp_path / "state"


def test_a_broken_plugin_costs_its_devices_only(tmp_path: Path) -> None:
    broken = "device: old\nadapter: broken\nvendor: [1]\nconnect: x\ntags: {t: {slot: 1, unit: bar}}\n"
    found = load(write(tmp_path, a=broken, b=PUMP.format(n=1)), Models(), environ={})
    assert found.broken == {
        "old": "adapter 'broken' (from fieldgate-broken) cannot be used: ImportError: no module named 'vendor'"
    }
    assert isinstance(found.devices[0], UnreadDevice)
    assert found.devices[0].tags["t"].unit == "bar"
    assert type(found.devices[1]) is PumpConfig


def test_a_broken_plugin_is_warned_of_once(tmp_path: Path) -> None:
    broken = "device: old-{n}\nadapter: broken\ntags: {{t: {{slot: 1}}}}\n"
    found = load(write(tmp_path, a=broken.format(n=1), b=broken.format(n=2)), Models(), environ={})
    assert len(found.warnings) == 1
    assert list(found.broken) == ["old-1", "old-2"]


def test_a_bug_in_a_plugins_table_costs_that_device_only(tmp_path: Path) -> None:
    bug = PUMP.format(n=1).replace("tcp://10.0.0.1", "tcp://bug")
    found = load(write(tmp_path, a=bug, b=PUMP.format(n=2)), Models(), environ={})
    assert list(found.broken) == ["pump-1"]
    assert type(found.devices[1]) is PumpConfig


def test_all_problems_of_all_files_come_at_once_and_sorted(tmp_path: Path) -> None:
    path = write(tmp_path, "gateway: {}\nlog: {level: x}\n", a="device: [\n", b="device: b\nadapter: pump\n")
    with pytest.raises(ConfigErrors) as caught:
        load(path, Models(), environ={})
    places = [(problem.file, problem.line) for problem in caught.value.problems]
    assert places == sorted(places)
    assert {file for file, _ in places} == {"fieldgate.yaml", "devices.d/a.yaml", "devices.d/b.yaml"}


def test_more_than_a_hundred_problems_are_counted(tmp_path: Path) -> None:
    text = "device: a\nadapter: pump\nconnect: tcp://x\ntags:\n" + "".join(f"  t{n}: {{at: -1}}\n" for n in range(150))
    with pytest.raises(ConfigErrors) as caught:
        load(write(tmp_path, a=text), Models(), environ={})
    assert len(caught.value.problems) == 150
    assert str(caught.value).endswith("... and 50 more")


@pytest.mark.parametrize("kind", ["absent", "folder", "devices.d is a file", "device is a folder"])
def test_what_cannot_be_read_is_a_problem_and_no_traceback(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "fieldgate.yaml"
    if kind == "folder":
        path.mkdir()
    if kind == "device is a folder":
        write(tmp_path)
        (tmp_path / "devices.d/x.yaml").mkdir()
    if kind == "devices.d is a file":
        path.write_text("gateway: {id: a}\n")
        (tmp_path / "devices.d").write_text("x")
    with pytest.raises(ConfigErrors) as caught:
        load(path, Models(), environ={})
    assert "cannot be read" in str(caught.value)


def test_a_problem_goes_to_machines_as_plain_tables(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(write(tmp_path, "gateway: {id: a}\nlog: {level: inf}\n"), Models(), environ={})
    (problem,) = caught.value.as_json()
    assert problem == {
        "file": "fieldgate.yaml", "line": 2, "column": 14, "path": "log.level",
        "message": "must be 'debug', 'info', 'warning' or 'error', not 'inf'", "hint": "did you mean 'info'?",
        "source_line": "log: {level: inf}", "used_by": "",
    }  # fmt: skip
