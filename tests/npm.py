"""Packages of npm that tests use as third parties: installed once, where later runs find them again."""

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

WITHIN = 100.0  # s for an installation


def folder(name: str) -> Path:
    """Where the packages of the tests called `name` are."""
    return Path(tempfile.gettempdir()) / f"fieldgate-node-{name}"


def install(home: Path, *packages: str, scripts: bool = False) -> str | None:
    """Install `packages` (name@version) below `home`. Why they are not there, or None."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "node and npm are not installed"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests are run by two processes
        return _install(home, packages, scripts=scripts)


def _install(home: Path, packages: tuple[str, ...], *, scripts: bool) -> str | None:
    if all((home / "node_modules" / package.rpartition("@")[0]).is_dir() for package in packages):
        return None
    flags = ["--no-audit", "--no-fund", *([] if scripts else ["--ignore-scripts"])]
    command = ["npm", "install", *flags, "--prefix", str(home), *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    except subprocess.TimeoutExpired:
        return f"npm install did not end within {WITHIN:.0f} s"
    return None if done.returncode == 0 else f"npm install failed: {done.stderr[-300:]}"
