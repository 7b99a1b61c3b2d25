"""`fieldgate sim`: simulated devices, for commissioning a gateway before its machines are wired."""

import argparse
import subprocess
import sys
from pathlib import Path


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("sim", help="simulate devices", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    modbus = kinds.add_parser("modbus", help="Modbus TCP units as a profile says, with faults")
    modbus.add_argument("profile", type=Path, metavar="PROFILE.yaml", help="tags, waves and faults of each unit")
    modbus.add_argument("--keep", action="store_true", help="do not end at the end of standard input")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop: commands on standard input, answers as JSON lines."""
    keep = ["--keep"] if args.keep or sys.stdin.isatty() else []
    return subprocess.run(  # noqa: S603 - our own module by our own interpreter
        [sys.executable, "-m", "gateway_sim", args.kind, str(args.profile), *keep], check=False
    ).returncode
