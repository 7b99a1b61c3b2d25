"""docs/commissioning.md, word by word: a Modbus device and an OPC UA server of other makers, to their alarms."""

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commissioning.terminal import commands
from tests.plugins.gateway_modbus import peers as modbus
from tests.plugins.gateway_opcua import peers as opcua

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "commissioning"
PAGE = ROOT / "docs/commissioning.md"
APART = ["unshare", "-rn", "--pid", "--fork", "--kill-child"]
WITHIN = 150.0  # s for all of it
MOST = 15

pytestmark = pytest.mark.timeout(WITHIN + 60)


def machines(folder: Path) -> list[dict[str, Any]]:
    """How a pump at 10.0.4.21 and a boiler at 10.0.4.30 are started."""
    node = str(modbus.node_server()[0])  # installs the package
    if reason := opcua.install_node_opcua():
        pytest.skip(f"node-opcua: {reason}")
    pump = [node, str(HERE / "pump.js"), str(modbus.NODE / "node_modules"), "10.0.4.21", "502"]
    boiler = [node, str(opcua.HERE / "node_opcua_server.js"), "4840", str(folder / "pki")]
    where = {"NODE_PATH": str(opcua.NODE / "node_modules")}
    return [{"command": pump, "env": {}}, {"command": boiler, "env": where}]


def broker(folder: Path) -> list[str]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    lines = (f"user {getpass.getuser()}", "listener 1883 10.0.4.2", "allow_anonymous true", "log_type none", "")
    (folder / "mosquitto.conf").write_text("\n".join(lines))
    return [program, "-c", str(folder / "mosquitto.conf")]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the commands."""
    folder = tmp_path_factory.mktemp("commissioning")
    if subprocess.run([*APART, "ip", "link", "set", "lo", "up"], check=False).returncode:
        pytest.skip("no network namespace can be made here, or ip (iproute2) is missing")
    asked = {"within": WITHIN, "commands": commands(PAGE), "broker": broker(folder), "machines": machines(folder)}
    asked["addresses"] = ["10.0.4.21", "10.0.4.30"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*APART, sys.executable, HERE / "drive.py", folder], cwd=ROOT, input=json.dumps(asked),
        capture_output=True, text=True, timeout=WITHIN + 20, check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def said(typed: dict[str, Any], start: str) -> str:
    """What the command that begins so has printed."""
    return next(str(one["output"]) for one in typed["commands"] if one["command"].startswith(start))


def test_fifteen_commands_are_enough_and_each_goes_well(typed: dict[str, Any]) -> None:
    assert len(typed["commands"]) == len(commands(PAGE)) <= MOST
    assert {one["command"]: (one["code"], one["output"]) for one in typed["commands"] if one["code"]} == {}


def test_both_alarms_arrive_over_mqtt(typed: dict[str, Any]) -> None:
    heard = {(one["topic"], one["state"], one["severity"]) for one in typed["alarms"]}
    assert ("fieldgate/line-3/alarm/pump-7-hot", "active-unacknowledged", "high") in heard
    assert ("fieldgate/line-3/alarm/boiler-hot", "active-unacknowledged", "critical") in heard


def test_the_commands_show_what_the_page_says(typed: dict[str, Any]) -> None:
    scanned = said(typed, "fieldgate scan")
    assert "tcp://10.0.4.21:502?unit=1" in scanned
    assert "opc.tcp://10.0.4.30:4840" in scanned
    found = said(typed, "fieldgate doctor")
    for place, read in {100: "float32, order: CDAB", 102: "uint16", 103: "uint16"}.items():
        assert f"  holding_{place}: {{at: 'holding:{place}', type: {read}}}  #" in found
    assert found.count("'holding:") == 3
    watched = said(typed, "fieldgate read")
    assert re.search(r"pump-7\.motor_temp +6[01](\.\d)? +°C +Good", watched)
    assert re.search(r"boiler\.Boiler_Temperature +21\.5 +°C +Good", watched)
    standing = said(typed, "fieldgate alarms")
    assert "pump-7-hot" in standing
    assert "boiler-hot" in standing
