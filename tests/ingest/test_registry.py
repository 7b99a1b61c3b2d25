"""Adapters are found by entry point, imported when named, and a broken one is remembered with its reason."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from gateway.config.problems import PluginError
from gateway.ingest.registry import GROUP, Plugin, Registry

GOOD = """
from gateway.sdk import Adapter, DeviceConfig
class Good(Adapter):
    Config = DeviceConfig
    async def connect(self): ...
    async def run(self, sink): ...
    async def close(self): ...
class Tomorrow(Good):
    api_version = 2
class NoTable(Good):
    Config = dict
class Bare(Adapter): ...
class Stranger: ...
"""
Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to install plugins into, importable."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("acme_good", "acme_bad"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


def install(site: Path, distribution: str, module: str, code: str, **adapters: str) -> None:
    """Lay down what pip would: a module and a dist-info folder."""
    (site / f"{module}.py").write_text(code)
    info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    lines = "".join(f"{name} = {module}:{target}\n" for name, target in adapters.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")


def found(site: Path) -> list[EntryPoint]:
    return [entry for dist in distributions(path=[str(site)]) for entry in dist.entry_points if entry.group == GROUP]


def fault(registry: Registry, name: str) -> PluginError:
    with pytest.raises(PluginError) as caught:
        registry.adapter(name)
    return caught.value


def test_listing_imports_nothing(site: Path) -> None:
    install(site, "acme-good", "acme_good", GOOD, good="Good")
    install(site, "acme-bad", "acme_bad", "raise RuntimeError('no')", bad="Bad")
    registry = Registry(found(site))
    assert registry.names == ("bad", "good")
    assert registry.plugins[1] == Plugin("good", "acme-good", "1.2", "acme_good:Good")
    assert list(registry.models()) == ["bad", "good"]
    assert len(registry.models()) == 2
    assert not {"acme_good", "acme_bad"} & set(sys.modules)


def test_only_the_adapter_that_is_asked_for_is_imported(site: Path) -> None:
    install(site, "acme-good", "acme_good", GOOD, good="Good")
    install(site, "acme-bad", "acme_bad", "raise RuntimeError('no')", bad="Bad")
    registry = Registry(found(site))
    assert registry.adapter("good").__name__ == "Good"
    assert registry.models()["good"] is registry.adapter("good").Config
    assert "acme_bad" not in sys.modules


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import acme_vendor_sdk", "ModuleNotFoundError: No module named 'acme_vendor_sdk'"),
        ("class Good(:", "SyntaxError: invalid syntax (acme_bad.py, line 1)"),
        ("x = {}['key']", "KeyError: 'key'"),
        ("Other = 1", "AttributeError: module 'acme_bad' has no attribute 'Bad'"),
        ("from gateway.sdk import ConfigError\nraise ConfigError('not here')", "ConfigError: not here"),
    ],
)
def test_a_plugin_that_fails_to_import_says_why_and_does_not_try_again(site: Path, code: str, reason: str) -> None:
    install(site, "acme-bad", "acme_bad", code, bad="Bad")
    registry = Registry(found(site))
    first = fault(registry, "bad")
    assert (first.name, first.distribution, first.reason) == ("bad", "acme-bad", reason)
    (site / "acme_bad.py").write_text(GOOD.replace("Good", "Bad"))
    assert fault(registry, "bad") is first


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("Tomorrow", "it speaks API version 2, this gateway 1"),
        ("NoTable", "its Config is no gateway.sdk.DeviceConfig"),
        ("Bare", "its Config is no gateway.sdk.DeviceConfig"),
        ("Stranger", "it is no gateway.sdk.Adapter"),
    ],
)
def test_what_is_no_adapter_of_this_gateway_is_refused(site: Path, target: str, reason: str) -> None:
    install(site, "acme-good", "acme_good", GOOD, odd=target)
    assert fault(Registry(found(site)), "odd").reason == reason


def test_two_distributions_with_one_name_are_refused(site: Path) -> None:
    install(site, "acme-good", "acme_good", GOOD, pump="Good")
    install(site, "acme-bad", "acme_bad", GOOD, pump="Good")
    error = fault(Registry(found(site)), "pump")
    assert "acme-good" in error.reason
    assert "acme-bad" in error.reason


def test_an_adapter_that_is_not_installed_is_a_key_error(site: Path) -> None:
    with pytest.raises(KeyError):
        Registry(found(site)).adapter("pump")


def test_our_own_adapters_enter_by_entry_point() -> None:
    assert {"modbus", "opcua", "sim"} <= set(Registry().names)
