"""Machines that run in several ways, and ones that stop: learnt, judged and alarmed only where it means something."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.__main__ import main
from gateway.config.assets import AlarmConfig, AssetConfig
from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from gateway.deliver.event import Class
from gateway.ingest.registry import Registry
from gateway.replay import Replay
from gateway.sdk import DeviceConfig, TagConfig

SECOND, ROWS = 10**9, 300
TAGS = ("speed", "flow", "power")
ALARM = AlarmConfig(on_delay=2.0, off_delay=2.0)
SLOW, FAST, STILL = (200.0, 20.0, 5.0), (1000.0, 100.0, 60.0), (0.0, 0.0, 0.3)


class Machine:
    """A pump with three tags; what is sent of it."""

    def __init__(self, **asset: Any) -> None:
        device = DeviceConfig(device="pump", adapter="x", every=1.0, tags={tag: TagConfig() for tag in TAGS})
        config = {"tags": [f"pump.{tag}" for tag in TAGS], "calibrate": ROWS, "alarm": ALARM, "sensors": False} | asset
        self.replay, self.rng = (
            Replay("g", [device], {"pump": AssetConfig.model_validate(config)}),
            np.random.default_rng(0),
        )
        self.time = 1_700_000_000 * SECOND

    def run(self, about: tuple[float, ...], rows: int, **odd: float) -> list[dict[str, Any]]:
        """So many rows around `about`, the tags in `odd` changed by as much; the alarms that are sent."""
        for _ in range(rows):
            self.time += SECOND
            values = np.array(about) * self.rng.normal(1, 0.01, 3) + [odd.get(tag, 0.0) for tag in TAGS]
            self.replay.row(self.time, values)
        return [json.loads(m.body) for m in self.replay.out.take() if m.cls is Class.ALARM]


def told(alarms: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["asset"], one["state"]) for one in alarms]


def test_without_a_condition_a_stop_is_an_alarm() -> None:
    machine = Machine()
    machine.run(FAST, ROWS + 100)
    assert told(machine.run(STILL, 10)) == [("pump", "active-unacknowledged")]


def test_a_stop_is_no_alarm_and_teaches_nothing() -> None:
    machine = Machine(when="pump.speed > 100", settle="5s")
    machine.run(STILL, 500)
    assert machine.replay.pipeline.counters["rows_abstained_not_operating_total"] == 500
    machine.run(FAST, ROWS + 100)
    assert machine.run(STILL, 50) == []
    assert machine.run(FAST, 50) == []  # the first five rows settle
    assert told(machine.run(FAST, 20, power=20.0)) == [("pump", "active-unacknowledged")]


def test_an_alarm_of_a_machine_that_stops_is_suppressed_by_design() -> None:
    machine = Machine(when="pump.speed > 100")
    machine.run(FAST, ROWS + 100)
    machine.run(FAST, 20, power=20.0)
    [suppressed] = machine.run(STILL, 20)
    assert (suppressed["state"], suppressed["previous"]) == ("suppressed", "active-unacknowledged")
    assert "suppressed by design" in suppressed["message"]
    back = told(machine.run(FAST, 20, power=20.0))
    assert back == [("pump", "normal"), ("pump", "active-unacknowledged")]


def test_each_mode_has_a_normal_of_its_own() -> None:
    modes = {
        "slow": {"when": "pump.speed > 50 and pump.speed < 500", "settle": "3s"},
        "fast": {"when": "pump.speed >= 500", "settle": "3s"},
    }
    machine = Machine(modes=modes)
    assert machine.replay.judged.watch.names == ("pump-slow", "pump-fast")
    for _ in range(4):
        assert machine.run(SLOW, 150) == []
        assert machine.run(STILL, 20) == []
        assert machine.run(FAST, 150) == []
    # 40 of power is nothing to a machine that runs fast, were both learnt as one
    assert told(machine.run(SLOW, 30, power=5.0)) == [("pump-slow", "active-unacknowledged")]
    assert told(machine.run(FAST, 30)) == [("pump-slow", "suppressed")]
    assert told(machine.run(FAST, 30, flow=-20.0)) == [("pump-fast", "active-unacknowledged")]


def test_a_limit_of_the_running_machine_is_silent_while_it_rests() -> None:
    rule = {
        "tag": "pump.flow",
        "below": 50.0,
        "when": "pump.speed > 100",
        "alarm": {"on_delay": "0s", "off_delay": "0s"},
    }
    machine = Machine(rules={"dry": rule})
    assert machine.run(STILL, 20) == []
    assert told(machine.run(FAST, 3, flow=-80.0)) == [("pump-dry", "active-unacknowledged")]
    assert told(machine.run(STILL, 3)) == [("pump-dry", "suppressed")]


BAD = [
    ("when: pump.sped > 1", "assets.pump.when: device 'pump' has no tag 'sped' (did you mean 'speed'?)"),
    ("when: pump.speed >", "assets.pump.when"),
    ("when: pump.speed > 1\n    modes: {a: {when: pump.speed > 1}}", "each mode has"),
    ("modes: {a: {when: pimp.speed > 1}}", "assets.pump.modes.a.when: there is no device 'pimp'"),
    ("rules: {r: {tag: pump.flow, above: 1, when: x.y > 1}}", "assets.pump.rules.r.when: there is no device 'x'"),
    (
        "modes: {a: {when: pump.speed > 1}}\n    rules: {a: {tag: pump.flow, above: 1}}",
        "its alarm would be called 'pump-a'",
    ),
]


@pytest.mark.parametrize(("written", "problem"), BAD)
def test_a_condition_that_cannot_be_is_told_with_its_place(tmp_path: Path, written: str, problem: str) -> None:
    site(tmp_path, written)
    with pytest.raises(ConfigErrors) as error:
        load(tmp_path / "fieldgate.yaml", Registry().models())
    assert problem in str(error.value)
    assert "fieldgate.yaml:" in str(error.value)


def site(folder: Path, asset: str) -> None:
    (folder / "devices.d").mkdir()
    (folder / "fieldgate.yaml").write_text(
        "gateway: {id: g}\nassets:\n  pump:\n    tags: [pump.speed, pump.flow, pump.power]\n"
        f"    calibrate: {ROWS}\n    {asset}\n"
    )
    tags = "".join(f"  {tag}: {{at: 'holding:{number}'}}\n" for number, tag in enumerate(TAGS, 1))
    (folder / "devices.d" / "pump.yaml").write_text(
        f"device: pump\nadapter: modbus\nconnect: tcp://127.0.0.1:502\ntags:\n{tags}"
    )


def recording(path: Path, *phases: tuple[tuple[float, ...], int]) -> None:
    rng, lines, second = np.random.default_rng(1), ["timestamp," + ",".join(f"pump.{tag}" for tag in TAGS)], 0
    for about, rows in phases:
        for values in np.array(about) * rng.normal(1, 0.01, (rows, 3)):
            second += 1
            stamp = f"2026-03-14T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
            lines.append(stamp + "," + ",".join(f"{value:.4f}" for value in values))
    path.write_text("\n".join(lines) + "\n")


def test_fit_learns_each_mode_from_its_own_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site(tmp_path, "modes: {slow: {when: pump.speed < 500 and pump.speed > 50}, fast: {when: pump.speed >= 500}}")
    recording(tmp_path / "normal.csv", (SLOW, 200), (STILL, 30), (FAST, 300))
    state = str(tmp_path / "state")
    config = str(tmp_path / "fieldgate.yaml")
    assert main(["fit", str(tmp_path / "normal.csv"), "--config", config, "--state", state]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pump-slow: calibrated from 200 rows",
        "pump-fast: calibrated from 300 rows",
    ]
