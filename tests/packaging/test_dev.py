"""`./dev` on fresh machines: what it does where uv, ensurepip or all of them are missing. Nothing is installed here.

The tools in PATH are stand-ins that note how they are called; everything else is the script itself, run by sh.
"""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.packaging.house import ROOT

TOOLS = ("sh", "basename", "cat", "chmod", "cp", "cut", "dirname", "grep", "mkdir", "rm", "sed", "sha256sum")

# As Debian's without python3-venv: it leaves half an environment behind, complains, and ends with 1.
PYTHON = """#!/bin/sh
echo "python3 $*" >> "$CALLS"
case "$*" in
  "-c "*) [ -z "${OLD:-}" ] || exit 1 ;;
  --version) echo "Python 3.9.2" ;;
  "-m venv .venv")
    mkdir -p .venv/bin && cp "$STANDINS/inner" .venv/bin/python
    [ -z "${NO_ENSUREPIP:-}" ] || exit 1
    cp "$STANDINS/inner" .venv/bin/pip ;;
  "-m venv --without-pip .venv")
    [ ! -e .venv ] && [ -z "${NO_VENV:-}" ] || exit 1
    mkdir -p .venv/bin && cp "$STANDINS/inner" .venv/bin/python ;;
  *"install"*" -r "*) [ -z "${OFFLINE:-}" ] || exit 1 ;;
esac
"""
UV = """#!/bin/sh
echo "uv $*" >> "$CALLS"
[ "$1" != venv ] || { mkdir -p .venv/bin && cp "$STANDINS/inner" .venv/bin/python; }
"""
INNER = """#!/bin/sh
echo ".venv/bin/${0##*/} $*" >> "$CALLS"
case "$*" in *"install"*" -r "*) [ -z "${OFFLINE:-}" ] || exit 1 ;; esac
"""

CHECK = "python3 -c import sys; sys.exit(sys.version_info < (3, 11))"
QUIET = "install --quiet --disable-pip-version-check"
OURS = "--no-build-isolation --no-deps -e ."
WAYS = {
    "uv": [
        "uv venv --quiet .venv",
        "uv pip install --quiet --python .venv/bin/python -r locks/run.txt",
        f"uv pip install --quiet --python .venv/bin/python {OURS}",
    ],
    "venv": [
        CHECK,
        "python3 -m venv .venv",
        f".venv/bin/python -m pip {QUIET} -r locks/run.txt",
        f".venv/bin/python -m pip {QUIET} {OURS}",
    ],
    "no ensurepip": [
        CHECK,
        "python3 -m venv .venv",
        "python3 -m venv --without-pip .venv",
        f"python3 -m pip --python .venv/bin/python {QUIET} -r locks/run.txt",
        f"python3 -m pip --python .venv/bin/python {QUIET} {OURS}",
    ],
}
DEMO = ".venv/bin/python -m gateway demo --for 90s"


