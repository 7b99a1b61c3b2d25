"""A part of the gateway may be heard more or less than the rest, from the configuration on or while it runs."""

import json
import subprocess
import sys

import pytest

from gateway.ops.levels import NUMBERS, Levels

PROGRAM = """
import sys, types
import structlog
from gateway.ops import logs
from gateway.ops.clock import SystemClock
from gateway.ops.levels import LEVELS

logs.configure("info", SystemClock(), {levels!r})
log = structlog.get_logger().bind(connection="press")


def say(module):
    code = "for word in ('debug', 'info', 'warning', 'error'): getattr(log, word)(f'{{__name__}} {{word}}')"
    exec(code, {{"log": log, "__name__": module}})


for module in ("gateway.deliver.outbox", "gateway.ingest.runner", "gateway_opcua.adapter"):
    say(module)
LEVELS.set("gateway_opcua", "debug")
say("gateway_opcua.adapter")
"""


def said(levels: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(levels=levels)], capture_output=True, text=True, check=True
    )
    return [json.loads(line)["event"] for line in done.stderr.splitlines()]


def test_each_part_is_heard_from_its_own_level_on() -> None:
    events = said({"gateway.deliver": "debug", "gateway_opcua": "error"})
    assert [event for event in events if "deliver" in event] == [
        f"gateway.deliver.outbox {word}" for word in ("debug", "info", "warning", "error")
    ]
    assert [event for event in events if "runner" in event] == [
        f"gateway.ingest.runner {word}" for word in ("info", "warning", "error")
    ]
    assert [event for event in events if "opcua" in event] == [
        f"gateway_opcua.adapter {word}" for word in ("error", "debug", "info", "warning", "error")
    ]


def test_without_parts_the_one_level_counts() -> None:
    assert "gateway.ingest.runner debug" not in said({})


@pytest.mark.parametrize(
    ("module", "level"),
    [
        ("gateway.deliver.outbox", "debug"),
        ("gateway.deliver", "error"),
        ("gateway.deliverance", "warning"),
        ("gateway_modbus.link", "warning"),
    ],
)
def test_the_longest_name_that_fits_counts(module: str, level: str) -> None:
    levels = Levels()
    levels.begin("warning", {"gateway.deliver": "error", "gateway.deliver.outbox": "debug"})
    assert levels.of(module) == NUMBERS[level]
