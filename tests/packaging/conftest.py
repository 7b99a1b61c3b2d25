"""What is built and installed once for all tests of packaging."""

import os
import shutil
from pathlib import Path

import pytest

from tests.packaging.house import CLUTTER, ROOT, Environment, build

Pair = tuple[Path, Path]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The wheel, built twice: from two copies of the checkout in different places and with different file times."""
    folder = tmp_path_factory.mktemp("wheels")
    built = []
    for name, moment in (("a", 1_600_000_000), ("b-elsewhere", 1_650_000_000)):
        copy = folder / name / "source"
        shutil.copytree(ROOT, copy, ignore=CLUTTER)
        for path in copy.rglob("*"):
            os.utime(path, (moment, moment), follow_symlinks=False)
        built.append(build(copy, folder / name / "out"))
        shutil.rmtree(copy)
    return built[0], built[1]


@pytest.fixture(scope="session")
def wheel(wheels: Pair) -> Path:
    """The wheel."""
    return wheels[0]


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment in which the wheel is installed, and no checkout is to be seen."""
    environment = Environment(tmp_path_factory.mktemp("installed") / "venv")
    environment.install(wheel)
    return environment