@dataclass
class Machine:
    """A checkout on a machine that has what its PATH has."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    name: str = "checkout"

    def __post_init__(self) -> None:
        for name in ("bin", "standins", "checkout/locks"):
            (self.folder / name).mkdir(parents=True)
        for tool in TOOLS:
            (self.folder / "bin" / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        self.bring("python3", PYTHON)
        self._script(self.folder / "standins/inner", INNER)
        shutil.copy(ROOT / "dev", self.checkout)
        for name in ("pyproject.toml", "locks/run.txt", "locks/dev.txt"):
            shutil.copy(ROOT / name, self.checkout / name)

    @property
    def checkout(self) -> Path:
        """Where `dev` stands."""
        return self.folder / self.name

    def bring(self, tool: str, script: str) -> None:
        """Put a stand-in into the PATH."""
        self._script(self.folder / "bin" / tool, script)

    def dev(self, *words: str, at: str = "./dev") -> subprocess.CompletedProcess[str]:
        """Run `./dev`, or by its path from the folder above."""
        folder = self.checkout if at == "./dev" else self.folder
        known = {"CALLS": str(self.folder / "calls"), "STANDINS": str(self.folder / "standins")}
        env = {"PATH": str(self.folder / "bin"), **known, **self.settings}
        command = ["/bin/sh", at, *words]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)

    def calls(self) -> list[str]:
        """What was called since the last asking."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    @staticmethod
    def _script(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with python3 and its venv, and without uv."""
    return Machine(tmp_path / "machine")


@pytest.mark.parametrize("way", WAYS)
def test_an_environment_is_made_with_what_there_is(machine: Machine, way: str) -> None:
    if way == "uv":
        machine.bring("uv", UV)
    machine.settings = {"NO_ENSUREPIP": "1"} if way == "no ensurepip" else {}
    done = machine.dev("demo", "--for", "90s")
    assert done.returncode == 0, done.stderr
    assert machine.calls() == [*WAYS[way], DEMO]


def test_a_second_run_sets_nothing_up(machine: Machine) -> None:
    machine.dev("demo")
    machine.calls()
    assert machine.dev("demo", "--for", "90s").stderr == ""
    assert machine.calls() == [DEMO]


def test_what_the_tests_need_covers_what_the_gateway_needs(machine: Machine) -> None:
    machine.dev("eval")
    machine.calls()
    machine.dev("demo", "--for", "90s")
    assert machine.calls() == [DEMO]
    (machine.checkout / ".venv/stamp").unlink()
    machine.dev("demo")
    machine.calls()
    machine.dev("eval")
    assert f".venv/bin/python -m pip {QUIET} -r locks/dev.txt" in machine.calls()


@pytest.mark.parametrize("name", ["locks/run.txt", "pyproject.toml"])
def test_another_lock_is_installed(machine: Machine, name: str) -> None:
    machine.dev("demo")
    machine.calls()
    with (machine.checkout / name).open("a") as file:
        file.write("# another line\n")
    machine.dev("demo", "--for", "90s")
    assert machine.calls() == [*WAYS["venv"][2:], DEMO]


def test_a_checkout_that_was_moved_is_set_up_again(machine: Machine) -> None:
    machine.dev("demo")
    machine.calls()
    machine.checkout.rename(machine.folder / "elsewhere")
    machine.name = "elsewhere"
    machine.dev("demo", "--for", "90s")
    assert machine.calls() == [*WAYS["venv"][2:], DEMO]


def test_an_environment_whose_python_is_gone_is_made_again(machine: Machine) -> None:
    machine.dev("demo")
    machine.calls()
    (machine.checkout / ".venv/bin/python").unlink()
    machine.dev("demo", "--for", "90s")
    assert machine.calls() == [*WAYS["venv"], DEMO]


def test_an_installation_that_failed_is_tried_again(machine: Machine) -> None:
    machine.settings = {"OFFLINE": "1"}
    done = machine.dev("demo")
    assert done.returncode == 1
    assert "apt install python3-pip" in done.stderr
    machine.settings = {}
    machine.calls()
    assert machine.dev("demo", "--for", "90s").returncode == 0
    assert machine.calls() == [*WAYS["venv"][2:], DEMO]


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"NO_ENSUREPIP": "1", "NO_VENV": "1"}, "apt install python3 python3-pip python3-venv"),
        ({"OLD": "1"}, "Fieldgate needs Python 3.11 or newer; this is Python 3.9.2."),
    ],
)
def test_a_machine_that_lacks_too_much_is_told_what(machine: Machine, settings: dict[str, str], remedy: str) -> None:
    machine.settings = settings
    done = machine.dev("demo")
    assert done.returncode == 1
    assert remedy in done.stderr
    assert not [call for call in machine.calls() if "install" in call]


def test_all_tests_are_run_by_two_and_those_that_are_named_by_one(machine: Machine) -> None:
    strict = ".venv/bin/python -X dev -W error::ResourceWarning"
    machine.dev("test")
    assert machine.calls()[-1] == f"{strict} -m pytest -q -rs --dist loadfile --tx 2*popen//python={strict}"
    machine.dev("test", "-x", "tests/sdk")
    assert machine.calls() == [f"{strict} -m pytest -q -rs -x tests/sdk"]


def test_without_a_verb_it_tells_its_verbs(machine: Machine) -> None:
    done = machine.dev()
    assert (done.returncode, done.stderr) == (0, "")
    told = {line.split()[1] for line in done.stdout.splitlines() if line.lstrip().startswith("./dev")}
    assert told == {"demo", "test", "check", "bench", "eval", "run"}
    assert machine.dev("--help").stdout == machine.dev("help").stdout == done.stdout
    assert machine.calls() == []


def test_it_can_be_called_from_anywhere(machine: Machine) -> None:
    assert machine.dev(at="checkout/dev").stdout == machine.dev().stdout
    machine.dev("demo", "--for", "90s", at="checkout/dev")
    assert machine.calls()[-1] == DEMO


def test_an_unknown_verb_is_refused_and_sets_nothing_up(machine: Machine) -> None:
    done = machine.dev("tset")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("./dev knows no 'tset'.\n")
    assert done.stderr.endswith(machine.dev().stdout)
    assert machine.calls() == []


@pytest.mark.parametrize(("shell", "script"), [("sh", "dev"), ("bash", ".ci/run")])
def test_the_scripts_can_be_parsed(shell: str, script: str) -> None:
    subprocess.run([shell, "-n", ROOT / script], check=True, timeout=60)
