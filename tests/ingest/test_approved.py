"""Where plugins.lock stands, a plugin is imported as it was approved, or not at all."""

import sys
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest

from gateway.cli.plugins import lock
from gateway.config.problems import PluginError
from gateway.ingest.approved import approvals, digest
from gateway.ingest.registry import GROUP, Registry

CODE = """
from gateway.sdk import Adapter, DeviceConfig
class Good(Adapter):
    Config = DeviceConfig
    async def connect(self): ...
    async def run(self, sink): ...
    async def close(self): ...
"""
INFO = "acme_pumps-1.2.dist-info"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one plugin, as pip lays it down, and with plugins.lock beside."""
    site = tmp_path / "site"
    (site / "acme_pumps").mkdir(parents=True)
    (site / INFO).mkdir()
    files = {
        "acme_pumps/__init__.py": CODE,
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: acme-pumps\nVersion: 1.2\n",
        f"{INFO}/entry_points.txt": f"[{GROUP}]\npumps = acme_pumps:Good\n",
        f"{INFO}/INSTALLER": "pip\n",
    }
    for name, content in files.items():
        (site / name).write_text(content)
    (site / f"{INFO}/RECORD").write_text("".join(f"{name},,\n" for name in [*files, f"{INFO}/RECORD"]))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "acme_pumps", raising=False)
    monkeypatch.setenv("FIELDGATE_PLUGINS", str(tmp_path / "plugins.lock"))
    return site


def found(site: Path) -> list[EntryPoint]:
    return [entry for dist in distributions(path=[str(site)]) for entry in dist.entry_points if entry.group == GROUP]


def approve(site: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Write plugins.lock as the verb prints it."""
    assert lock(Registry(found(site))) == 0
    text = capsys.readouterr().out
    (site.parent / "plugins.lock").write_text(f"# approved by A. Person\n\n{text}")
    return text


def refused(site: Path) -> str:
    with pytest.raises(PluginError) as caught:
        Registry(found(site)).adapter("pumps")
    assert "acme_pumps" not in sys.modules, "it was imported"
    return caught.value.reason


def test_without_the_file_every_plugin_is_approved(site: Path) -> None:
    assert Registry(found(site)).adapter("pumps").__name__ == "Good"


def test_what_was_approved_is_imported(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = approve(site, capsys)
    assert text.split()[1:] == ["acme-pumps", "1.2"]
    assert Registry(found(site)).adapter("pumps").__name__ == "Good"


def test_what_python_and_pip_made_of_it_does_not_count(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    approve(site, capsys)
    (site / "acme_pumps/__pycache__").mkdir()
    (site / "acme_pumps/__pycache__/__init__.cpython-311.pyc").write_bytes(b"\0")
    (site / f"{INFO}/INSTALLER").write_text("uv\n")
    with (site / f"{INFO}/RECORD").open("a") as record:
        record.write("acme_pumps/__pycache__/__init__.cpython-311.pyc,,\n../../bin/acme,,\n")
    assert Registry(found(site)).adapter("pumps").__name__ == "Good"


def test_a_byte_more_is_another_plugin(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    approve(site, capsys)
    with (site / "acme_pumps/__init__.py").open("a") as file:
        file.write("\n")
    assert "it is not what was approved" in refused(site)


def test_a_plugin_that_is_not_named_is_refused_with_the_remedy(site: Path) -> None:
    (site.parent / "plugins.lock").write_text("")
    assert "`fieldgate plugins --lock` prints what approves it" in refused(site)


def test_a_module_of_another_place_is_not_taken_for_the_approved_one(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands before the approved one on Python's path, or the distribution is but a link to it (editable)."""
    approve(site, capsys)
    other = site.parent / "other"
    (other / "acme_pumps").mkdir(parents=True)
    (other / "acme_pumps/__init__.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(other))
    assert "not among the files of acme-pumps" in refused(site)


def test_a_distribution_that_does_not_know_its_files_cannot_be_approved(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / f"{INFO}/RECORD").unlink()
    assert lock(Registry(found(site))) == 1
    assert "does not say which files are its own" in capsys.readouterr().err
    with pytest.raises(ValueError, match="does not say"):
        digest(next(iter(distributions(path=[str(site)]))))


def test_a_file_that_is_gone_is_told(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    approve(site, capsys)
    (site / f"{INFO}/INSTALLER").unlink()
    assert Registry(found(site)).adapter("pumps").__name__ == "Good"
    with (site / f"{INFO}/RECORD").open("a") as record:
        record.write("acme_pumps/more.py,,\n")
    with pytest.raises(ValueError, match=r"acme_pumps/more.py cannot be read: No such file"):
        digest(next(iter(distributions(path=[str(site)]))))


@pytest.mark.parametrize("line", ["acme-pumps", "0123 acme-pumps 1.2", "0" * 64])
def test_a_line_that_is_none_approves_nothing(site: Path, line: str) -> None:
    (site.parent / "plugins.lock").write_text(f"# well\n{line}\n")
    with pytest.raises(ValueError, match=r"plugins\.lock:2: a line is a SHA-256"):
        approvals(site.parent / "plugins.lock")
    assert "plugins.lock:2" in refused(site)


def test_our_own_adapters_need_no_approval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugins.lock").write_text("")
    monkeypatch.setenv("FIELDGATE_PLUGINS", str(tmp_path / "plugins.lock"))
    assert Registry().adapter("sim").__name__
