"""docs/first-hour.md, word by word, in a network of its own, so that its addresses are free."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commissioning.terminal import Terminal, commands

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/first-hour.md"
APART = ["unshare", "-rn", "--pid", "--fork", "--kill-child"]
SETTLES = {  # what a person looks at again until it is there
    "fieldgate status": lambda typed: not typed["code"],
    "fieldgate alarms": lambda typed: "pump-hot" in typed["output"],
}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What came of each command."""
    if subprocess.run([*APART, "ip", "link", "set", "lo", "up"], check=False).returncode:
        pytest.skip("no network namespace can be made here, or ip (iproute2) is missing")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    terminal = Terminal(tmp_path_factory.mktemp("first-hour"), [*APART, "bash"], {**os.environ, "PATH": path})
    terminal.type("ip link set lo up")
    try:
        yield {
            command: terminal.repeat(command, SETTLES[command]) if command in SETTLES else terminal.type(command)
            for command in commands(PAGE)
        }
    finally:
        terminal.close()


def test_every_command_goes_well(typed: dict[str, dict[str, Any]]) -> None:
    assert len(typed) == len(commands(PAGE)) > 10
    assert {one["command"]: (one["code"], one["output"]) for one in typed.values() if one["code"]} == {}


def test_the_commands_show_what_the_page_says(typed: dict[str, dict[str, Any]]) -> None:
    said = {command: str(one["output"]) for command, one in typed.items()}
    assert "ok: 1 device" in said["fieldgate check"]
    assert re.search(r"pump\.motor_temp +6[01][.\d]* +°C +Good", said["fieldgate read"])
    assert "active-unacknowledged" in said["fieldgate alarms"]
    assert "broker" in said["fieldgate why pump.motor_temp"]
    assert "admin" in said["fieldgate console password"]
    [plan] = [text for command, text in said.items() if command.endswith("fieldgate plan")]
    assert "hot" in plan
    assert "80" in plan
