"""A configuration that changes while the gateway runs: nobody else notices, and what is wrong or unconfirmed goes."""

import csv
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.kill import Broker
from gateway.changes import CHANGES
from gateway.cli.common import CONFIGURATION, FAILED, OK, TRY_LATER
from gateway.ops.inbox import Inbox
from tests.e2e.site import Farm, Listener, Site, farm, farm_devices, until

DEVICES = 100
PERIOD = 0.2
CHANGED = "farm-50"
HIGH = {"high": {"tag": "farm-1.r9", "above": 10}}
ASSETS = {"pair": {"tags": ["farm-98.r8", "farm-99.r9"], "calibrate": 50, "rules": HIGH}}
EXTRA = {"at": "holding:7", "type": "uint16"}
RELOADS = 1000 if os.environ.get("FIELDGATE_FULL") == "1" else 25


@pytest.fixture(scope="module")
def fields(place: Path) -> Iterator[Farm]:
    with farm(place, DEVICES, period="200ms") as one:
        yield one


@pytest.fixture(scope="module")
def site(place: Path, fields: Farm, post: Broker) -> Iterator[Site]:
    """A gateway before a hundred devices; an alarm stands, and is acknowledged."""
    with Site(place, farm_devices(fields[1]), post.port, telemetry="all", assets=ASSETS) as one:
        one.start()
        until(lambda: all(one.reads(f"farm-{i}") for i in range(DEVICES)), "all are read")
        until(lambda: alarm(one) == "active-unacknowledged", "the alarm is raised")
        one.verb("alarms", "ack", "pair-high", "--state", str(one.state))
        until(lambda: alarm(one) == "active-acknowledged", "the alarm is acknowledged")
        yield one


@pytest.fixture(autouse=True)
def as_before(site: Site, fields: Farm) -> Iterator[None]:
    """Every test leaves the files, and what runs, as they were."""
    yield
    for device in farm_devices(fields[1]):
        write(site, device)
    asked(site, verb="revert")
    asked(site, verb="apply")
    until(lambda: site.reads(CHANGED), "it is read again")


def alarm(site: Site) -> str:
    return str(site.asset("pair-high")["alarm"])


def write(site: Site, device: dict[str, Any]) -> None:
    (site.folder / "devices.d" / f"{device['device']}.yaml").write_text(json.dumps(device))


def changed(fields: Farm, **tags: Any) -> dict[str, Any]:
    """The device that changes, with other tags."""
    device = farm_devices(fields[1])[50]
    return device | {"tags": device["tags"] | tags}


def asked(site: Site, **note: Any) -> dict[str, Any]:
    """What the gateway answers to a note."""
    inbox = Inbox(site.state, CHANGES)
    answer = inbox.answered(inbox.leave({"by": "test", **note}), 60.0)
    assert answer is not None
    return answer


def events(ear: Listener, what: str, since: int) -> list[str]:
    """What the plant was told of configurations that were applied, reverted, refused."""
    return [event["text"] for event in ear.told("event", since, kind=f"configuration {what}")]


def answers(site: Site, since: float) -> dict[int, list[tuple[int, float]]]:
    """(count, wall s) of every read that each device has answered since then."""
    found: dict[int, list[tuple[int, float]]] = {}
    with (site.folder / "journal.csv").open() as journal:
        for device, count, wall in csv.reader(journal):
            if int(wall) / 1e6 >= since:
                found.setdefault(int(device), []).append((int(count), int(wall) / 1e6))
    return found


