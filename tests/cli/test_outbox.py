"""An outbox on disk, looked at by its verbs: what waits, what is damaged, what it says. Looking changes nothing."""

import json
from pathlib import Path

import orjson
import pytest

from gateway.__main__ import main
from gateway.config.schema import OutboxConfig
from gateway.deliver.event import Class
from gateway.deliver.outbox import Outbox
from gateway.ops.files import RealFiles
from gateway.sdk.testing import FakeClock
from tests.deliver.sparkplug.rig import Plant

SENT = 3  # of 10 that are acknowledged


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Ten readings of a device, of which three are delivered, and an alarm that is not."""
    clock = FakeClock()
    outbox = Outbox(RealFiles(), tmp_path / "outbox", OutboxConfig(), clock)
    outbox.open()
    for number in range(10):
        sequence = outbox.reserve(Class.TELEMETRY)
        outbox.put(Class.TELEMETRY, sequence, "plant/telemetry/d", orjson.dumps({"n": number}), 40)
    outbox.put(Class.ALARM, outbox.reserve(Class.ALARM), "plant/alarm/pump", b'{"asset":"pump"}', 0)
    outbox.step()
    for record in outbox.take(SENT, [Class.TELEMETRY]):
        outbox.ack(record.cls, record.sequence)
    clock.advance(2.0)
    outbox.step()
    return tmp_path


def everything(state: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (state / "outbox").iterdir()}


def test_stat_tells_what_waits(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(state)
    assert main(["outbox", "stat", "--state", str(state), "--json"]) == 0
    classes = json.loads(capsys.readouterr().out)["classes"]
    assert classes["telemetry"]["messages"] == 10 - SENT
    assert classes["telemetry"]["readings"] == 40 * (10 - SENT)
    assert classes["alarm"]["messages"] == 1
    assert classes["event"]["messages"] == 0
    assert main(["outbox", "stat", "--state", str(state)]) == 0
    assert "7 messages (280 readings) wait" in capsys.readouterr().out
    assert everything(state) == before


def test_export_writes_what_waits_or_all(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outbox", "export", "--state", str(state)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == [{"asset": "pump"}, *({"n": n} for n in range(SENT, 10))]
    assert lines[1]["topic"] == "plant/telemetry/d"
    assert main(["outbox", "export", "--state", str(state), "--all", "--class", "telemetry"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_export_shows_the_metrics_of_an_edge_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plant = Plant(tmp_path, 1883)
    time = plant.scan("tank-1", 40.5, "text")
    plant.outbox.step()
    assert main(["outbox", "export", "--state", str(tmp_path)]) == 0
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert line["topic"] == "spBv1.0/plant/DDATA/line-3/tank-1"
    assert [(one["timestamp"], one["value"]) for one in line["metrics"]] == [(time, 40.5), (time, "text")]


def test_verify_finds_a_flipped_bit_and_an_unfinished_end(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [segment] = (state / "outbox").glob("telemetry-*.seg")
    assert main(["outbox", "verify", "--state", str(state)]) == 0
    assert "whole: 2 segments" in capsys.readouterr().out
    sound = segment.read_bytes()
    segment.write_bytes(sound + sound[-30:-3])
    assert main(["outbox", "verify", "--state", str(state)]) == 0
    assert "27 bytes at an end are unfinished" in capsys.readouterr().out
    at = sound.index(b'{"n":4}') + 5
    segment.write_bytes(sound[:at] + b"7" + sound[at + 1 :])
    assert main(["outbox", "verify", "--state", str(state)]) == 1
    assert "telemetry-000000000001.seg messages 5 to 5 may be lost" in capsys.readouterr().out


def test_without_an_outbox_it_says_where_it_looked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outbox", "stat", "--state", str(tmp_path)]) == 1
    assert str(tmp_path / "outbox") in capsys.readouterr().err


def test_looking_at_a_running_outbox_disturbs_nothing(tmp_path: Path) -> None:
    outbox = Outbox(RealFiles(), tmp_path / "outbox", OutboxConfig(), FakeClock())
    outbox.open()
    for number in range(5):
        outbox.put(Class.EVENT, outbox.reserve(Class.EVENT), "plant/event/x", orjson.dumps({"n": number}), 0)
        outbox.step()
        assert main(["outbox", "stat", "--state", str(tmp_path), "--json"]) == 0
    assert [orjson.loads(record.body)["n"] for record in outbox.take(10)] == list(range(5))
