"""A fresh Debian with python3 and pip, and nothing else: the two commands of the README, as a new user types them.

Not part of the suite, for it takes some minutes, root, and the network. `.ci/nightly` runs it:

    python -m pytest tests/packaging/fresh.py
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.house import CLUTTER, ROOT, debian

CONTENT = "python3,python3-pip,ca-certificates"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")  # where a proxy stands between us and the registry

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Debian in a folder, with a checkout in /home/checkout."""
    folder = tmp_path_factory.mktemp("fresh")
    debian("fieldgate-fresh", CONTENT, folder)
    shutil.copytree(ROOT, folder / "home/checkout", ignore=CLUTTER, symlinks=True)
    if "PIP_CERT" in os.environ:
        shutil.copy(AUTHORITIES, folder / AUTHORITIES.relative_to("/"))
    return folder


def typed(machine: Path, command: str) -> subprocess.CompletedProcess[str]:
    """What a command says that is typed in the checkout."""
    words: list[str | Path] = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "-D", machine]
    words += ["--resolv-conf=copy-host", "--console=pipe", f"--setenv=PIP_CERT={AUTHORITIES}"]
    words += ["/bin/sh", "-c", f"cd /home/checkout && {command}"]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL)


def shown() -> list[str]:
    """The commands of the README's first block, without their comments."""
    [block, *_] = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def test_the_first_block_holds_two_commands() -> None:
    assert shown() == ["./dev demo", "./dev test"]


def test_the_first_command_shows_a_fault_and_its_alarm(machine: Path) -> None:
    """Nobody is there to type Ctrl-C: it is told when to end, and says then whether a fault was named."""
    done = typed(machine, f"{shown()[0]} --for 100s")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_second_command_runs_tests(machine: Path) -> None:
    """All of them take a quarter of an hour, and CI runs them; here it is the setting up that matters."""
    done = typed(machine, f"{shown()[1]} tests/sdk tests/stages")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"\d+ passed", done.stdout)
