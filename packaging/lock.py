"""Writes locks/wheels.txt: `python packaging/lock.py`, after a change of locks/run.txt. Asks PyPI, downloads nothing.

Every line is one of locks/run.txt with the SHA-256 of each wheel that an offline bundle or a .deb of ours may hold:
for each Python, processor and C library that we package for. pip takes no other file then (`--require-hashes`).
"""  # noqa: INP001 - a script beside the packages that it serves

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
RUN: Final = ROOT / "locks/run.txt"
WHEELS: Final = ROOT / "locks/wheels.txt"
PYTHONS: Final = ("3.11", "3.12", "3.13")
PROCESSORS: Final = ("x86_64", "aarch64")
# PEP 600: a wheel for a C library runs on every newer one. Both ends, for some projects offer a wheel for each.
OLDER: Final = "2_28 2_27 2_26 2_24 2_17 2014 2_12 2010 2_5 1"
LIBRARIES: Final = (OLDER, f"2_34 {OLDER}")
BUILDING: Final = {"editables", "hatchling", "pathspec", "pluggy", "trove-classifiers"}  # not needed to run
HEAD: Final = "# For `pip install --require-hashes`. Written by packaging/lock.py from run.txt; do not edit.\n"


def main() -> None:
    """Ask for every platform, and write."""
    hashes: dict[str, set[str]] = defaultdict(set)
    for python in PYTHONS:
        for processor in PROCESSORS:
            for libraries in LIBRARIES:
                for name, digest in chosen(python, platforms(libraries, processor)):
                    hashes[name].add(digest)
    lines = [line for line in RUN.read_text().split() if _name(line) not in BUILDING]
    WHEELS.write_text(HEAD + "".join(_entry(line, hashes) for line in lines))


def platforms(libraries: str, processor: str) -> list[str]:
    """The platform tags of `libraries` for `processor`."""
    return [f"manylinux{'_' * ('_' in one)}{one}_{processor}" for one in libraries.split()]


def chosen(python: str, tags: list[str]) -> Iterator[tuple[str, str]]:
    """(name, SHA-256) of the wheel that pip would take for each line of the lock."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        where = [word for tag in tags for word in ("--platform", tag)]
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run",
            "--ignore-installed", "--no-deps", "--only-binary=:all:", "--index-url", "https://pypi.org/simple",
            "--target", folder, "--python-version", python, *where, "--report", str(report), "-r", str(RUN),
        ]  # fmt: skip
        clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PIP_CERT")}
        subprocess.run(command, check=True, env={**clean, "PIP_CONFIG_FILE": os.devnull})  # noqa: S603 - our own pip
        for one in json.loads(report.read_bytes())["install"]:
            yield _name(one["metadata"]["name"]), one["download_info"]["archive_info"]["hashes"]["sha256"]


def _entry(line: str, hashes: dict[str, set[str]]) -> str:
    found = sorted(hashes[_name(line)])
    return " \\\n    ".join([line, *(f"--hash=sha256:{digest}" for digest in found)]) + "\n"


def _name(line: str) -> str:
    """The name that a line of the lock, or a wheel, is about (PEP 503, near enough for our own)."""
    name = line.partition("==")[0]
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    main()