def test_the_others_are_not_disturbed_and_alarms_are_kept(site: Site, fields: Farm) -> None:
    """No read of the other 99 is missed; none comes later than a period late on an idle machine (bench/reload.py)."""
    began = time.time() - 1.0
    raised = site.status()["alarms"]
    write(site, changed(fields, extra=EXTRA))
    done = site.verb("apply", "--state", str(site.state), "--by", "ada", "--comment", "one more")
    assert done.returncode == OK, done.stderr
    assert done.stdout.splitlines()[:2] == [f"+ tag {CHANGED}.extra", "1 tag added"]
    until(lambda: site.reads(CHANGED), "it is read with its new tag")
    time.sleep(3 * PERIOD)
    for device, reads in answers(site, began).items():
        assert [count for count, _ in reads] == list(range(reads[0][0], reads[-1][0] + 1))
        if f"farm-{device}" != CHANGED:
            assert max(after - before for (_, before), (_, after) in itertools.pairwise(reads)) < 1.0
    assert alarm(site) == "active-acknowledged"
    assert site.status()["alarms"] == raised
    for name in ("farm-0", "farm-99"):  # before and behind the device that has one more tag
        assert site.get("/metrics")[1].count(f'connects_total{{connection="{url(fields, name)}"}} 1.0') == 1
    last = site.verb("history", "--state", str(site.state), "--json")
    newest = json.loads(last.stdout)[-1]
    assert (newest["by"], newest["comment"], newest["runs"]) == ("ada", "one more", True)


def url(fields: Farm, name: str) -> str:
    return (
        str(farm_devices(fields[1])[int(name.removeprefix("farm-"))]["connect"])
        .partition("?")[0]
        .removeprefix("tcp://")
    )


def test_tags_behind_a_device_that_grows_keep_their_values(site: Site, fields: Farm, ear: Listener) -> None:
    until(lambda: all(site.reads(f"farm-{i}") for i in range(DEVICES)), "all are read again")
    time.sleep(3.0)  # whatever the test before has changed of devices is told of once a second
    assert len({one.get("device") for one in ear.told("status")}) >= DEVICES
    write(site, changed(fields, a=EXTRA, b=EXTRA))
    began = ear.count
    assert asked(site, verb="apply")["counts"] == {"tags added": 2}
    until(lambda: "a" in last(ear, CHANGED, began), "the new tags are told of", 60.0)
    for name in ("farm-0", CHANGED, "farm-99"):
        until(lambda: last(ear, name, began), "it is told of")  # noqa: B023 - waited for at once
        values = last(ear, name, began)
        assert [values[f"r{i}"] for i in range(6, 12)] == [257 * i + values["r1"] % 64 for i in range(6, 12)]
    assert last(ear, CHANGED, began)["b"] == 257 * 7 + last(ear, CHANGED, began)["r1"] % 64
    why = json.loads(site.verb("why", "farm-99.r9", "--state", str(site.state), "--json").stdout)
    assert [step["stand"] for step in why["steps"][:2]] == ["ok", "ok"]
    said = {message["device"] for message in ear.told("status", began) if "device" in message}
    assert said <= {CHANGED}  # nothing of devices of which nothing is new


def last(ear: Listener, device: str, since: int) -> dict[str, Any]:
    """What was told of a device last, by tag."""
    messages = ear.told("telemetry", since, device=device)
    if not messages:
        return {}
    names = [name.partition(".")[2] for name in messages[-1]["tags"]]
    return dict(zip(names, messages[-1]["values"], strict=True))


def test_a_plan_can_ask_the_devices_first(site: Site, fields: Farm) -> None:
    write(site, changed(fields, extra=EXTRA, beyond={"at": "holding:9999", "type": "uint16"}))
    write(site, farm_devices(fields[1])[51] | {"connect": "tcp://127.0.0.1:1?unit=1"})
    plan = site.verb("plan", "--read", "--state", str(site.state))
    assert plan.returncode == TRY_LATER
    assert f"  {CHANGED}: 13 of 14 tags good; beyond Bad" in plan.stdout
    assert "  farm-51: 0 of 12 tags good" in plan.stdout
    told = json.loads(site.verb("plan", "--read", "--json", "--state", str(site.state)).stdout)
    assert [(one["device"], one["good"]) for one in told["read"]] == [(CHANGED, 13), ("farm-51", 0)]
    assert asked(site, verb="confirm")["result"] == "refused"  # nothing was applied


