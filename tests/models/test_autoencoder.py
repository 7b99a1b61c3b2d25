"""A user's real model goes the documented way (docs/models.md): fitted, packed, verified, shadowed, promoted.

The model is a linear autoencoder over five rows of the eight tags of SKAB, fitted on its anomaly-free recording.
"""

import csv
import gzip
import json
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from onnx import helper

from gateway.cli.common import CONFIGURATION, FAILED, OK
from gateway.models.providers import Model
from gateway.models.session import open_session
from tests.e2e.site import Site, until
from tests.models.made import constant, info, node, serialised

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "skab"
WINDOW, CODE = 5, 12

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the recordings in {DATA}"),
]


def column(path: Path, *names: str) -> NDArray[np.float64]:
    """Columns of a recording; all but the time unless named."""
    with gzip.open(path, "rt") as file:
        lines = list(csv.DictReader(file))
    wanted = names or tuple(lines[0])[1:]
    return np.array([[float(line[name]) for name in wanted] for line in lines])


def tags() -> list[str]:
    with gzip.open(DATA / "anomaly-free.csv.gz", "rt") as file:
        return [name.replace(" ", "_") for name in next(csv.reader(file))[1:]]


@dataclass
class Fitted:
    model: bytes
    manifest: dict[str, Any]

    def write(self, folder: Path, version: str) -> Path:
        """The folder that a data scientist brings."""
        folder.mkdir(exist_ok=True)
        (folder / "model.onnx").write_bytes(self.model)
        (folder / "manifest.json").write_text(json.dumps({**self.manifest, "version": version}))
        return folder


def windows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.lib.stride_tricks.sliding_window_view(rows, WINDOW, axis=0).transpose(0, 2, 1)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    rows = column(DATA / "anomaly-free.csv.gz")
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    flat = windows((rows - mean) / scale).reshape(len(rows) - WINDOW + 1, -1)
    *_, axes = np.linalg.svd(flat, full_matrices=False)
    code = axes[:CODE].T.astype(np.float32)
    error = np.sqrt(((flat - flat @ code @ code.T) ** 2).mean(axis=1))
    size = rows.shape[1]
    nodes = [
        node("Reshape", "x flat_shape", "flat"), node("MatMul", "flat encode", "code"),
        node("MatMul", "code decode", "again_flat"), node("Reshape", "again_flat window_shape", "again"),
    ]  # fmt: skip
    constants = [
        constant(code, "encode"), constant(code.T.copy(), "decode"),
        constant(np.array([-1, WINDOW * size]), "flat_shape"), constant(np.array([-1, WINDOW, size]), "window_shape"),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "autoencoder", [info("x", None, WINDOW, size)], [info("again", None, WINDOW, size)], constants
    )
    manifest = {
        "name": "skab",
        "version": "1.0",
        "inputs": [
            {"role": name, "mean": m, "scale": s, "low": low, "high": high}
            for name, m, s, low, high in zip(
                tags(), mean.tolist(), scale.tolist(), rows.min(axis=0).tolist(), rows.max(axis=0).tolist(), strict=True
            )
        ],
        "window": {"rows": WINDOW, "hold": 3},
        "outputs": {"reconstruction": "again"},
        "threshold": float(np.quantile(error, 0.999)) * 1.2,
        "golden": {"rows": rows[100 : 100 + WINDOW].tolist()},
    }
    return Fitted(serialised(graph), manifest)


