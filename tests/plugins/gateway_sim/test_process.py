import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest

from gateway_sim.__main__ import main
from gateway_sim.launch import Simulator, SimulatorError
from gateway_sim.process import CommandError, Commands, obey, split_words, switch


def light(state: str) -> Mapping[str, Any]:
    return {"light": switch(state)}


COMMANDS: Commands = {"light": light, "noop": lambda: None}
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("light on", {"ok": "light on", "light": True}),
        ('["light", "off"]', {"ok": "light off", "light": False}),
        ("noop", {"ok": "noop"}),
        ("light dim", {"error": "on or off, not 'dim'"}),
        ("dark", {"error": "no command 'dark'; there are light, noop"}),
        ("light", {"error": "light: missing a required argument: 'state'"}),
        ("light on off", {"error": "light on off: too many positional arguments"}),
        ("   ", {"error": "no command ''; there are light, noop"}),
    ],
)
def test_a_command_is_answered_whatever_it_is(line: str, answer: dict[str, Any]) -> None:
    assert obey(line, COMMANDS) == answer


def test_broken_json_is_refused() -> None:
    with pytest.raises(CommandError, match="no JSON"):
        split_words('["light", ')


def test_a_process_ends_at_once_on_sigterm() -> None:
    with Simulator("farm", "--devices", "1") as farm:
        assert farm.ready["ready"]
        began = time.monotonic()
        assert farm.stop() == 0
        assert time.monotonic() - began < 4


def test_a_process_ends_at_the_end_of_stdin_unless_told_to_keep_on() -> None:
    for keep in ([], ["--keep"]):
        farm = Simulator("farm", "--devices", "1", *keep)
        try:
            assert farm.process.stdin is not None
            farm.process.stdin.close()
            if keep:
                with pytest.raises(subprocess.TimeoutExpired):
                    farm.process.wait(0.5)
            else:
                assert farm.process.wait(10) == 0
        finally:
            farm.stop()


def test_a_process_does_not_outlive_a_parent_that_is_killed() -> None:
    code = "from gateway_sim.launch import Simulator; s = Simulator('farm', '--devices', '1', '--keep')\n"
    code += "import time; print(s.process.pid, s.ready['ports'][0], flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert parent.stdout is not None
    child, _port = map(int, parent.stdout.readline().split())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        assert not running(child)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - one line of /proc
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_simulator_that_cannot_serve_says_so() -> None:
    with pytest.raises(SimulatorError, match="player --csv /nowhere"):
        Simulator("player", "--csv", "/nowhere.csv")


def test_a_refused_command_and_an_ended_process_are_errors_of_the_launcher() -> None:
    with Simulator("farm", "--devices", "1") as farm:
        with pytest.raises(SimulatorError, match="there are 0 to 0"):
            farm.tell("silent 1 on")
        farm.stop()
        with pytest.raises((SimulatorError, ValueError)):
            farm.tell("stats")


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["plant", "--step", "50"], ["player"], ["farm", "--period", "soon"]]
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_standard_output_is_json_lines_only() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "gateway_sim", "farm", "--devices", "2"],
        input=b"stats\nsilent 0 on\nnonsense\n",
        capture_output=True,
        timeout=30,
        env=ENVIRONMENT,
        check=True,
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [next(iter(line)) for line in lines] == ["ready", "ok", "ok", "error"]
