"""`fieldgate docs`: where the documentation lies on this machine, to be read without a network."""

import argparse

from gateway.cli.common import FAILED, OK, add_json, complain, print_json
from gateway.ops import manual


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("docs", help="where the documentation lies, to be read without a network")
    add_json(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the page to open in a browser; nothing is opened."""
    folder = manual.folder()
    index = f"file://{folder}/index.html" if folder else None
    if args.json:
        print_json({"index": index})
    elif index:
        print(index)
        print("also in the console, under /docs/")
    else:
        complain(manual.ABSENT)
    return OK if index else FAILED
