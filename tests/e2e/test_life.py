"""Starting, answering and ending: what an operator and systemd rely on."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.common import CONFIGURATION, FAILED, OK
from tests.e2e.site import Site, farm, farm_devices, until

ASSET = {"tags": ["farm-0.r8", "farm-1.r9"], "calibrate": 50}


@pytest.fixture(scope="module")
def site(place: Path) -> Iterator[Site]:
    """A gateway with two devices and an asset, and no broker."""
    with farm(place, 2) as (_, ready), Site(place, farm_devices(ready), telemetry="all", assets={"pair": ASSET}) as one:
        one.start()
        until(lambda: one.reads("farm-0") and one.reads("farm-1"), "both are read")
        yield one


def simulated(**more: Any) -> dict[str, Any]:
    return {"device": "bench", "adapter": "sim", "tags": {"level": {"wave": "sine"}}, **more}


def test_the_web_paths_answer(site: Site) -> None:
    assert json.loads(site.get("/healthz")[1]) == {"alive": True}
    assert site.get("/readyz") == (200, '{"ready":true}')
    code, metrics = site.get("/metrics")
    assert code == 200
    samples = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert samples['fieldgate_device_up{device="farm-1"}'] == "1.0"
    assert float(samples["fieldgate_readings_total"]) > 0
    until(lambda: site.part("broker"), "the broker has been looked after")
    assert all(site.part(name) for name in ("outbox", "device farm-0", "device farm-1"))
    assert site.get("/nothing")[0] == 404


def test_status_tells_a_person_and_a_program(site: Site) -> None:
    asked = site.verb("status", "--state", str(site.state), "--json")
    assert asked.returncode == OK, asked.stderr
    document = json.loads(asked.stdout)
    assert {asset["asset"] for asset in document["assets"]} == {"pair"}
    told = site.verb("status", "--state", str(site.state))
    assert told.returncode == OK, told.stderr
    assert "pair" in told.stdout
    assert "broker away" in told.stdout


def test_why_names_what_is_in_the_way(site: Site) -> None:
    asked = site.verb("why", "farm-0.r8", "--state", str(site.state), "--json")
    assert asked.returncode == OK, asked.stderr
    assert json.loads(asked.stdout)["culprit"] == "broker"  # there is none, and all values are sent
    told = site.verb("why", "pair", "--state", str(site.state))
    assert told.returncode == OK, told.stderr
    assert "2 devices answer" in told.stdout
    wrong = site.verb("why", "farm-0.r999", "--state", str(site.state))
    assert wrong.returncode == FAILED
    assert "there is no tag and no asset 'farm-0.r999'; did you mean" in wrong.stderr


def test_read_shows_every_tag_while_the_gateway_runs(site: Site) -> None:
    asked = site.verb("read", "--json")
    assert asked.returncode == OK, asked.stderr
    rows = {row["tag"]: row for row in json.loads(asked.stdout)}
    assert len(rows) == 24
    assert all(row["status"] == "Good" for row in rows.values())
    count = int(rows["farm-1.r1"]["value"])
    assert rows["farm-1.r9"]["value"] == 257 * 9 + count % 64
    one = site.verb("read", "farm-0.r7")
    assert one.returncode == OK, one.stderr
    assert one.stdout.split()[0] == "farm-0.r7"
    assert one.stdout.split()[-1] == "Good"


def test_a_second_gateway_on_the_same_state_is_refused(site: Site) -> None:
    second = site.verb("run", "--state", str(site.state))
    assert second.returncode == FAILED
    assert site.gateway is not None
    assert f"(pid {site.gateway.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr
    assert site.status()["gateway"] == "bench"


def test_replay_gives_the_alarms_of_a_recording(site: Site, tmp_path: Path) -> None:
    recording = tmp_path / "day.csv"
    values = [(60 + n * 7 % 5, 80 - n * 3 % 7) for n in range(300)]
    values += [(75 + n * 7 % 5, 80 - n * 3 % 7) for n in range(300, 400)]  # a level that it never had
    lines = [f"2024-05-01T12:{n // 60:02}:{n % 60:02}Z,{a},{b}" for n, (a, b) in enumerate(values)]
    recording.write_text("\n".join(["timestamp,farm-0.r8,farm-1.r9", *lines]))
    played = site.verb("replay", str(recording))
    assert played.returncode == OK, played.stderr
    told = [json.loads(line) for line in played.stdout.splitlines()]
    alarm = next(event for event in told if event["type"] == "alarm")
    assert (alarm["asset"], alarm["state"]) == ("pair", "active-unacknowledged")
    assert alarm["contributions"][0]["tag"] == "farm-0.r8"
    assert played.stdout == site.verb("replay", str(recording)).stdout


def test_sigterm_ends_it_quickly_and_well_with_devices_silent_and_no_broker(tmp_path: Path) -> None:
    with farm(tmp_path, 3) as (devices, ready), Site(tmp_path, farm_devices(ready), telemetry="all") as site:
        site.start()
        until(lambda: site.reads("farm-0"), "it reads")
        devices.tell("silent 1 on")
        devices.tell("refuse 2 on")
        until(lambda: site.lost("farm-1") and site.lost("farm-2"), "two are lost")
        began = time.monotonic()
        assert site.stop() == OK
        assert time.monotonic() - began < 5.0
    assert "Traceback" not in site.log.read_text()


@pytest.mark.parametrize(
    ("device", "word"),
    [
        (simulated(every="fast"), "every"),
        (simulated(adapter="modbuss"), "there is no adapter 'modbuss'"),
        (simulated(tags={"level": {"wave": "sinus"}}), "wave"),
    ],
    ids=["a duration", "an adapter", "an option"],
)
def test_a_wrong_configuration_ends_with_78_and_names_the_place(
    tmp_path: Path, device: dict[str, Any], word: str
) -> None:
    with Site(tmp_path, [device]) as site:
        said = site.verb("run", "--state", str(site.state))
        assert said.returncode == CONFIGURATION
        assert word in said.stderr
        assert "devices.d/bench.yaml:" in said.stderr
        assert "Traceback" not in said.stderr
        assert not list(site.state.iterdir())
