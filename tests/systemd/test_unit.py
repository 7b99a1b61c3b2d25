"""The units that we ship: systemd understands them, they are well shut in, and agree with the program they start."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.__main__ import parser
from gateway.cli.common import CONFIGURATION, DEFAULT_CONFIG, USAGE

UNIT = Path(__file__).resolve().parents[2] / "systemd/fieldgate.service"
TEMPLATE = UNIT.with_name("fieldgate@.service")
SERIAL = UNIT.with_name("serial.conf")
UNITS = pytest.mark.parametrize("unit", [UNIT, TEMPLATE], ids=lambda unit: str(unit.name))
EXPOSURE = 15  # tenths of systemd's scale, 0 (safe) to 100 (exposed); a unit that says nothing comes to 96
OPENED = 18  # with serial.conf: devices, though only those named, and a group


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt install systemd)")
    return subprocess.run([tool, *words], capture_output=True, text=True, timeout=60, check=False)


def shut_in(unit: Path, exposure: int = EXPOSURE) -> subprocess.CompletedProcess[str]:
    """Whether `unit` is not beyond the exposure that we allow: exit code 0."""
    return analyze("security", "--offline=true", f"--threshold={exposure}", unit)


@pytest.fixture(scope="module")
def settings() -> dict[str, list[str]]:
    """Every setting of the unit with its values; one may be given several times."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@UNITS
def test_systemd_has_nothing_to_say_about_the_unit(unit: Path) -> None:
    done = analyze("verify", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@UNITS
def test_with_serial_lines_it_is_still_sound_and_shut_in(unit: Path, tmp_path: Path) -> None:
    home = tmp_path / f"{unit.name}.d"
    home.mkdir()
    shutil.copy(SERIAL, home)
    opened = Path(shutil.copy(unit, tmp_path))
    done = analyze("verify", opened)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = shut_in(opened, OPENED)
    assert "char-ttyUSB:rw" in done.stdout, "the drop-in was not looked at"
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@UNITS
def test_the_unit_is_shut_in(unit: Path) -> None:
    done = shut_in(unit)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_a_unit_whose_walls_are_taken_down_would_be_noticed(tmp_path: Path) -> None:
    open_to_all = tmp_path / UNIT.name
    walls = ("DynamicUser", "User", "Protect", "Private", "SystemCall", "Capability", "Restrict")
    kept = [line for line in UNIT.read_text(encoding="utf-8").splitlines() if not line.startswith(walls)]
    open_to_all.write_text("\n".join(kept))
    assert shut_in(open_to_all).returncode != 0


def test_the_clock_can_be_looked_at_and_not_set(settings: dict[str, list[str]]) -> None:
    """Both calls read with modes = 0; whatever sets is refused for want of CAP_SYS_TIME (adjtimex(2))."""
    assert "adjtimex clock_adjtime" in settings["SystemCallFilter"]
    assert (settings["CapabilityBoundingSet"], settings["AmbientCapabilities"]) == ([""], [""])
    assert "ProtectClock" not in settings, "it forbids both"


def test_what_only_a_person_can_repair_is_not_tried_again(settings: dict[str, list[str]]) -> None:
    assert settings["RestartPreventExitStatus"] == [f"{USAGE} {CONFIGURATION}"]
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]


def test_the_command_is_one_that_the_program_knows(settings: dict[str, list[str]]) -> None:
    (start,) = settings["ExecStart"]
    env, program, *words = start.split()
    assert (env, program) == ("/usr/bin/env", "fieldgate")
    args = parser().parse_args(words)
    assert args.verb == "run"
    assert args.config == DEFAULT_CONFIG


def test_an_instance_differs_by_its_names_only() -> None:
    lines = [line for line in TEMPLATE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    said = "\n".join(lines).replace("fieldgate-%i", "fieldgate").replace(", instance %i", "")
    assert said == "\n".join(line for line in UNIT.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    assert sum("%i" in line for line in lines) == 7