def test_it_tells_the_faults_of_skab_from_its_normal_running(fitted: Fitted, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(fitted.model)
    mean = [one["mean"] for one in fitted.manifest["inputs"]]
    scale = [one["scale"] for one in fitted.manifest["inputs"]]
    outputs = {"score": None, "contributions": None, "reconstruction": "again"}
    model = Model(open_session(path), {"input": "x", "outputs": outputs, "mean": mean, "scale": scale}, ())
    calm = model(windows(column(DATA / "anomaly-free.csv.gz"))).score
    assert (calm > fitted.manifest["threshold"]).mean() < 0.01
    name = "valve1_3.csv.gz"
    answers = model(windows(column(DATA / "data" / name)))
    label = column(DATA / "labels" / name, "label")[WINDOW - 1 :, 0] > 0
    assert np.median(answers.score[label]) > np.median(answers.score[~label])
    np.testing.assert_allclose(answers.contrib.sum(axis=1), 1.0, rtol=1e-5)


def chapter() -> str:
    """How docs/models.md says that it is done, for a model of this name."""
    return (ROOT / "docs/models.md").read_text().partition("## The manifest")[0].replace("pump-7", "skab")


def documented() -> list[list[str]]:
    """The commands of the chapter, in its order, as the words after `fieldgate model`."""
    lines = [line.strip() for line in chapter().splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith("fieldgate model ")]


def configured() -> dict[str, Any]:
    """What the chapter writes into `fieldgate.yaml`."""
    block = chapter().partition("\n   models:")[2].partition("```")[0]
    found: dict[str, Any] = yaml.safe_load(textwrap.dedent(f"   models:{block}"))
    return found


class Plant:
    """A gateway whose one asset is judged by the bundle skab, and an operator at its command line."""

    def __init__(self, folder: Path) -> None:
        waves = {name: {"wave": "noise"} for name in tags()}
        device = {"device": "bench", "adapter": "sim", "every": "50ms", "tags": waves}
        written = configured()
        model = written["assets"]["skab"]["model"]
        asset = {"tags": [f"bench.{name}" for name in waves], "model": model, "alarm": {"on_delay": "200ms"}}
        models = {**written["models"], "rows": 20, "deadline": "5s"}
        for name in ("keys", "bundles"):
            (folder / name).mkdir()
        self.folder = folder
        self.site = Site(folder, [device], assets={"valve": asset}, models=models, telemetry="off")

    def model(self, verb: str, *arguments: str) -> tuple[int, str, str]:
        """`fieldgate model …`, in the folder of the configuration."""
        located: list[str | Path] = ["--config", self.site.config] if verb not in ("keygen", "pack") else []
        located += ["--state", self.site.state] if verb in ("list", "shadow", "promote", "rollback") else []
        command = [sys.executable, "-m", "gateway", "model", verb, *arguments, *located]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60.0, check=False, cwd=self.folder)
        return ran.returncode, ran.stdout, ran.stderr


def test_packed_verified_shadowed_and_promoted_by_the_documented_steps(fitted: Fitted, tmp_path: Path) -> None:
    """Every command of docs/models.md, word by word, in its order; between them what the text says."""
    plant, steps = Plant(tmp_path), documented()
    verbs = ["keygen", "pack", "verify", "pack", "shadow", "list", "promote", "rollback"]
    assert [step[0] for step in steps] == verbs, "the chapter and this test tell the same story"
    make_and_check(plant, fitted, steps[:3])
    with plant.site as site:
        site.start()
        valve = until(lambda: (one := site.asset("valve"))["alarm"] == "active-unacknowledged" and one, "it alarms")
        assert valve["score"] > valve["threshold"] == pytest.approx(fitted.manifest["threshold"], abs=1e-3)
        try_and_exchange(plant, fitted, steps[3:])
    assert "Traceback" not in site.log.read_text()


def make_and_check(plant: Plant, fitted: Fitted, steps: Sequence[Sequence[str]]) -> None:
    """On the maker's desk: a key, a folder, a signed bundle."""
    folder, (keygen, pack, verify) = plant.folder, steps
    fitted.write(folder / "skab-model", "1.0")
    assert plant.model(*keygen)[0] == OK
    assert (folder / "plant.key").stat().st_mode & 0o077 == 0
    (folder / "plant.pub").rename(folder / "keys/plant.pub")
    assert (packed := plant.model(*pack))[0] == OK, packed
    code, said, _ = plant.model(*verify, "--json")
    assert (code, json.loads(said)["provider"]) == (OK, "cpu")
    code, said, _ = plant.model("verify", "skab-model")
    assert (code, said.partition(":")[0]) == (FAILED, "refused"), "it is not signed"


