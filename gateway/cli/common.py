"""What the verbs share: the options for configuration and state, exit codes, and how errors are told."""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.config.files import Library, state_dir
from gateway.config.schema import GatewayConfig

OK, FAILED, USAGE, TRY_LATER, CONFIGURATION = 0, 1, 2, 75, 78
DEFAULT_CONFIG = Path("/etc/fieldgate/fieldgate.yaml")


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config PATH`."""
    parser.add_argument(
        "--config", type=Path, default=Path(os.environ.get("FIELDGATE_CONFIG", DEFAULT_CONFIG)),
        help="main configuration file (default: $FIELDGATE_CONFIG, then %(default)s)",
    )  # fmt: skip


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON for machines")


def add_again(parser: argparse.ArgumentParser) -> None:
    """The same options, and `--state`, behind a verb of a verb; no default, for that would undo what stands before."""
    parser.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="main configuration file")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON for machines")
    parser.add_argument("--state", type=Path, default=argparse.SUPPRESS, help="state folder of the gateway")


def print_json(content: Any) -> None:
    """One JSON value on one line."""
    sys.stdout.write(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY).decode() + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """One line to stderr."""
    sys.stderr.write(f"fieldgate: {message}\n")


def state_folder(given: Path | None, configured: Path) -> Path:
    """Where state is kept: the option, systemd's STATE_DIRECTORY, then the configuration."""
    systemd = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return given or (Path(systemd) if systemd else configured)


def state_of(args: argparse.Namespace) -> Path:
    """The state folder of the gateway of `args`, for verbs that must work while the files are wrong."""
    main = args.config.absolute()
    written = state_dir(Library(main.parent).read(main))
    return state_folder(args.state, written or GatewayConfig(id="any").state)


def name_of(url: str) -> str:
    """A name for the device at `url`: its host, without what no name may have."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", urlsplit(url).hostname or "").strip("-")[:64] or "new"