def test_devices_come_and_go(site: Site, fields: Farm) -> None:
    (site.folder / "devices.d" / "farm-60.yaml").unlink()
    write(site, changed(fields) | {"device": "newcomer", "connect": farm_devices(fields[1])[60]["connect"]})
    assert asked(site, verb="apply")["counts"] == {"devices removed": 1, "devices added": 1}
    until(lambda: site.reads("newcomer"), "the new one is read")
    names = {one["device"] for one in site.status()["devices"]}
    assert "newcomer" in names
    assert "farm-60" not in names
    assert not site.part("device farm-60")
    (site.folder / "devices.d" / "newcomer.yaml").unlink()


def test_assets_that_change_leave_the_alarms_of_others(site: Site) -> None:
    path = site.folder / "fieldgate.yaml"
    before = path.read_text()
    root = json.loads(before)
    root["assets"] = {"other": {"tags": ["farm-3.r8"], "calibrate": 50}, **root["assets"]}
    path.write_text(json.dumps(root))
    try:
        assert asked(site, verb="apply")["counts"] == {"assets added": 1}
        assert alarm(site) == "active-acknowledged"
        assert site.asset("other")["phase"] == "calibrating"
    finally:
        path.write_text(before)
    assert asked(site, verb="apply")["counts"] == {"assets removed": 1}
    assert alarm(site) == "active-acknowledged"


def test_what_is_the_same_changes_nothing(site: Site) -> None:
    records = len(json.loads(site.verb("history", "--state", str(site.state), "--json").stdout))
    assert asked(site, verb="apply")["result"] == "unchanged"
    assert len(json.loads(site.verb("history", "--state", str(site.state), "--json").stdout)) == records


def test_a_wrong_configuration_leaves_the_running_one_untouched(site: Site, ear: Listener) -> None:
    assert site.gateway is not None
    (site.folder / "devices.d" / f"{CHANGED}.yaml").write_text("device: [")
    asked_for = site.verb("reload", "--state", str(site.state))
    assert asked_for.returncode == FAILED
    assert f"devices.d/{CHANGED}.yaml:2:1" in asked_for.stderr
    began = ear.count
    os.kill(site.gateway.process.pid, signal.SIGHUP)
    until(lambda: events(ear, "refused", began), "it is refused")
    assert site.reads(CHANGED)
    assert site.verb("check").returncode == CONFIGURATION


def test_sighup_applies(site: Site, fields: Farm, ear: Listener) -> None:
    assert site.gateway is not None
    began = ear.count
    write(site, changed(fields, by_signal=EXTRA))
    os.kill(site.gateway.process.pid, signal.SIGHUP)
    until(lambda: events(ear, "applied", began), "it is applied")


def test_unconfirmed_the_former_one_comes_back(site: Site, fields: Farm, ear: Listener) -> None:
    began = ear.count
    write(site, changed(fields, tried=EXTRA))
    assert asked(site, verb="apply", confirm=2.0)["result"] == "applied"
    assert asked(site, verb="apply")["result"] == "refused"  # one after the other
    until(lambda: events(ear, "reverted", began), "it is reverted")
    assert "nobody has confirmed it in time" in events(ear, "reverted", began)[0]
    until(lambda: site.reads(CHANGED), "it is read as before")
    taken_back = json.loads(site.verb("history", "--state", str(site.state), "--json").stdout)[-1]
    assert taken_back["end"] == "nobody has confirmed it in time"
    assert not taken_back["runs"]
    assert "+ tag" in site.verb("plan", "--state", str(site.state)).stdout  # the files still say it