def try_and_exchange(plant: Plant, fitted: Fitted, steps: Sequence[Sequence[str]]) -> None:
    """On the plant floor, while the gateway runs."""
    pack, shadow, look, promote, rollback = steps
    fitted.write(plant.folder / "skab-model", "1.1")
    assert (packed := plant.model(*pack))[0] == OK, packed
    assert plant.model(*shadow) == (OK, "1.1 is shadow\n", "")
    report = plant.site.state / "models/skab/report.txt"
    until(lambda: report.exists() and "kept  rows" in report.read_text(), "they are compared", 60.0)
    assert "windows scored by both" in plant.model(*look)[1]
    assert plant.model(*promote) == (OK, "1.0 is standby; 1.1 is active\n", "")
    [state] = plant.site.status()["models"]
    assert (state["active"], state["provider"], state.get("calls_failed", 0)) == ("1.1", "cpu", 0)
    assert plant.model(*rollback)[0] == OK
    assert "1.0          active" in plant.model(*look)[1]
    assert plant.model("promote", "other")[0] == FAILED


def test_a_recording_is_replayed_through_the_model(fitted: Fitted, tmp_path: Path) -> None:
    """What the daemon would have said to valve1_3: the same scores as the model gives by itself."""
    plant = Plant(tmp_path)
    make_and_check(plant, fitted, documented()[:3])
    rows, label = (
        column(DATA / kind / "valve1_3.csv.gz", *names) for kind, names in (("data", ()), ("labels", ("label",)))
    )
    start = datetime(2020, 3, 9, tzinfo=UTC)
    with (tmp_path / "valve.csv").open("w") as file:
        file.write("timestamp," + ",".join(f"bench.{name}" for name in tags()) + "\n")
        for second, row in enumerate(rows):
            file.write((start + timedelta(seconds=second)).isoformat() + "," + ",".join(map(repr, row.tolist())) + "\n")
    ran = plant.site.verb("replay", str(tmp_path / "valve.csv"), "--state", str(plant.site.state))
    assert ran.returncode == OK, ran.stderr
    alarms = [one for line in ran.stdout.splitlines() if (one := json.loads(line)).get("asset") == "valve"]
    raised = [one for one in alarms if one["state"] == "active-unacknowledged"]
    assert raised
    assert {(one["model"]["name"], one["model"]["version"]) for one in raised} == {("bundles/skab", "1.0")}
    mean, scale = (np.array([one[key] for one in fitted.manifest["inputs"]]) for key in ("mean", "scale"))
    again = windows((rows - mean) / scale)
    model = open_session_of(fitted, tmp_path)
    error = np.sqrt(((again - model(again)) ** 2).mean(axis=(1, 2)))
    for one in raised:
        at = round((datetime.fromisoformat(one["time"]) - start).total_seconds())
        assert one["score"] == pytest.approx(float(error[at - WINDOW + 1]), rel=1e-3)
    first = round((datetime.fromisoformat(raised[0]["time"]) - start).total_seconds())
    assert label[first:, 0].any()


def open_session_of(fitted: Fitted, folder: Path) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """The graph alone: windows in, windows out."""
    (folder / "alone.onnx").write_bytes(fitted.model)
    session = open_session(folder / "alone.onnx")
    return lambda x: session.run(["again"], {"x": x.astype(np.float32)})[0].astype(float)


def test_a_wrong_name_of_a_model_is_named_by_check(tmp_path: Path) -> None:
    device = {"device": "bench", "adapter": "sim", "tags": {"a": {"wave": "noise"}}}
    with Site(tmp_path, [device], assets={"valve": {"tags": ["bench.a"], "model": "../x"}}) as site:
        ran = site.verb("check")
    assert ran.returncode == CONFIGURATION
    assert "assets.valve.model" in ran.stdout
