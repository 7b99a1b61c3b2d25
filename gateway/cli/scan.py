"""`fieldgate scan`: what answers at the addresses that are given, as a table and as device files. Reads only, gently.

Nothing but the hosts and networks on the command line is asked, at a stated pace, and only with --yes.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gateway.cli.common import FAILED, OK, USAGE, complain, print_json
from gateway.cli.pace import SteadyPace
from gateway.config.problems import PluginError
from gateway.ingest.registry import Registry
from gateway.ops.clock import SystemClock
from gateway.sdk.discover import OPEN, Discovered, Discovers, Place
from gateway.sdk.errors import ConfigError

_RATE, _AT_ONCE, _PATIENCE = 20.0, 4, 3.0  # packets a second; hosts; s
_MOST: Final = 65536  # hosts
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked of one host: by which adapter, at which port."""

    name: str
    adapter: type[Discovers]
    port: int


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("scan", help="find out what answers at given addresses", description=__doc__)
    parser.add_argument("targets", nargs="+", metavar="HOST|NETWORK", help="10.0.4.21, 10.0.4.0/24 or a name")
    parser.add_argument(
        "--yes", action="store_true", help="the network is mine to ask; without it, only say what would be"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines, one object on each line")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="write a device file for each; none is overwritten"
    )
    parser.add_argument(
        "--port", action="append", default=[], type=_port, metavar="ADAPTER:PORT",
        help="ask this port by this adapter; the usual ports of all adapters unless given",
    )  # fmt: skip
    parser.add_argument("--units", type=_units, default=(1, 255), metavar="LIST", help="Modbus units: 1,255 or 1-10")
    parser.add_argument(
        "--rate", type=_positive, default=_RATE, metavar="N", help="packets a second, at most (default: %(default)g)"
    )
    parser.add_argument(
        "--at-once", type=int, choices=range(1, 65), default=_AT_ONCE, metavar="N",
        help="hosts that are asked at one time, each over one connection (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=_positive, default=_PATIENCE, metavar="S", help="wait for an answer (default: %(default)g s)"
    )
    parser.set_defaults(func=run)


def _port(text: str) -> tuple[str, int]:
    name, _, port = text.partition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004 - what TCP has
        raise argparse.ArgumentTypeError(f"{text} is not written ADAPTER:PORT, as modbus:1502")
    return name, int(port)


def _units(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first) <= 255):  # noqa: PLR2004 - one byte
            raise argparse.ArgumentTypeError(f"{text} is no list of units, as 1,255 or 1-10")
        found += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(found))


