"""`fieldgate bundle`: one archive for support, with what tells how the gateway is and without its secrets."""

import argparse
import io
import os
import tarfile
import time
from pathlib import Path
from typing import Final

from gateway.cli.common import FAILED, OK, add_config, complain, state_folder
from gateway.cli.scrub import Scrub, secret_folders, secrets_in
from gateway.cli.support import Around, Piece, pieces, recording
from gateway.config.expanded import as_yaml
from gateway.config.load import load_written
from gateway.config.problems import ConfigErrors
from gateway.config.schema import Root
from gateway.ingest.registry import Registry

PIECE: Final = 4 * 2**20  # bytes of one piece; of a longer one the end is kept, for the latest stands there
RECORDING: Final = 32 * 2**20  # bytes of recordings
_STATE: Final = Path("/var/lib/fieldgate")
_README: Final = """\
A support bundle of Fieldgate, made {when} UTC on {host}.
Secrets are left out: passwords, keys, tokens; what looks like one reads ***. Look through it before you send it:
names of devices and tags, addresses and lines of the log are in it.
{recorded}
"""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "bundle", help="one archive for support: configuration, health, metrics, log, versions; without secrets"
    )
    add_config(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the gateway listens")
    parser.add_argument("--log", type=Path, metavar="FILE", help="take the log from here, not from journald")
    parser.add_argument(
        "--recording", action="store_true", help=f"with the latest recorded readings, at most {RECORDING >> 20} MiB"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the archive (default: by name and time)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Gather and write; nothing that is missing or broken keeps the rest from being gathered."""
    root, configuration = _configuration(args.config)
    state = state_folder(args.state, root.gateway.state if root else _STATE)
    scrub = Scrub(secrets_in(secret_folders(args.config, root.gateway.secrets_dir if root else None)))
    around = Around(args.config, state, args.listen or (root.metrics.listen if root else None), args.log)
    name = f"fieldgate-bundle-{root.gateway.id if root else 'gateway'}-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    output = args.output or Path(f"{name}.tar.gz")
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        complain(f"{output} cannot be written: {error.strerror}; name another file with --output")
        return FAILED
    with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for piece in (_readme(with_recording=args.recording), configuration, *pieces(around)):
            _put(archive, f"{name}/{piece.name}", _bounded(scrub(piece.content)))
        for piece in recording(state, RECORDING) if args.recording else ():
            _put(archive, f"{name}/{piece.name}", piece.content)
    print(output)
    return OK


def _configuration(path: Path) -> tuple[Root | None, Piece]:
    """What the configuration comes to; where it is wrong, what is wrong with it.

    Outside of the service systemd's credentials are not there; they lie where the documentation advises.
    """
    environ = {"CREDENTIALS_DIRECTORY": str(path.absolute().parent / "secrets"), **os.environ}
    try:
        found, written = load_written(path, Registry().models(), environ)
    except ConfigErrors as errors:
        return None, Piece("configuration-problems.txt", errors.render().encode())
    return found.root, Piece("configuration.yaml", as_yaml(written).encode())


def _readme(*, with_recording: bool) -> Piece:
    recorded = "Recorded readings are in it." if with_recording else "Recorded readings are not in it (--recording)."
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    return Piece("README.txt", _README.format(when=when, host=os.uname().nodename, recorded=recorded).encode())


def _bounded(content: bytes) -> bytes:
    """The end of what is too long."""
    cut = len(content) - PIECE
    return content if cut <= 0 else b"(the first %d bytes are left out)\n" % cut + content[-PIECE:]


def _put(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(content))
