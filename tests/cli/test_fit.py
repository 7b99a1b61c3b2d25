"""From a recording to a calibrated detector and a page to look at."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from gateway.__main__ import main
from gateway.cli.common import FAILED, OK
from gateway.cli.history import runs
from gateway.cli.replay import read
from gateway.config.load import load
from gateway.ingest.registry import Registry
from gateway.models.learning import Learning
from gateway.models.recorder import Recorder
from gateway.ops.lock import lock
from gateway.replay import Recording, Replay
from gateway.stages.score import Abstain
from gateway.state.store import StateStore

TAGS = ("flow", "power", "heat", "speed")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "devices.d").mkdir()
    tags = ", ".join(f"pump.{tag}" for tag in TAGS)
    (tmp_path / "fieldgate.yaml").write_text(
        f"gateway: {{id: x, state: {tmp_path / 'state'}}}\nassets:\n  pump: {{tags: [{tags}], calibrate: 100}}\n"
    )
    device = "\n".join(f"  {tag}: {{unit: u}}" for tag in TAGS)
    (tmp_path / "devices.d" / "pump.yaml").write_text(f"device: pump\nadapter: sim\nevery: 1s\ntags:\n{device}\n")
    return tmp_path


def recording(home: Path, name: str, rows: int, fault: slice = slice(0, 0)) -> Path:
    """A CSV file of the pump; during `fault` two of its tags are off."""
    rng = np.random.default_rng(len(name))
    x = rng.normal(10, 1, (rows, len(TAGS)))
    label = np.zeros(rows)
    x[fault, :2] += 30
    label[fault] = 1
    lines = [",".join(["timestamp", *(f"pump.{tag}" for tag in TAGS), "label"])]
    for i in range(rows):
        stamp = f"2026-01-01T00:{i // 60:02}:{i % 60:02}"
        lines.append(",".join([stamp, *(f"{v:.6f}" for v in x[i]), str(int(label[i]))]))
    path = home / name
    path.write_text("\n".join(lines) + "\n")
    return path


class Page(HTMLParser):
    """Refuses what is not closed, and what would be fetched."""

    VOID = ("meta", "!doctype")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "iframe")
        assert not any(name in ("src", "href") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def restored(home: Path) -> Replay:
    """What a gateway has at its start."""
    configuration = load(home / "fieldgate.yaml", Registry().models())
    replay = Replay("x", configuration.devices, configuration.root.assets)
    store = StateStore(home / "state" / "state.db")
    Learning(replay.judged, lambda _asset, _rows: None, None).restore(store)
    store.close()
    return replay


def test_what_is_fitted_is_found_by_a_gateway(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, page = recording(home, "good.csv", 300), home / "fit.html"
    assert main(["fit", str(good), "--config", str(home / "fieldgate.yaml"), "--report", str(page)]) == OK
    assert capsys.readouterr().out == "pump: calibrated from 300 rows\n"
    Page(page.read_text())
    replay = restored(home)
    assert replay.judged.detectors[0].status(0) is Abstain.NONE
    for time, values, _ in read(Recording(good), replay.table):
        replay.row(time, values)
        assert replay.score < 3


def test_the_detector_beside_a_users_model_is_fitted_too_and_rules_are_not(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asset = "model: bundles/own, fallback: default, rules: {hot: {tag: pump.heat, above: 90}}"
    text = (home / "fieldgate.yaml").read_text()
    (home / "fieldgate.yaml").write_text(text.replace("calibrate: 100", asset))
    assert main(["fit", str(recording(home, "good.csv", 300)), "--config", str(home / "fieldgate.yaml")]) == OK
    assert capsys.readouterr().out == "pump: calibrated from 300 rows\n"
    replay = restored(home)
    assert replay.judged.detectors[0].status(0) is Abstain.NONE


def test_a_bundle_is_written_that_can_be_packed_and_is_judged_by_elsewhere(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, folder, out = recording(home, "good.csv", 300), home / "pump-model", home / "bundles" / "pump.tar"
    out.parent.mkdir()
    config = str(home / "fieldgate.yaml")
    assert main(["fit", str(good), "--config", config, "--bundle", str(folder)]) == OK
    assert capsys.readouterr().out.startswith(f"{folder}: pump 1.0, calibrated from 300 rows; `fieldgate model pack")
    assert not (home / "state").exists(), "nothing is kept here"
    (home / "keys").mkdir()
    assert main(["model", "keygen", str(home / "keys" / "plant")]) == OK
    assert main(["model", "pack", str(folder), "--key", str(home / "keys" / "plant.key"), "--out", str(out)]) == OK
    text = (home / "fieldgate.yaml").read_text().replace("calibrate: 100", "model: bundles/pump")
    (home / "fieldgate.yaml").write_text(f"models: {{keys: keys}}\n{text}")
    capsys.readouterr()
    day = recording(home, "day.csv", 600, slice(300, 400))
    assert main(["replay", str(day), "--config", config]) == OK
    bodies = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    raised = [body for body in bodies if body.get("state") == "active-unacknowledged"]
    assert raised[0]["model"] == {"name": "bundles/pump", "version": "1.0"}
    assert {part["tag"] for part in raised[0]["contributions"][:2]} == {"pump.flow", "pump.power"}


def test_without_its_bundle_a_replay_falls_back_as_the_gateway_does(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, day = home / "fieldgate.yaml", recording(home, "day.csv", 600, slice(300, 400))
    text = path.read_text()
    path.write_text(text.replace("calibrate: 100", "calibrate: 100, model: bundles/none"))
    assert main(["replay", str(day), "--config", str(path)]) == FAILED
    assert "no version of none is active" in capsys.readouterr().err
    path.write_text(text.replace("calibrate: 100", "calibrate: 100, model: bundles/none, fallback: default"))
    assert main(["replay", str(day), "--config", str(path)]) == OK
    bodies = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [body["model"]["name"] for body in bodies if body.get("state") == "active-unacknowledged"] == ["default"]


def test_a_bundle_of_too_few_rows_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = recording(home, "short.csv", 150)
    asked = ["fit", str(short), "--config", str(home / "fieldgate.yaml"), "--bundle", str(home / "out")]
    assert main(asked) == FAILED
    assert "it has 150 rows, 180 are needed" in capsys.readouterr().err


def test_a_recording_that_is_too_short_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = recording(home, "short.csv", 40)
    assert main(["fit", str(short), "--config", str(home / "fieldgate.yaml")]) == FAILED
    assert "40 rows with enough good tags, 50 are needed" in capsys.readouterr().err
    assert not (home / "state").exists()


def test_an_asset_that_does_not_exist_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = recording(home, "good.csv", 100)
    assert main(["fit", str(good), "--config", str(home / "fieldgate.yaml"), "--asset", "valve"]) == FAILED
    assert "pump" in capsys.readouterr().err


def test_a_running_gateway_is_not_interfered_with(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = recording(home, "good.csv", 100)
    (home / "state").mkdir()
    lock(home / "state")
    assert main(["fit", str(good), "--config", str(home / "fieldgate.yaml")]) == FAILED
    assert "in use by another fieldgate" in capsys.readouterr().err


def test_a_replay_shows_the_alarm_and_its_figures(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day, page = recording(home, "day.csv", 600, slice(300, 400)), home / "day.html"
    assert main(["replay", str(day), "--config", str(home / "fieldgate.yaml"), "--report", str(page)]) == OK
    bodies = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    raised = [body for body in bodies if body.get("state") == "active-unacknowledged"]
    assert {part["tag"] for part in raised[0]["contributions"][:2]} == {"pump.flow", "pump.power"}
    text = page.read_text()
    Page(text)
    for part in ("segments hit", "1/1", "active-unacknowledged", "pump.heat", "Contributions"):
        assert part in text


def test_the_gateways_own_recording_is_as_good_as_a_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", str(home / "fieldgate.yaml")]) == FAILED
    assert "recording.keep" in capsys.readouterr().err
    recorder = Recorder(home / "state" / "recording", ["pump"], [[f"pump.{tag}" for tag in TAGS]], 2**20)
    rng = np.random.default_rng(0)
    for second in range(200):
        row = np.full(1, 1_700_000_000_000_000_000 + second * 1_000_000_000), rng.normal(10, 1, (1, 4))
        recorder.note(np.zeros(1, np.int64), *row)
    recorder.write(recorder.take())
    assert main(["fit", "--config", str(home / "fieldgate.yaml")]) == OK
    assert capsys.readouterr().out == "pump: calibrated from 200 rows\n"


def test_an_answer_is_left_for_the_gateway(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ["--config", str(home / "fieldgate.yaml")]
    assert main(["asset", "accept", "pump", *config]) == OK
    assert main(["asset", "accept", "valve", *config]) == FAILED
    assert "there are pump" in capsys.readouterr().err
    assert len(list((home / "state" / "answers").iterdir())) == 1


def test_runs_with_a_short_gap_are_one() -> None:
    mask = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1], bool)
    assert runs(mask, 0) == [(1, 2), (4, 4), (8, 8)]
    assert runs(mask, 1) == [(1, 4), (8, 8)]
    assert runs(np.zeros(3, bool), 1) == []
