"""Which modules a command line loads: of a verb its own, so that the service is up soon; without one, all."""

import argparse
import gc
import subprocess
import sys

import pytest

from gateway.__main__ import parser
from gateway.cli import VERBS, load


def declared(top: argparse.ArgumentParser) -> list[str]:
    """The verbs that a parser knows."""
    [verbs] = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    return list(verbs.choices)


def test_the_table_names_every_verb_in_the_order_of_the_help() -> None:
    assert declared(parser()) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_declared_by_the_module_that_the_table_names(verb: str) -> None:
    assert declared(parser([verb])) == [name for name, module in VERBS.items() if module == VERBS[verb]]


@pytest.mark.parametrize("words", [(), ("--version",), ("importing",), ("rum", "run")])
def test_where_no_verb_comes_first_all_are_there_to_choose_from(words: tuple[str, ...]) -> None:
    assert len(load(words)) == len(set(VERBS.values()))


def test_the_daemon_is_not_kept_waiting_for_what_other_verbs_need() -> None:
    code = "import sys; from gateway.__main__ import parser; parser(['run']); print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "gateway.cli.run" in loaded
    others = {f"gateway.cli.{module}" for module in VERBS.values()} - {"gateway.cli.run"}
    assert not loaded & (others | {"gateway.importing", "gateway_opcua", "gateway_modbus", "onnxruntime", "starlette"})


def test_the_collector_works_again_after_loading() -> None:
    load(["run"])
    assert gc.isenabled()
