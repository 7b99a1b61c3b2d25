"""`fieldgate read`: ask the devices and show what they say, with quality and time, once or as it changes."""

import argparse
import asyncio
import contextlib
from pathlib import Path

from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json, state_folder
from gateway.cli.reading import Reading, ask, borrowed, narrowed, opened, running
from gateway.cli.shown import Output, View, document, line, output
from gateway.config.load import load
from gateway.ingest.registry import Registry
from gateway.ops import logs
from gateway.ops.clock import SystemClock
from gateway.sdk.config import seconds
from gateway.sdk.quality import BAD
from gateway.sdk.tags import TagTable

_SHOWN_EVERY = 0.2  # s


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("read", help="read tags, once or as they change", description=__doc__)
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway, for its certificates")
    parser.add_argument("tags", nargs="*", metavar="DEVICE[.TAG]", help="what to read (default: everything)")
    parser.add_argument("--within", type=float, default=10.0, metavar="SECONDS", help="longest wait (default: 10)")
    parser.add_argument("--watch", action="store_true", help="go on until Ctrl-C; in a pipe, a line for each change")
    parser.add_argument("--for", dest="seconds", type=seconds, metavar="TIME", help="with --watch: end after this long")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Read and print; 75 when something did not answer, or with --watch is bad at the end."""
    logs.configure("error", SystemClock())
    registry = Registry()
    configuration = load(args.config, registry.models())
    table = TagTable.build(narrowed(configuration.devices, args.tags))
    if unknown := _unknown(args.tags, table):
        complain(f"no tag is called {', '.join(unknown)}")
        return FAILED
    state = state_folder(args.state, configuration.root.gateway.state)
    reading = Reading(table, set(configuration.broken))
    with borrowed(state / "adapters") as homes:
        if not args.watch:
            return asyncio.run(_once(registry, reading, homes, args))
        with contextlib.suppress(KeyboardInterrupt):  # how one ends it
            return asyncio.run(_watch(registry, reading, homes, args))
    return OK


def _unknown(tags: list[str], table: TagTable) -> list[str]:
    known = {*table.names, *(device.name for device in table.devices)}
    return [tag for tag in tags if tag not in known]


async def _once(registry: Registry, reading: Reading, homes: Path, args: argparse.Namespace) -> int:
    async with opened(registry, reading, homes) as found:
        await ask(reading, found, args.within, meanings=True)
    view, rows = _view(reading), range(len(reading.table))
    if args.json:
        print_json([document(view, row) for row in rows])
    else:
        print(*(line(view, row) for row in rows), sep="\n")
    return _code(reading)


async def _watch(registry: Registry, reading: Reading, homes: Path, args: argparse.Namespace) -> int:
    shown = output(_view(reading), json=args.json)
    reading.tell, reading.say = shown.told, shown.say
    async with opened(registry, reading, homes) as found, running([reading.on_and_on(one) for one in found]):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(args.seconds):
                await _show(shown)
        shown.flush()
    return _code(reading)


async def _show(shown: Output) -> None:
    while True:
        shown.flush()
        await asyncio.sleep(_SHOWN_EVERY)


def _view(reading: Reading) -> View:
    return View(reading.table, reading.image, reading.meanings)


def _code(reading: Reading) -> int:
    return OK if (reading.image.status < BAD).all() else TRY_LATER
