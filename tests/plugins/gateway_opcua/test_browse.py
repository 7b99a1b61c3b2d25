"""`fieldgate browse` at real servers: what it shows, and the device file that it writes."""

import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway_opcua.certificates import load_identity
from tests.plugins.gateway_opcua.asyncua_server import URI
from tests.plugins.gateway_opcua.peers import Process, Relay

MAIN = "gateway: {id: line-3}\nmqtt: {url: mqtt://127.0.0.1}\n"


@pytest.fixture(params=["asyncua_server", "node_opcua_server"])
def server(request: pytest.FixtureRequest) -> Process:
    process = request.getfixturevalue(request.param)
    assert isinstance(process, Process)
    return process


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    def browse(process: Process | Relay, *args: str, rc: int = 0) -> str:
        assert main(["browse", f"opc.tcp://127.0.0.1:{process.port}", *args]) == rc
        return capsys.readouterr().out

    return browse


def found(text: str) -> dict[str, dict[str, Any]]:
    return {"/".join(one["path"]): one for one in map(json.loads, text.splitlines())}


def read(config: Path) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "gateway", "read", "--config", str(config), "--json", "--within", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return {one["tag"]: one for one in json.loads(done.stdout)}


def test_variables_are_shown_with_type_unit_range_and_value(shown: Any, server: Process) -> None:
    nodes = found(shown(server, "--json", "--match", "Boiler*/Temperature"))
    assert len(nodes) == 1
    [temperature] = nodes.values()
    assert (temperature["type"], temperature["value"], temperature["unit"]) == ("Double", 21.5, "°C")
    assert temperature["range"] in ([0.0, 100.0], [-20.0, 120.0])
    assert temperature["address"].startswith("nsu=")
    assert temperature["address"].endswith(";s=Boiler.Temperature")


def test_the_device_file_is_accepted_and_its_tags_read_good(shown: Any, server: Process, tmp_path: Path) -> None:
    text = shown(server, "--yaml", "--name", "boiler")
    config = tmp_path / "fieldgate.yaml"
    config.write_text(MAIN)
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "devices.d" / "boiler.yaml").write_text(text)
    assert main(["check", "--config", str(config)]) == 0
    readings = read(config)
    assert {one["status"] for one in readings.values()} == {"Good"}
    [temperature] = [one for tag, one in readings.items() if "Boiler" in tag and "Temperature" in tag]
    assert (temperature["value"], temperature["unit"]) == (21.5, "°C")
    assert len(readings) > 20


def test_a_configured_device_is_looked_at_by_name(
    server: Process, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "fieldgate.yaml"
    config.write_text(MAIN)
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "devices.d" / "b.yaml").write_text(
        f"device: kettle\nadapter: opcua\nconnect: opc.tcp://127.0.0.1:{server.port}\ntags: {{t: {{node: i=2258}}}}\n"
    )
    assert main(["browse", "kettle", "--config", str(config), "--yaml", "--match", "Line/Double"]) == 0
    assert capsys.readouterr().out.splitlines()[1:4] == [
        'device: "kettle"', 'adapter: "opcua"', f'connect: "opc.tcp://127.0.0.1:{server.port}"',
    ]  # fmt: skip


def test_what_is_no_tag_is_left_out_and_what_is_bad_now_is_a_comment(shown: Any, asyncua_server: Process) -> None:
    lines = shown(asyncua_server, "--yaml", "--match", "Boiler*/**").splitlines()
    tags = {line.strip().split(":")[0] for line in lines[lines.index("tags:") + 1 :] if not line.startswith("  #")}
    assert tags == {
        "Boiler_1_Temperature", "Boiler_1_Pressure", "Boiler_1_Setpoint", "Boiler_1_Mode", "Boiler_1_On",
        "Boiler_1_Recipe", "Boiler_1_Grosse_A_B",
    }  # fmt: skip
    [comment] = [line for line in lines if line.startswith("  #")]
    assert comment.startswith("  # bad now, BadSensorFailure: Boiler_1_Level: {node: ")
    [pressure] = [line for line in lines if "Pressure" in line]
    assert "range" not in pressure  # it is 12 where 10 is the most: nothing to clamp to
    assert 'unit: "CEL"' in pressure  # the code, where the unit has no name


def test_what_numbers_mean_is_shown(shown: Any, server: Process) -> None:
    nodes = found(shown(server, "--json", "--match", "Line/*"))
    assert (nodes["Objects/Line/Colour"]["value"], nodes["Objects/Line/Colour"]["remark"]) == (1, "0 red, 1 green")
    assert nodes["Objects/Line/Valve"]["remark"] == "0 shut, 1 open"