def _positive(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < 1e6:  # noqa: PLR2004 - more is no limit
            return float(text)
    raise argparse.ArgumentTypeError(f"{text} is no number above 0")


def run(args: argparse.Namespace) -> int:
    """Say what would be done, or do it; 1 when nothing was found."""
    targets, probes = _targets(args.targets), _probes(args.port)
    count = sum(1 if isinstance(one, str) else one.num_addresses for one in targets)
    if count > _MOST:
        complain(f"{count} addresses are more than {_MOST}: name smaller networks")
        return USAGE
    least = count * len(probes) * OPEN / args.rate
    asked = ", ".join(f"{probe.port} ({probe.name})" for probe in probes)
    plan = (
        f"{count} addresses at port {asked}: {args.rate:g} packets a second at most, {least / 60:.1f} minutes or more"
    )
    if not args.yes:
        print(f"{plan}\nNothing was sent. Ask only where you may, and add --yes.")
        return USAGE
    sys.stderr.write(plan + "\n")
    files = Files(args.output) if args.output else None
    return asyncio.run(_scan(list(_hosts(targets)), probes, args, files))


def _targets(given: Sequence[str]) -> list[str | ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found: list[str | ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for text in given:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            if "/" in text:
                raise ConfigError(f"{text} is no network: {error}") from error
            found.append(text)
    return found


def _hosts(targets: Sequence[str | ipaddress.IPv4Network | ipaddress.IPv6Network]) -> Iterator[str]:
    for one in targets:
        if isinstance(one, str):
            yield one
        else:
            yield from map(str, one.hosts())


def _probes(ports: Sequence[tuple[str, int]]) -> list[Probe]:
    registry = Registry()
    if ports:
        return [Probe(name, _discoverer(registry, name), port) for name, port in ports]
    return [
        Probe(name, adapter, port)
        for name in registry.names
        if (adapter := _usable(registry, name)) is not None
        for port in adapter.ports()
    ]


def _discoverer(registry: Registry, name: str) -> type[Discovers]:
    adapter = _usable(registry, name) if name in registry.names else None
    if adapter is None:
        raise ConfigError(
            f"there is no adapter {name} that can look for devices; installed: {', '.join(registry.names)}"
        )
    return adapter


def _usable(registry: Registry, name: str) -> type[Discovers] | None:
    with contextlib.suppress(PluginError):
        adapter = registry.adapter(name)
        if issubclass(adapter, Discovers):
            return adapter
    return None


async def _scan(hosts: Sequence[str], probes: Sequence[Probe], args: argparse.Namespace, files: "Files | None") -> int:
    """Some hosts at a time; one host's ports one after the other, for small devices take one connection only."""
    pace, waiting, found = SteadyPace(args.rate, SystemClock()), iter(hosts), 0

    async def work() -> None:
        nonlocal found
        for host in waiting:
            for name, one in await _host(host, probes, args, pace):
                found += bool(one.kind)
                path = await asyncio.to_thread(files.write, name, one) if files and one.device else None
                _tell(name, one, path, as_json=args.json)

    async with asyncio.TaskGroup() as group:
        for number in range(min(args.at_once, len(hosts))):
            group.create_task(work(), name=f"scan {number}")
    sys.stderr.write(f"{found} devices, {pace.spent} packets at most\n")
    return OK if found else FAILED


async def _host(
    host: str, probes: Sequence[Probe], args: argparse.Namespace, pace: SteadyPace
) -> list[tuple[str, Discovered]]:
    """What one host has; that it only refuses is told where it has nothing else."""
    found: list[tuple[str, Discovered]] = []
    for probe in probes:
        place = Place(host, probe.port, args.units, args.timeout)
        async with contextlib.aclosing(probe.adapter.discover(place, pace)) as parts:
            found += [(probe.name, one) async for one in parts]
    return [one for one in found if one[1].listening] or found[:1]


class Files:
    """Device files in a folder, with names of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, adapter: str, one: Discovered) -> Path | None:
        """Write the file of `one`; None where there is one of that name."""
        name = _UNSAFE.sub("-", f"{adapter}-{one.where.partition('://')[2]}".replace("?unit=", "-")).strip("-")[:64]
        path = self._folder / f"{name}.yaml"
        if path.exists():
            complain(f"{path} is there already and stays as it is")
            return None
        path.write_text("\n".join(_lines(name, one)) + "\n")
        return path


def _lines(name: str, one: Discovered) -> Iterator[str]:
    """As YAML: JSON is, and what a device says of itself cannot end a comment."""
    yield f"# By `fieldgate scan`: {_plain(one.kind)}, {_plain(_said(one))}"
    yield f"# {_plain(one.remark)}"
    yield f"device: {_scalar(name)}"
    for key, value in (one.device or {}).items():
        if key != "tags":
            yield f"{key}: {_scalar(value)}"
    yield "tags:"
    for tag, options in (one.device or {}).get("tags", {}).items():
        yield f"  {tag}: {{{', '.join(f'{key}: {_scalar(value)}' for key, value in options.items())}}}"


def _tell(name: str, one: Discovered, path: Path | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"adapter": name, **asdict(one), "file": str(path) if path else None})
        return
    print(f"{one.where:42}  {one.kind or '-':18}  {_plain(_said(one))}")
    for text in (one.remark, f"written to {path}" if path else ""):
        if text:
            print(f"    {_plain(text)}")


def _said(one: Discovered) -> str:
    return ", ".join(f"{key} {text}" for key, text in one.says.items()) or "says nothing of itself"


def _plain(text: str) -> str:
    """One line of printable text, whatever a device has sent."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:500]


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
