"""`fieldgate browse`: what a device has, as a tree, as JSON, or as a device file to start from. Reads only."""

import argparse
import asyncio
import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import structlog

from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, complain, name_of
from gateway.cli.globs import Glob
from gateway.cli.inventory import DeviceFile, Json, Paths, Tree
from gateway.cli.reading import borrowed
from gateway.config.load import load
from gateway.config.problems import PluginError
from gateway.ingest.connections import connections
from gateway.ingest.registry import Registry
from gateway.ops import logs
from gateway.ops.clock import SystemClock
from gateway.sdk.adapter import Adapter, Host
from gateway.sdk.browse import DEEPEST, MOST_NODES, Browses, Found, Look, Visit
from gateway.sdk.config import DeviceConfig
from gateway.sdk.errors import ConfigError, DisconnectedError
from gateway.sdk.tags import Connection, Device, TagTable

_PASSWORD: Final = "FIELDGATE_PASSWORD"  # noqa: S105 - the name of a variable


class Output(Protocol):
    """Where what is found goes, one after the other."""

    def tell(self, found: Found) -> None:
        """Print one."""

    def end(self) -> bool:
        """There is no more. Whether anything was worth it."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("browse", help="show what a device has", description=__doc__)
    add_config(parser)
    parser.add_argument("target", metavar="URL|DEVICE", help="opc.tcp://host:port, or the name of a device")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print JSON for machines, one object on each line")
    how.add_argument(
        "--yaml", action="store_true", help="print a file for devices.d/ with everything that can be a tag"
    )
    _add_bounds(parser)
    _add_visit(parser)
    parser.set_defaults(func=run)


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="start", default="", metavar="NODE", help="where to begin: a node id or a path")
    parser.add_argument("--depth", type=_count, default=DEEPEST, metavar="N", help="levels down (default: %(default)s)")
    parser.add_argument(
        "--limit", type=_count, default=MOST_NODES, metavar="N", help="most nodes to look at (default: %(default)s)"
    )
    parser.add_argument("--match", type=Glob, metavar="GLOB", help="only these paths: 'Boiler*/Temp*', '/Line/**'")
    parser.add_argument("--paths", action="store_true", help="name tags by browse path: for node ids that change")
    parser.add_argument("--all", action="store_true", help="also properties, and what the server says of itself")


def _add_visit(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("for a URL")
    what.add_argument("--adapter", default="opcua", metavar="NAME", help="default: %(default)s")
    what.add_argument("--name", metavar="DEVICE", help="name of the device in --yaml (default: made from the URL)")
    what.add_argument("--user", metavar="NAME", help=f"the password is asked for, or taken from ${_PASSWORD}")
    what.add_argument("--security", metavar="MODE", help="for instance sign_and_encrypt")
    what.add_argument(
        "--set", action="append", default=[], type=_option, metavar="OPTION=VALUE", help="another option of the device"
    )
    what.add_argument(
        "--home", type=Path, metavar="FOLDER",
        help="where certificates are kept (default: the gateway's own are used, and nothing is kept)",
    )  # fmt: skip


def _count(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def _option(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise argparse.ArgumentTypeError(f"{text} is not written OPTION=VALUE")
    return name, value


def run(args: argparse.Namespace) -> int:
    """Look and print; 75 when the device does not answer, 1 when nothing was found or not everything looked at."""
    clock = SystemClock()
    logs.configure("error", clock)
    registry = Registry()
    adapter_name, connection, device, state = _target(args, registry)
    with _home(args.home, state / "adapters" / adapter_name) as home:
        adapter = registry.adapter(adapter_name)(connection, Host(clock, home, structlog.get_logger()))
        browser = _browser(adapter, adapter_name)
        try:
            return asyncio.run(_browse(browser, device, args))
        except DisconnectedError as error:
            complain(f"{device.name}: {error}")
            return TRY_LATER


def _target(args: argparse.Namespace, registry: Registry) -> tuple[str, Connection, Device, Path]:
    """The device that is meant, its adapter and connection, and where the gateway keeps its state."""
    if "://" not in args.target:
        configuration = load(args.config, registry.models())
        for adapter, connection in connections(TagTable.build(configuration.devices), set(configuration.broken)):
            for device in connection.devices:
                if device.name == args.target:
                    return adapter, connection, device, configuration.root.gateway.state
        raise ConfigError(f"no device is called {args.target}; a URL has :// in it")
    [device] = TagTable.build([_visited(args, registry)]).devices
    state = Path(os.environ.get("STATE_DIRECTORY", "/var/lib/fieldgate").split(":")[0])
    return args.adapter, Connection(device.name, (device,)), device, state


def _visited(args: argparse.Namespace, registry: Registry) -> DeviceConfig:
    options = dict(args.set) | {key: given for key in ("user", "security") if (given := getattr(args, key))}
    if args.user and (password := _password(args.user)):
        options["password"] = password
    try:
        adapter = registry.adapter(args.adapter)
    except KeyError:
        raise ConfigError(f"there is no adapter {args.adapter}; installed: {', '.join(registry.names)}") from None
    except PluginError as error:
        raise ConfigError(str(error)) from error
    if not issubclass(adapter, Browses):
        raise ConfigError(f"the adapter {args.adapter} cannot browse")
    return adapter.visit(Visit(args.name or name_of(args.target), args.target, options))


def _password(user: str) -> str:
    given = os.environ.get(_PASSWORD, "")
    return given or (getpass.getpass(f"password of {user}: ") if sys.stdin.isatty() else "")


def _browser(adapter: Adapter, name: str) -> Browses:
    if not isinstance(adapter, Browses):
        raise ConfigError(f"the adapter {name} cannot browse")
    return adapter


@contextlib.contextmanager
def _home(given: Path | None, own: Path) -> Iterator[Path]:
    """A folder for certificates: the one given, else a copy of the gateway's own."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with borrowed(own) as home:
        yield home


async def _browse(browser: Browses, device: Device, args: argparse.Namespace) -> int:
    output, looked_at, progress = _output(browser, device, args), 0, _Progress(filtered=args.match is not None)
    look = Look(args.start, args.depth, args.limit + 1, args.all, args.paths)
    async with contextlib.aclosing(browser.browse(device, look)) as parts:
        async for part in parts:
            for found in part[: args.limit - looked_at]:
                if args.match is None or args.match.matches(found.path[1:]):
                    progress.make_way()
                    output.tell(found)
            looked_at += len(part)
            progress.show(looked_at)
    complete = looked_at <= args.limit
    progress.end()
    if not complete:
        complain(f"stopped after {args.limit} nodes and there are more: see --from, --depth and --limit")
    return OK if output.end() and complete else FAILED


def _output(browser: Browses, device: Device, args: argparse.Namespace) -> Output:
    if args.json:
        return Json()
    if args.yaml:
        return DeviceFile(browser.heading(device))
    return Tree() if args.match is None else Paths()


class _Progress:
    """How many nodes were looked at, on one line of a terminal: where what is found does not show it by itself."""

    def __init__(self, *, filtered: bool) -> None:
        self._shown = sys.stderr.isatty() and (filtered or not sys.stdout.isatty())
        self._standing = False

    def show(self, count: int) -> None:
        """In place of what it said before."""
        if self._shown:
            sys.stdout.flush()  # what was found comes before it
            self._write(f"\r{count} nodes")
            self._standing = True

    def make_way(self) -> None:
        """Wipe it out, for a line of what was found (ECMA-48, erase in line)."""
        if self._standing:
            self._write("\r\x1b[K")
            self._standing = False

    def end(self) -> None:
        """Leave the last number where it stands."""
        if self._standing:
            self._write("\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
