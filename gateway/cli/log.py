"""`fieldgate log PART LEVEL`: hear more, or less, of a part of a gateway that runs."""

import argparse
from pathlib import Path

from gateway.cli.common import add_config
from gateway.cli.operations import ask, place
from gateway.ops.levels import NUMBERS


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("log", help="how much a part of the running gateway writes to its log")
    add_config(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway; then no configuration is read")
    parser.add_argument(
        "part", metavar="PART", help="a module and all below it: gateway, gateway.deliver, gateway_opcua"
    )
    parser.add_argument("level", choices=list(NUMBERS), help="the least severity that is written, until the next start")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Leave a note for the gateway, and wait until it is taken."""
    return ask(place(args), {"part": args.part, "level": args.level})