def test_confirmed_it_stays(site: Site, fields: Farm) -> None:
    write(site, changed(fields, kept=EXTRA))
    number = asked(site, verb="apply", confirm=60.0)["number"]
    done = site.verb("confirm", "--state", str(site.state))
    assert (done.returncode, done.stdout) == (OK, f"configuration {number} is confirmed\n")
    assert asked(site, verb="revert")["result"] == "refused"


def test_when_data_stops_the_former_one_comes_back_with_the_reason(site: Site, fields: Farm, ear: Listener) -> None:
    write(site, changed(fields) | {"connect": "tcp://127.0.0.1:1?unit=1"})
    began = ear.count
    assert asked(site, verb="apply", confirm=6.0)["result"] == "applied"
    until(lambda: events(ear, "reverted", began), "it is reverted")
    assert f"{CHANGED} gave data before and gives none now" in events(ear, "reverted", began)[0]
    until(lambda: site.reads(CHANGED), "it is read as before")


def test_a_newcomer_that_is_not_there_yet_fails_no_trial(site: Site, fields: Farm, ear: Listener) -> None:
    began = ear.count
    write(site, changed(fields) | {"device": "newcomer", "connect": "tcp://127.0.0.1:1?unit=1"})
    assert asked(site, verb="apply", confirm=5.0)["result"] == "applied"
    time.sleep(4.0)  # longer than a device that gave data may be silent
    assert not events(ear, "reverted", began)
    assert asked(site, verb="confirm")["result"] == "confirmed"
    (site.folder / "devices.d" / "newcomer.yaml").unlink()


def test_reload_after_reload(site: Site, fields: Farm) -> None:
    """Connections, descriptors and memory stay as they are."""
    assert site.gateway is not None
    process = Path(f"/proc/{site.gateway.process.pid}")
    asked(site, verb="apply")
    sizes = []
    for number in range(RELOADS):
        write(site, changed(fields, **{f"n{number}": EXTRA}))
        assert asked(site, verb="apply")["result"] == "applied"
        if number in (RELOADS // 2, RELOADS - 1):
            until(lambda: site.reads(CHANGED), "it is read")
            resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            sizes.append((resident, len(list((process / "fd").iterdir()))))
    (first, files), (last, files_now) = sizes
    assert files_now <= files + 2
    assert last - first < 12 * 2**20
    assert len(json.loads(site.verb("history", "--state", str(site.state), "--json").stdout)) <= 50


def test_a_killed_gateway_comes_back_with_the_confirmed_configuration(site: Site, fields: Farm) -> None:
    write(site, changed(fields, doubtful=EXTRA))
    assert asked(site, verb="apply", confirm=600.0)["result"] == "applied"
    for _ in range(2):  # the second time it is not the first attempt that runs
        site.kill()
        site.start()
        until(lambda: site.reads(CHANGED), "it is read")
        assert site.lines("configuration in doubt")
        assert site.verb("why", f"{CHANGED}.doubtful", "--state", str(site.state)).returncode == FAILED
        assert asked(site, verb="apply", confirm=600.0)["result"] == "applied"
    site.kill()
    site.start()
    until(lambda: site.reads(CHANGED), "it is read")
    assert site.verb("why", f"{CHANGED}.doubtful", "--state", str(site.state)).returncode == FAILED
    assert alarm(site) == "active-acknowledged"
    assert asked(site, verb="apply")["result"] == "applied"  # whoever asks for it again, has it
    assert site.verb("why", f"{CHANGED}.doubtful", "--state", str(site.state)).returncode == OK
    number = json.loads(site.verb("history", "--state", str(site.state), "--json").stdout)[-2]["number"]
    shown = site.verb("rollback", "1", "--state", str(site.state))
    assert "--yes writes the files" in shown.stdout
    back = site.verb("rollback", "1", "--yes", "--state", str(site.state))
    assert back.returncode == OK, back.stderr
    assert site.verb("why", f"{CHANGED}.doubtful", "--state", str(site.state)).returncode == FAILED
    assert number > 1
