"""The package in a real systemd: a fresh Debian is booted in a container, and the driver does to it what years do.

Not part of the suite, for it takes some minutes, root, and packages from Debian's mirror. `.ci/nightly` runs it:

    python -m pytest tests/systemd/booted.py
"""

import json
from typing import Any

import pytest

from tests.systemd import machine

WATCHDOG, RESTART = 6.0, 0.1  # s; of the driver's drop-in, and of the unit
BACK = 3_000  # ms after which a gateway that was killed answers again
WORK = 2_000  # ms of a core that a start may take until it answers, drivers and libraries of OPC UA included
Found = dict[str, str]

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What the driver found."""
    folder = tmp_path_factory.mktemp("machine")
    trial = machine.furnish(folder)
    machine.boot(folder)
    return machine.told(trial)


@pytest.fixture(scope="module")
def line(found: Found) -> dict[str, Any]:
    """What was found of the whole line: plant, unit, broker."""
    content: dict[str, Any] = json.loads(found["line"])
    assert "heard" in content, content
    return content


def test_the_package_installs_enabled_and_waits_for_a_configuration(found: Found) -> None:
    assert not {"install", "check"} & set(found)
    assert (found["enabled"], found["active_without_configuration"]) == ("enabled", "inactive")


def test_the_service_becomes_ready_and_answers(found: Found) -> None:
    assert int(found["ready"]) < 15_000
    assert json.loads(found["answers"]) == {"alive": True}
    assert found["phase"] == "scoring"
    assert found["user"] != "root"


def test_nothing_is_written_outside_its_folders(found: Found) -> None:
    assert found["written"].split() == []


def test_a_reload_takes_the_files_up_and_the_process_stays(found: Found) -> None:
    for name in ("reloaded", "taken_out"):
        before, after = found[name].split()
        assert before == after != "0"


def test_a_reload_of_wrong_files_changes_nothing_and_the_journal_says_why(found: Found) -> None:
    assert "second.yaml" in found["refused"]
    before, after, state = found["kept_running"].split()
    assert (before, state) == (after, "active")


def test_killed_it_is_back_within_three_seconds(found: Found) -> None:
    _, answers = found["killed"].split()
    assert int(answers) <= BACK


def test_frozen_it_is_restarted_by_the_watchdog(found: Found) -> None:
    restarted, _ = found["frozen"].split()
    assert int(restarted) <= 1000 * (WATCHDOG + RESTART + 1.0)  # systemd needs a moment to take the old one away
    assert int(found["reason"]) >= 1


def test_what_froze_it_is_left_alone_by_the_next_process_until_it_is_released(found: Found) -> None:
    assert found["aside"].startswith("bench ")
    assert "freezer.py" in found["aside"]
    assert found["released"] == "bench is tried again"


def test_it_stops_within_five_seconds_and_in_order(found: Found) -> None:
    assert int(found["stopped"]) <= 5_000
    assert found["result"] == "success 0"


def test_behind_the_walls_of_the_unit_a_fault_is_told_from_machine_to_broker(line: dict[str, Any]) -> None:
    told = {alarm["asset"]: alarm for alarm in line["first"]}
    assert told["pump"]["contributions"][0]["tag"] == "plc.pump_vibration"  # read by OPC UA, the built-in detector
    assert told["bearing"]["model"] == {
        "name": "bundles/bearing",
        "version": "1.0",
    }  # by OPC UA and Modbus, in the worker
    assert {alarm["state"] for alarm in told.values()} == {"active-unacknowledged"}


def test_an_upgrade_keeps_alarms_calibration_and_outbox(line: dict[str, Any]) -> None:
    assert line["version"].endswith("+next")
    before, after = line["before"], line["after"]
    assert before["alarms"] == after["alarms"] != []
    assert before["phases"]["pump"] == after["phases"]["pump"] == "scoring"
    assert after["waiting"]["epoch"] == before["waiting"]["epoch"]
    assert after["waiting"]["classes"]["alarm"]["messages"] >= before["waiting"]["classes"]["alarm"]["messages"] > 0


def test_what_waited_over_the_upgrade_is_told_after_it_and_the_alarms_end(line: dict[str, Any]) -> None:
    assert line["heard"]["pump"] == ["active-unacknowledged", "active-acknowledged", "normal"]
    assert line["heard"]["bearing"] == ["active-unacknowledged", "returned-unacknowledged"]


def test_coming_back_takes_little_of_a_core_whatever_else_goes_on(found: Found) -> None:
    """The time on a busy machine is that of its neighbours; the work is ours."""
    times = [int(word) for word in found["killed_busy"].split()]
    assert max(times[1:-2:2]) <= WORK, times  # the fifth start is the safe mode's


def test_five_fast_crashes_lead_to_safe_mode_and_a_restart_out_of_it(found: Found) -> None:
    assert json.loads(found["safe_mode"]) == {"alive": True, "safe_mode": True}
    assert "5 starts in a row" in found["safe_status"]
    assert json.loads(found["after_restart"]) == {"alive": True}


def test_the_demo_names_a_fault_behind_the_walls_of_the_unit_and_without_network(found: Found) -> None:
    assert found["demo"] == "0"


def test_removing_keeps_state_and_configuration_and_purging_keeps_nothing(found: Found) -> None:
    files, *devices = found["kept"].split()
    assert int(files) > 0
    assert devices == ["bench.yaml", "io.yaml", "plc.yaml"]
    assert found["left"].split() == []
