"""The wheel: what is in it, what is not, that it comes out the same every time, and that it runs on its own."""

import json
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from zipfile import ZipFile

import pytest

from gateway import __version__
from tests.packaging.house import ROOT, WITHIN, Environment, clean

PACKAGES = {
    "gateway": ROOT / "gateway",
    **{name: ROOT / "plugins" / name for name in ("gateway_modbus", "gateway_opcua", "gateway_sim")},
}
INFO = f"fieldgate-{__version__}.dist-info"
API = "gateway/console/openapi.yaml"  # the one file that lies elsewhere in the sources
COPYLEFT = re.compile(rb"\b[AL]?GPL|general public licen[cs]e", re.IGNORECASE)
BENCH = "device: bench\nadapter: sim\nevery: 100ms\ntags: {level: {}, flow: {wave: noise}, heat: {wave: ramp}}\n"


@pytest.fixture(scope="session")
def content(wheel: Path) -> dict[str, bytes]:
    """Every file of the wheel, by name."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_packages_and_nothing_else(content: dict[str, bytes]) -> None:
    assert {name.split("/")[0] for name in content} == {*PACKAGES, INFO}
    files = {
        f"{name}/{path.relative_to(folder)}"
        for name, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in content if not name.startswith(INFO)} == {*files, API}
    assert content[API] == (ROOT / "docs/openapi.yaml").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "gateway/models/default.onnx",
        "gateway/models/window.onnx",
        "gateway/state/schema_v1.sql",
        "gateway/sdk/testing.py",  # the suite that outside adapters subclass
        "gateway/py.typed",  # PEP 561: without it the types of the sdk are hidden from the authors of adapters
        "gateway_modbus/sample.yaml",
        "gateway_opcua/sample.yaml",
        "gateway_sim/sample.yaml",
        f"{INFO}/licenses/LICENSE",
        f"{INFO}/licenses/NOTICE",
    ],
)
def test_the_wheel_brings_what_is_no_python_too(content: dict[str, bytes], name: str) -> None:
    assert name in content


def test_no_file_of_the_wheel_is_large(content: dict[str, bytes]) -> None:
    assert not {name: len(data) for name, data in content.items() if len(data) > 1_000_000}


def test_nothing_in_the_wheel_is_under_a_copyleft_licence(content: dict[str, bytes]) -> None:
    assert b"\nLicense-Expression: Apache-2.0\n" in content[f"{INFO}/METADATA"]
    ours = {name: data for name, data in content.items() if not name.startswith(INFO)}  # NOTICE names the dependencies'
    assert not [name for name, data in ours.items() if COPYLEFT.search(data)]


def test_a_wheel_built_again_elsewhere_is_the_same_to_the_bit(wheels: tuple[Path, Path]) -> None:
    first, second = wheels
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_what_is_installed_runs_without_the_checkout(installed: Environment) -> None:
    where = "import gateway, gateway_modbus, gateway_opcua, gateway_sim, sys; print(gateway.__file__, *sys.path)"
    module, *path = installed.run("python", "-c", where).split()
    assert Path(module).is_relative_to(installed.folder)
    assert not {str(ROOT), str(ROOT / "plugins")} & set(path)


@pytest.mark.parametrize("command", [("python", "-m", "gateway"), ("fieldgate",)])
def test_it_tells_its_version_as_module_and_as_command(installed: Environment, command: tuple[str, ...]) -> None:
    assert installed.run(*command, "--version") == f"fieldgate {__version__}\n"


def test_the_plugins_of_the_wheel_are_found_and_can_be_used(installed: Environment) -> None:
    report = json.loads(installed.run("python", "-m", "gateway", "plugins", "--verify", "--json"))
    assert [row["name"] for row in report["plugins"]] == ["modbus", "opcua", "sim"]
    assert {row["distribution"] for row in report["plugins"]} == {"fieldgate"}
    assert {row["api"] for row in report["plugins"]} == {report["api_version"]}


def test_the_configuration_that_we_ship_is_right(installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "fieldgate.yaml").write_bytes((ROOT / "config/fieldgate.yaml").read_bytes())
    for sample in (ROOT / "config/devices.d").glob("*.yaml.sample"):
        (tmp_path / "devices.d" / sample.name.removesuffix(".sample")).write_bytes(sample.read_bytes())
    shutil.copytree(ROOT / "config/templates", tmp_path / "templates")
    (tmp_path / "press-2").write_text("a password")
    config = tmp_path / "fieldgate.yaml"
    words = ("python", "-m", "gateway", "check", "--json", "--config", config)
    report = json.loads(installed.run(*words, CREDENTIALS_DIRECTORY=str(tmp_path)))
    assert report["ok"]
    assert set(report["adapters"]) == {"modbus", "opcua"}
    assert not report["warnings"]


def test_what_is_installed_runs_as_a_daemon_and_ends_when_told(installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "devices.d/bench.yaml").write_text(BENCH)
    config, state = tmp_path / "fieldgate.yaml", tmp_path / "state"
    console = "console: {listen: 127.0.0.1:0}\n"
    config.write_text(
        f"gateway: {{id: a}}\n{console}assets: {{bench: {{tags: [bench.level, bench.flow, bench.heat]}}}}\n"
    )
    words: list[str | Path] = [installed.folder / "bin/fieldgate", "run", "--listen", "127.0.0.1:0"]
    words += ["--config", config, "--state", state]
    with subprocess.Popen(words, cwd=tmp_path, env=clean(), stderr=subprocess.PIPE, text=True) as daemon:
        try:
            _until_scanned(installed, config, state)
            console = (state / "console-listen").read_text().removeprefix("http://")
            with urllib.request.urlopen(f"http://{console}", timeout=WITHIN) as page:
                assert b"<title>Fieldgate" in page.read()
        finally:
            daemon.send_signal(signal.SIGTERM)
            _, log = daemon.communicate(timeout=WITHIN)
    assert daemon.returncode == 0, log


def _until_scanned(installed: Environment, config: Path, state: Path) -> None:
    """Wait until the daemon says that its device is read and its model learns."""
    until = time.monotonic() + WITHIN / 2
    while not (state / "listen").is_file():
        assert time.monotonic() < until, "the daemon does not listen"
        time.sleep(0.1)
    report: dict[str, list[dict[str, str]]] = {"parts": [], "assets": []}
    while "ok" not in [part["state"] for part in report["parts"] if part["name"] == "device bench"]:
        assert time.monotonic() < until, report
        report = json.loads(installed.run("fieldgate", "status", "--json", "--config", config, "--state", state))
    assert [asset["asset"] for asset in report["assets"]] == ["bench"]
