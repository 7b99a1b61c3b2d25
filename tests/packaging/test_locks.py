"""The locks: exact versions, one beside the other, and nothing that the project asks for is left to chance."""

import re
import tomllib
from collections.abc import Iterable
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.house import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NOT_PACKED = ("otel",)  # extras that no package of ours brings (ADR 0008)
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.+!]*")


def lines(name: str) -> list[str]:
    """What a lock asks for; its comments are left out."""
    text = (ROOT / "locks" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    """Version by name, as PEP 503 spells it."""
    pairs = (line.split("==") for line in lines(name))
    return {canonicalize_name(what): version for what, version in pairs}


def unmet(wanted: Iterable[str], pinned: dict[str, str]) -> list[str]:
    """Those of `wanted` that no pin meets."""
    return [text for text in wanted if not _met(Requirement(text), pinned)]


def _met(wish: Requirement, pinned: dict[str, str]) -> bool:
    version = pinned.get(canonicalize_name(wish.name))
    return version is not None and wish.specifier.contains(version)


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_every_line_of_a_lock_is_one_exact_version(name: str) -> None:
    assert [line for line in lines(name) if not PIN.fullmatch(line)] == []
    assert len(pins(name)) == len(lines(name))  # no name twice


def test_what_the_gateway_runs_on_is_what_it_is_tested_on() -> None:
    assert pins("run.txt").items() <= pins("dev.txt").items()


def test_the_lock_meets_all_that_the_project_asks_for() -> None:
    project = PROJECT["project"]
    packed = (wishes for name, wishes in project["optional-dependencies"].items() if name not in NOT_PACKED)
    wanted = [*project["dependencies"], *chain(*packed), *PROJECT["build-system"]["requires"]]
    assert unmet(wanted, pins("run.txt")) == []


@pytest.mark.parametrize("extra", NOT_PACKED)
def test_an_extra_that_is_not_packed_is_locked_for_the_tests(extra: str) -> None:
    wanted = PROJECT["project"]["optional-dependencies"][extra]
    assert unmet(wanted, pins("dev.txt")) == []
    assert {text for text in wanted if Requirement(text).name in pins("run.txt")} == set()


def test_the_lock_of_the_tests_meets_the_group_of_the_tests() -> None:
    assert unmet(PROJECT["dependency-groups"]["dev"], pins("dev.txt")) == []


def test_a_wish_that_is_not_met_is_seen() -> None:
    assert unmet(["numpy>=2", "hatchling<1", "left-pad"], {"numpy": "2.4", "hatchling": "1.33"}) == [
        "hatchling<1",
        "left-pad",
    ]
