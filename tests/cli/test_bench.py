"""`fieldgate bench self`: real runs of a real gateway, smaller than an operator's, and what `check` makes of them."""

import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.cli import bench
from gateway.cli.bench import Shape


def test_the_machine_is_measured_and_check_reckons_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "SHAPES", (Shape(1, 8), Shape(10, 8), Shape(10, 80)))
    monkeypatch.setattr(bench, "SETTLE", 1.5)
    (tmp_path / "state").mkdir()
    (tmp_path / "devices.d").mkdir()
    (tmp_path / "devices.d/bench.yaml").write_text("device: bench\nadapter: sim\ntags: {level: {}}\n")
    config = tmp_path / "fieldgate.yaml"
    config.write_text(f"gateway: {{id: a, state: {tmp_path}/state}}\n")
    assert main(["bench", "self", "--config", str(config), "--for", "2s", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert 20e6 < figures["base"] < 400e6
    assert 5 < figures["reading"] < 60, "bytes of a value on disk"
    assert figures["scan"] < 0.02
    assert json.loads((tmp_path / "state/self.json").read_text()) == figures
    assert main(["check", "--config", str(config)]) == 0
    assert f"measured here on {figures['measured']}" in capsys.readouterr().out


def test_figures_that_cannot_be_kept_are_printed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "measured", lambda _shape, _lasts: bench.Seen(0.1, 80e6, 1000.0))
    assert main(["bench", "self", "--config", str(tmp_path / "none.yaml"), "--state", str(tmp_path / "none")]) == 0
    told = capsys.readouterr()
    assert "at rest" in told.out
    assert "the figures are not kept, see --state" in told.err
