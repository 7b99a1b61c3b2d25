"""`fieldgate asset accept|recalibrate|fault NAME`: what an operator answers to an alarm that stays, or to a drift."""

import argparse
from pathlib import Path

from gateway.cli.common import FAILED, OK, add_config, complain, state_folder
from gateway.config.load import load
from gateway.ingest.registry import Registry
from gateway.models.answers import leave
from gateway.models.modes import moded

_VERBS = {
    "accept": "what the machine is like now is normal from here on",
    "recalibrate": "learn anew what is normal, from the next rows on",
    "fault": "it is a real fault: normal stays as it is, and the event does not count against the budget",
}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("asset", help="answer an alarm that stays, or a drift")
    verbs = parser.add_subparsers(dest="asset_verb", metavar="VERB", required=True)
    for name, text in _VERBS.items():
        one = verbs.add_parser(name, help=text)
        add_config(one)
        one.add_argument("--state", type=Path, help="state folder of the gateway")
        one.add_argument("asset", help="name of the asset")
        one.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Leave the answer where the gateway looks every second."""
    root = load(args.config, Registry().models()).root
    assets = moded(root.assets)
    if args.asset not in assets:
        complain(f"{args.config} has no asset '{args.asset}'; there are {', '.join(assets) or 'none'}")
        return FAILED
    state = state_folder(args.state, root.gateway.state)
    try:
        leave(state, args.asset, args.asset_verb)
    except OSError as error:
        complain(f"{state}: {error.strerror}")
        return FAILED
    print(f"{args.asset}: {args.asset_verb} is left for the gateway; its answer comes as an event")
    return OK
