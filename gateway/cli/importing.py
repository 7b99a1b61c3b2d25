"""`fieldgate import KIND FILE…`: device files out of another gateway's configuration, and a report of what was lost.

Opens no connection. Without `-o` it only reports.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.cli.common import FAILED, OK, add_json, complain, print_json
from gateway.importing import writer
from gateway.importing.asked import Asked
from gateway.importing.fitting import fit
from gateway.importing.foreign import MAX_BYTES, Foreign
from gateway.importing.found import Found
from gateway.importing.peers import READERS, read
from gateway.importing.report import HEADINGS, Report
from gateway.ingest.registry import Registry
from gateway.sdk.errors import ConfigError

_LAST_NAMESPACE: Final = 0xFFFF


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "import", help="turn another gateway's configuration into device files", description=__doc__
    )
    parser.add_argument("kind", choices=sorted(READERS), metavar="KIND", help=", ".join(sorted(READERS)))
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="its configuration, as it saves or exports it"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="write the device files here, as devices.d/")
    parser.add_argument(
        "--connect", metavar="URL", help="where the device answers, for files that do not say it: tcp://10.0.4.21:502"
    )
    parser.add_argument(
        "--namespace", type=int, choices=range(_LAST_NAMESPACE + 1), metavar="N",
        help="namespace of OPC UA browse names that are written without one",
    )  # fmt: skip
    parser.add_argument("--accept-loss", action="store_true", help="exit code 0 though something was lost")
    parser.add_argument("--force", action="store_true", help="replace device files that are there already")
    parser.add_argument("--verbose", action="store_true", help="list every tag, and every place")
    add_json(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Read, fit, write, report; 1 when something was lost and that was not accepted."""
    report = Report()
    found = read(args.kind, [_file(path) for path in args.files], Asked(args.connect, args.namespace), report)
    devices = fit(found, Registry().models(), report)
    origin = f"{args.kind}: {', '.join(path.name for path in args.files)}"
    written = writer.write(devices, args.output, origin, force=args.force) if args.output and devices else []
    if args.json:
        print_json(_as_json(devices, written, report))
    else:
        _tell(devices, written, report, every=args.verbose)
    if not report.complete and not args.accept_loss:
        complain("something was lost; --accept-loss takes it as it is")
        return FAILED
    return OK if devices else FAILED


def _file(path: Path) -> Foreign:
    try:
        with path.open("rb") as file:
            return Foreign(path.name, file.read(MAX_BYTES + 1))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _as_json(devices: Sequence[Found], written: Sequence[Path], report: Report) -> dict[str, object]:
    return {
        "devices": [{"device": one.name, "adapter": one.adapter, "tags": len(one.tags)} for one in devices],
        "files": [str(path) for path in written],
        "counts": report.counts(),
        "notes": report.as_json(),
    }


def _tell(devices: Sequence[Found], written: Sequence[Path], report: Report, *, every: bool) -> None:
    places = {path.stem: str(path) for path in written}
    for one in devices:
        count = len(one.tags)
        print(f"{places.get(one.name, one.name)}: {one.adapter}, {count} {'tag' if count == 1 else 'tags'}")
    for line in report.lines(every=every):
        print(line)
    print(", ".join(f"{count} {HEADINGS[kind]}" for kind, count in report.counts().items()))
