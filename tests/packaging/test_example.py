"""The outside adapter of `examples/`: built, installed and run as its author would; and one that is broken."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.house import ROOT, Environment, clean

EXAMPLE = ROOT / "examples/gateway_sine"
BROKEN = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "fieldgate-broken"
version = "9.9"
entry-points."fieldgate.adapters".broken = "gateway_broken:BrokenAdapter"

[tool.hatch.build.targets.wheel]
only-include = ["gateway_broken.py"]
"""
DEVICES = """
device: old-press
adapter: broken
licence: 1234
tags: {force: {slot: 3}}
---
device: bench
adapter: sim
tags: {level: {wave: constant, mean: 4}}
"""


@pytest.fixture(scope="module")
def outside(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the gateway's wheel, and the example from its own folder."""
    environment = Environment(tmp_path_factory.mktemp("outside") / "venv")
    environment.install(wheel)
    environment.install(EXAMPLE)
    return environment


@pytest.fixture(scope="module")
def broken(installed: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which an adapter is installed that fails while it is imported."""
    source = tmp_path_factory.mktemp("broken")
    (source / "pyproject.toml").write_text(BROKEN)
    (source / "gateway_broken.py").write_text("raise ImportError('the vendor library wants a dongle')\n")
    installed.install(source, "--target", source / "site")
    return source / "site"


@pytest.fixture
def device() -> Iterator[str]:
    """The example's device as a process of its own; where it answers."""
    words = [sys.executable, str(EXAMPLE / "tests/sine_device.py"), "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=clean()) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def configured(folder: Path, devices: str) -> Path:
    """The main file of a configuration with `devices`."""
    (folder / "devices.d").mkdir()
    (folder / "devices.d/all.yaml").write_text(devices)
    (folder / "fieldgate.yaml").write_text("gateway: {id: a}\n")
    return folder / "fieldgate.yaml"


def test_the_example_passes_the_suite_of_every_adapter_where_it_is_installed(outside: Environment) -> None:
    where = outside.run(
        "python", "-P", "-c", "import gateway_sine, gateway; print(gateway_sine.__file__, gateway.__file__)"
    )
    assert all(Path(file).is_relative_to(outside.folder) for file in where.split())
    options = ("-q", "-p", "no:cacheprovider", "-c", EXAMPLE / "pyproject.toml")
    out = outside.run("python", "-P", "-X", "dev", "-m", "pytest", *options, EXAMPLE)
    assert " passed" in out
    assert "skipped" not in out


def test_the_example_is_listed_and_can_be_used(outside: Environment) -> None:
    report = json.loads(outside.run("fieldgate", "plugins", "--verify", "--json"))
    (sine,) = [row for row in report["plugins"] if row["name"] == "sine"]
    assert sine == {
        "name": "sine",
        "distribution": "fieldgate-sine",
        "version": "0.1.0",
        "target": "gateway_sine:SineAdapter",
        "api": report["api_version"],
    }


def test_a_device_of_the_example_is_checked_as_ours_are(outside: Environment, tmp_path: Path) -> None:
    config = configured(tmp_path, (EXAMPLE / "sample.yaml").read_text(encoding="utf-8"))
    report = json.loads(outside.run("fieldgate", "check", "--json", "--verbose", "--config", config))
    assert report["adapters"] == {"sine": 1}
    assert report["listing"][0]["tags"]["quarter_later"] == "GET cosine"
    assert "sine" in outside.run("fieldgate", "schema", "--device", "sine")


def test_the_gateway_reads_the_device_of_the_example(outside: Environment, tmp_path: Path, device: str) -> None:
    sample = (EXAMPLE / "sample.yaml").read_text(encoding="utf-8")
    config = configured(tmp_path, sample.replace("127.0.0.1:7700", device))
    (reading,) = json.loads(outside.run("fieldgate", "read", "--json", "--config", config, "bench-1.one"))
    assert (reading["value"], reading["status"]) == (1.0, "Good")


def test_an_adapter_that_cannot_be_imported_is_a_warning(installed: Environment, tmp_path: Path, broken: Path) -> None:
    config = configured(tmp_path, DEVICES)
    out = installed.run("fieldgate", "check", "--config", config, PYTHONPATH=str(broken))
    assert "warning: " in out
    assert "'broken' (from fieldgate-broken) cannot be used: ImportError: the vendor library wants a dongle" in out
    assert out.splitlines()[-1] == "ok: 2 devices, 1 connection, 2 tags, 0 assets, 1 warning"


def test_an_adapter_that_cannot_be_imported_is_named_to_machines(
    installed: Environment, tmp_path: Path, broken: Path
) -> None:
    config = configured(tmp_path, DEVICES)
    report = json.loads(installed.run("fieldgate", "check", "--json", "--config", config, PYTHONPATH=str(broken)))
    assert report["ok"]
    assert list(report["broken"]) == ["old-press"]
    assert "fieldgate-broken" in report["broken"]["old-press"]


def test_the_other_devices_are_read_beside_a_broken_adapter(
    installed: Environment, tmp_path: Path, broken: Path
) -> None:
    config = configured(tmp_path, DEVICES)
    words = ("fieldgate", "read", "--json", "--within", "2", "--config", config, "bench.level")
    (reading,) = json.loads(installed.run(*words, PYTHONPATH=str(broken)))
    assert (reading["value"], reading["status"]) == (4.0, "Good")
