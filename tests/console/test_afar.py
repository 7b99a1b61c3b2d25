"""A configuration brought from afar is looked at and applied over the API, by the commands of docs/changing.md."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.console.plant import DEVICE, Plant, until

PAGE = Path(__file__).parents[2] / "docs/changing.md"


def commands() -> list[str]:
    section = PAGE.read_text().partition("## From afar\n")[2].partition("\n## ")[0]
    return [line for line in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0].splitlines() if "curl" in line]


def test_the_files_are_planned_applied_on_trial_and_confirmed_with_a_token(own: Plant) -> None:
    own.start()
    environ = {"token": own.token("engineer"), "PATH": "/usr/bin:/bin"}

    def said(command: str) -> Any:
        line = command.replace("https://line-3:8480", own.url.rstrip("/"))
        done = subprocess.run(
            ["bash", "-c", line], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    plan, apply, confirm = commands()
    until(lambda: not said(plan)["changes"], "what runs is what the files say")
    own.devices = [{**DEVICE, "tags": {**DEVICE["tags"], "d": {"wave": "noise"}}}]
    own.write()  # as rsync would
    assert [one["name"] for one in said(plan)["changes"]] == ["bench.d"]
    assert said(apply)["result"] == "applied"
    assert said(confirm)["result"] == "confirmed"
    assert not said(plan)["changes"]
