"""`fieldgate doctor`: look at one device, and say what to configure. Reads only."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import structlog

from gateway.app import connections
from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json
from gateway.config.load import load
from gateway.ingest.registry import Registry
from gateway.ops import logs
from gateway.ops.clock import SystemClock
from gateway.sdk.adapter import Host
from gateway.sdk.errors import DisconnectedError
from gateway.sdk.tags import Connection, Device, TagTable


class Findings(Protocol):
    """What an examination has come to."""

    ok: bool

    def render(self, *, everything: bool = False) -> str:
        """For people."""

    def as_json(self) -> dict[str, Any]:
        """For machines."""


@runtime_checkable
class Examines(Protocol):
    """An adapter that can look at a device of its own, which nobody else polls meanwhile."""

    async def examine(self, device: Device, say: Callable[[str], None]) -> Findings:
        """Look at `device` by reads only; `say` is told what is under way. Raises DisconnectedError."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("doctor", help="look at one device and say what to configure", description=__doc__)
    add_config(parser)
    add_json(parser)
    parser.add_argument("device", metavar="DEVICE", help="name of the device")
    parser.add_argument("--all", action="store_true", help="show every type and order of each register, not the best")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Look and print; 75 when the device does not answer."""
    clock = SystemClock()
    logs.configure("error", clock)
    registry = Registry()
    configuration = load(args.config, registry.models())
    found = _find(connections(TagTable.build(configuration.devices), set(configuration.broken)), args.device)
    if found is None:
        complain(f"no device is called {args.device}")
        return FAILED
    adapter_name, connection, device = found
    with tempfile.TemporaryDirectory(prefix="fieldgate-doctor-") as home:
        adapter = registry.adapter(adapter_name)(connection, Host(clock, Path(home), structlog.get_logger()))
        if not isinstance(adapter, Examines):
            complain(f"the adapter {adapter_name} has no doctor")
            return FAILED
        try:
            findings = asyncio.run(adapter.examine(device, _quiet if args.json else _say))
        except DisconnectedError as error:
            complain(f"{device.name}: {error}")
            return TRY_LATER
    if args.json:
        print_json(findings.as_json())
    else:
        print(findings.render(everything=args.all))
    return OK if findings.ok else TRY_LATER


def _find(lines: list[tuple[str, Connection]], name: str) -> tuple[str, Connection, Device] | None:
    """The device called `name`, its connection and its adapter."""
    for adapter, connection in lines:
        for device in connection.devices:
            if device.name == name:
                return adapter, connection, device
    return None


def _say(what: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{what} …\n")


def _quiet(_what: str) -> None:
    pass
