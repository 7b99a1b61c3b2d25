"""What the detector promises on recorded machines: docs/detector.md, Figures."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "manifest.json").exists(), reason=f"needs the recordings in {DATA}"),
]


def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("eval_detector", ROOT / "bench" / "eval_detector.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def score(*arguments: str) -> str:
    command = [sys.executable, str(DATA / "score.py"), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stdout


def test_skab_without_labels(tmp_path: Path) -> None:
    bench().evaluate(DATA, "skab", set(), None, tmp_path)
    out: dict[str, Any] = json.loads(score("--root", str(DATA), "--set", "skab", "--pred", str(tmp_path), "--json"))
    assert not out["missing"]
    assert out["F1"] >= 0.80
    assert out["FAR"] <= 25
    assert out["mean_vus_pr"] >= 0.89


@pytest.mark.parametrize("series", ["valve1_3", "other_9"])
def test_a_score_does_not_depend_on_what_comes_after_it(tmp_path: Path, series: str) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder, rows in ((whole, None), (cut, 700)):
        folder.mkdir()
        bench().evaluate(DATA, "skab", {series}, rows, folder)
    assert "differ 0" in score("--prefix-check", str(whole / f"{series}.csv"), str(cut / f"{series}.csv"))
