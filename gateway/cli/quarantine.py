"""`fieldgate quarantine [list|release NAME]`: connections that are set aside because their plugin did harm."""

import argparse
import datetime as dt
from pathlib import Path

from gateway.cli.common import OK, add_again, add_config, add_json, print_json
from gateway.cli.operations import ask, place
from gateway.ops.clock import SystemClock
from gateway.ops.quarantine import Quarantine


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb and its own verbs."""
    parser = subparsers.add_parser("quarantine", help="connections that are set aside for the harm they did")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway; then no configuration is read")
    parser.set_defaults(func=run_list)
    verbs = parser.add_subparsers(dest="quarantine_verb", metavar="VERB")
    listing = verbs.add_parser("list", help="who is set aside, since when and why (without a verb, too)")
    add_again(listing)
    listing.set_defaults(func=run_list)
    release = verbs.add_parser("release", help="let a connection in again")
    add_again(release)
    release.add_argument("connection", metavar="NAME", help="the connection, as the list names it")
    release.set_defaults(func=run_release)


def run_list(args: argparse.Namespace) -> int:
    """From the state folder: whether a gateway runs or not."""
    aside = Quarantine(place(args), SystemClock()).load().aside
    if args.json:
        print_json([{"connection": name, "harm": v.harm, "why": v.why, "since": v.since} for name, v in aside.items()])
        return OK
    for name, verdict in aside.items():
        since = dt.datetime.fromtimestamp(verdict.since / 1e9, dt.UTC).astimezone()
        print(f"{name}  since {since:%Y-%m-%d %H:%M:%S}  the plugin {verdict.why}")
    if not aside:
        print("no connection is set aside")
    return OK


def run_release(args: argparse.Namespace) -> int:
    """Leave a note for the gateway, and wait for what it says to it."""
    return ask(place(args), {"connection": args.connection}, json=args.json)
