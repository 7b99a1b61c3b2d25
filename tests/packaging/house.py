"""Building and installing as a user does: a wheel by its backend, an environment of its own, no network."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = Path(sysconfig.get_path("purelib"))  # the dependencies, and pytest for the suites of adapters
WITHIN = 100.0  # s that one command may take
DEBIAN = "bookworm"

CLUTTER = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "node_modules", "tmp*")


def debian(name: str, content: str, folder: Path) -> None:
    """A fresh Debian with the packages of `content` in a folder; fetched once, and kept for the next time."""
    for tool in ("systemd-nspawn", "mmdebstrap"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: apt install systemd-container mmdebstrap)")
    if os.geteuid() != 0:
        pytest.skip("only root may enter a container")
    kept = Path(os.environ.get("FIELDGATE_ROOTFS", "/var/tmp")) / f"{name}-{DEBIAN}.tar"
    if not kept.is_file():
        subprocess.run(["mmdebstrap", "--variant=minbase", f"--include={content}", DEBIAN, kept], check=True)
    subprocess.run(["tar", "-xf", kept, "-C", folder], check=True)


def clean(**more: str) -> dict[str, str]:
    """The environment of a process that knows nothing of this checkout, with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "FIELDGATE_"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PYTHONDONTWRITEBYTECODE": "1", **more}


def call(*words: str | Path, cwd: Path, **more: str) -> str:
    """Run a command; what it printed. Fails the test with its last words when it does not end with 0."""
    done = subprocess.run(
        words, cwd=cwd, env=clean(**more), capture_output=True, text=True, timeout=WITHIN, check=False
    )
    assert done.returncode == 0, f"{words} ended with {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def build(source: Path, to: Path, epoch: str = "1700000000", **more: str) -> Path:
    """The wheel of the project in `source`, by its own backend."""
    words = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", to)
    call(*words, cwd=source, SOURCE_DATE_EPOCH=epoch, **more)
    (wheel,) = to.glob("*.whl")
    return wheel


def _pip(python: Path) -> list[str]:
    """What installs for `python`: our pip, uv, or the system's pip, for an environment may have none (see ./dev)."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", str(python), "install"]
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--python", str(python)]
    return ["python3", "-m", "pip", "--python", str(python), "install"]


class Environment:
    """A virtual environment of its own. It sees the libraries of this one, not the checkout.

    A path file inside a folder that a path file names is not read (documentation of `site`): so the editable install
    that lies among the libraries does not bring the checkout back.
    """

    def __init__(self, folder: Path) -> None:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
        self.folder, self.python = folder, folder / "bin/python"
        (site,) = folder.glob("lib/python3.*/site-packages")
        (site / "libraries.pth").write_text(f"{LIBRARIES}\n")

    def install(self, what: Path, *options: str | Path) -> None:
        """Install a wheel or a project's folder, without its dependencies and without the network."""
        offline = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
        call(*_pip(self.python), *offline, *options, what, cwd=self.folder)

    def run(self, *words: str | Path, **more: str) -> str:
        """What a command of this environment prints: `fieldgate …` or `python …`."""
        return call(self.folder / "bin" / words[0], *words[1:], cwd=self.folder, **more)