def test_a_tree_ends_in_spite_of_a_way_back_up(shown: Any, asyncua_server: Process) -> None:
    lines = shown(asyncua_server).splitlines()
    assert lines[0].split() == ["Objects", "object", "i=85"]
    assert [line.split() for line in lines if "told elsewhere" in line] == [
        ["Objects", "object", "i=85", "(told", "elsewhere)"]
    ]
    assert sum("Temperature" in line for line in lines) == 1
    assert not any("ServerStatus" in line for line in lines)


def test_the_server_itself_and_properties_are_shown_when_asked_for(shown: Any, server: Process) -> None:
    nodes = found(shown(server, "--json", "--all"))
    assert nodes["Objects/Server/ServerStatus/State"]["value"] == 0
    assert any(name.endswith("Temperature/EURange") for name in nodes)


def test_tags_can_be_named_by_their_paths(shown: Any, asyncua_server: Process) -> None:
    for start in ("/Objects", "/Objects/2:Boiler #1"):
        lines = shown(asyncua_server, "--yaml", "--paths", "--from", start, "--match", "Größe*").splitlines()
        assert 'path: "/Objects/' in lines[-1]
        assert lines[-1].endswith('Größe A&/B"}')
    assert main(["browse", f"opc.tcp://127.0.0.1:{asyncua_server.port}", "--paths", "--from", "i=85"]) == 78


def test_a_device_file_by_paths_is_accepted(shown: Any, server: Process, tmp_path: Path) -> None:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "devices.d" / "a.yaml").write_text(shown(server, "--yaml", "--paths", "--name", "a"))
    (tmp_path / "fieldgate.yaml").write_text(MAIN)
    readings = read(tmp_path / "fieldgate.yaml")
    assert {one["status"] for one in readings.values()} == {"Good"}
    assert len(readings) > 20


@pytest.mark.parametrize("start", [f"nsu={URI};s=Boiler", "/Objects/2:Boiler #1", f"/Objects/nsu={URI};Boiler #1"])
def test_it_begins_where_it_is_told(shown: Any, asyncua_server: Process, start: str) -> None:
    lines = shown(asyncua_server, "--from", start, "--depth", "1").splitlines()
    assert lines[0].startswith("Boiler #1 ")
    assert "  Objects " in lines[1]
    assert "Temperature" in lines[2]


def test_a_start_that_there_is_not_is_told_with_its_status(
    asyncua_server: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    for start, status in (("/Objects/2:Nothing", "BadNoMatch"), ("ns=2;s=Nothing", "BadNodeIdUnknown")):
        assert main(["browse", f"opc.tcp://127.0.0.1:{asyncua_server.port}", "--from", start]) == 78
        assert status in capsys.readouterr().err


def test_small_calls_give_the_same(shown: Any, server: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shown(server, "--match", "/Line/**")
    monkeypatch.setattr("gateway_opcua.profiles._HIGHEST", 7)
    monkeypatch.setattr("gateway_opcua.references._PER_NODE", 3)
    assert shown(server, "--match", "/Line/**") == whole
    assert len(whole.splitlines()) > 30


def test_no_more_nodes_are_looked_at_than_allowed(shown: Any, server: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway_opcua.references._PER_NODE", 5)
    assert len(shown(server, "--limit", "12", rc=1).splitlines()) == 12


def test_a_secure_session_with_a_user(
    shown: Any, server: Process, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIELDGATE_PASSWORD", "secret")
    args = ["--user", "op", "--security", "sign_and_encrypt", "--home", str(tmp_path), "--name", "line-1"]
    lines = shown(server, "--yaml", *args, "--match", "/Line/Double").splitlines()
    assert 'security: "sign_and_encrypt"' in lines
    assert "password: !secret line-1" in lines
    assert "secret\n" not in "\n".join(lines) + "\n"
    assert (tmp_path / "own" / "certificate.der").exists()


def test_the_gateways_own_certificate_is_used_and_left_as_it_is(
    shown: Any, server: Process, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "adapters" / "opcua"
    load_identity(home, dt.datetime.now(dt.UTC))
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    copied = []
    copy = shutil.copytree
    monkeypatch.setattr("shutil.copytree", lambda *paths: copied.append(copy(*paths)))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    shown(server, "--security", "sign", "--depth", "1")
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert copied[-1].name == "home"
    assert not copied[-1].exists()


def test_a_server_that_is_away_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["browse", "opc.tcp://127.0.0.1:1"]) == 75
    assert "127-0-0-1:" in capsys.readouterr().err


@pytest.mark.parametrize("args", [["http://127.0.0.1"], ["opc.tcp://127.0.0.1", "--set", "policy=None"]])
def test_what_cannot_be_asked_is_told(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["browse", *args]) == 78
    assert "opc.tcp://host:port" in (said := capsys.readouterr().err) or "policy" in said
