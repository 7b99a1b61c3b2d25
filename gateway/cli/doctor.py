"""`fieldgate doctor`: look at one device, and say what to configure. Reads only.

A device that no configuration names is given by its URL, and --survey says where its values may lie.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import structlog

from gateway.cli.common import OK, TRY_LATER, add_config, add_json, complain, name_of, print_json
from gateway.config.load import load
from gateway.config.problems import PluginError
from gateway.ingest.connections import connections
from gateway.ingest.registry import Registry
from gateway.ops import logs
from gateway.ops.clock import SystemClock
from gateway.sdk.adapter import Adapter, Host
from gateway.sdk.browse import Visit
from gateway.sdk.errors import ConfigError, DisconnectedError, FieldgateError
from gateway.sdk.tags import Connection, Device, TagTable


class Findings(Protocol):
    """What an examination has come to."""

    ok: bool

    def render(self, *, everything: bool = False) -> str:
        """For people."""

    def as_json(self) -> dict[str, Any]:
        """For machines."""

    def device_file(self) -> str:
        """For devices.d/."""


@runtime_checkable
class Examines(Protocol):
    """An adapter that can look at a device of its own, which nobody else polls meanwhile."""

    async def examine(self, device: Device, say: Callable[[str], None]) -> Findings:
        """Look at `device` by reads only; `say` is told what is under way. Raises DisconnectedError."""


@runtime_checkable
class Surveys(Protocol):
    """An adapter that can look at a device of which nothing is known."""

    @classmethod
    async def survey(cls, wanted: Visit, where: Sequence[str], say: Callable[[str], None]) -> Findings:
        """Look by reads only, and at what lies `where`. Raises ConfigError, and DisconnectedError."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("doctor", help="look at one device and say what to configure", description=__doc__)
    add_config(parser)
    add_json(parser)
    parser.add_argument("target", metavar="DEVICE|URL", help="name of a device, or tcp://host:port?unit=1")
    parser.add_argument("--all", action="store_true", help="show every type and order of each register, not the best")
    what = parser.add_argument_group("for a URL")
    what.add_argument("--adapter", default="modbus", metavar="NAME", help="default: %(default)s")
    what.add_argument(
        "--survey", action="append", default=[], metavar="WHERE",
        help="where its values may lie: holding:0-199, 30001-30100; may be given again (default: the first register)",
    )  # fmt: skip
    what.add_argument("--yaml", action="store_true", help="print a file for devices.d/ with what was found")
    what.add_argument("--name", metavar="DEVICE", help="name of the device in --yaml (default: made from the URL)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Look and print; 75 when the device does not answer."""
    logs.configure("error", SystemClock())
    look = _unknown if "://" in args.target else _known
    try:
        findings = look(args, _quiet if args.json else _say)
    except DisconnectedError as error:
        complain(f"{args.target}: {error}")
        return TRY_LATER
    if args.json:
        print_json(findings.as_json())
    elif args.yaml and findings.ok:
        print(findings.device_file())
    else:
        print(findings.render(everything=args.all))
    return OK if findings.ok else TRY_LATER


def _unknown(args: argparse.Namespace, say: Callable[[str], None]) -> Findings:
    adapter = _adapter(Registry(), args.adapter)
    if not issubclass(adapter, Surveys):
        raise ConfigError(f"the adapter {args.adapter} cannot look at a device that no configuration names")
    visit = Visit(args.name or name_of(args.target), args.target, {})
    return asyncio.run(adapter.survey(visit, args.survey, say))


def _known(args: argparse.Namespace, say: Callable[[str], None]) -> Findings:
    if args.survey or args.yaml or args.name:
        raise ConfigError(f"--survey, --yaml and --name are for a URL; {args.target} has a file of its own")
    registry = Registry()
    configuration = load(args.config, registry.models())
    found = _find(connections(TagTable.build(configuration.devices), set(configuration.broken)), args.target)
    if found is None:
        raise FieldgateError(f"no device is called {args.target}; a URL has :// in it")
    name, connection, device = found
    with tempfile.TemporaryDirectory(prefix="fieldgate-doctor-") as home:
        adapter = _adapter(registry, name)(connection, Host(SystemClock(), Path(home), structlog.get_logger()))
        if not isinstance(adapter, Examines):
            raise ConfigError(f"the adapter {name} has no doctor")
        return asyncio.run(adapter.examine(device, say))


def _adapter(registry: Registry, name: str) -> type[Adapter]:
    try:
        return registry.adapter(name)
    except KeyError:
        raise ConfigError(f"there is no adapter {name}; installed: {', '.join(registry.names)}") from None
    except PluginError as error:
        raise ConfigError(str(error)) from error


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
