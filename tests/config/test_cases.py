"""Golden cases: a folder with a configuration, and what is said about it, to the letter."""

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from tests.config.tables import Models

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/fieldgate.yaml"))


def said_about(folder: Path) -> str:
    """What a person reads: the problems, or the warnings and what was found."""
    try:
        found = load(folder / "fieldgate.yaml", Models(), environ={})
    except ConfigErrors as errors:
        return errors.render() + "\n"
    lines = [problem.render() for problem in found.warnings]
    devices = [f"ok: {device.device} ({type(device).__name__})" for device in found.devices]
    return "\n".join([*lines, *devices, *(f"not read: {name}: {why}" for name, why in found.broken.items())]) + "\n"


@pytest.mark.parametrize("folder", CASES, ids=[path.name for path in CASES])
def test_says_what_is_wrong_and_where(folder: Path) -> None:
    assert said_about(folder) == (folder / "expected.txt").read_text("utf-8")


def test_there_are_cases() -> None:
    assert len(CASES) >= 25


def test_no_case_shows_a_secret() -> None:
    assert not [folder.name for folder in CASES if "canary" in (folder / "expected.txt").read_text("utf-8")]
