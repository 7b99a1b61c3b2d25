"""`fieldgate conditions …`: what stands in the devices, as their servers tell, and acknowledging it there."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.cli.asking import UnansweredError, add_gateway, asked
from gateway.cli.call import add_who, ask, verdict
from gateway.cli.common import OK, add_again, complain, print_json
from gateway.sdk import Act

_HELP = {
    Act.ACK: "say on the device that you know of it",
    Act.CONFIRM: "say on the device that what it asks for is done",
    Act.COMMENT: "leave words with it on the device",
}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb and its own verbs."""
    parser = subparsers.add_parser("conditions", help="list and acknowledge alarms of the devices themselves")
    add_gateway(parser)
    parser.set_defaults(func=run_list)
    verbs = parser.add_subparsers(dest="conditions_verb", metavar="VERB")
    listing = verbs.add_parser("list", help="what stands in the devices (without a verb, too)")
    add_again(listing)
    listing.set_defaults(func=run_list)
    for act, text in _HELP.items():
        verb = verbs.add_parser(act.value, help=text)
        add_again(verb)
        verb.add_argument("conditions", metavar="NAME", nargs="+", help="device.id, as the list has it")
        add_who(verb)
        verb.set_defaults(func=run_act)


def run_list(args: argparse.Namespace) -> int:
    """What stands, from the running gateway: it is the devices' to say."""
    try:
        rows = asked(args, "/status").get("conditions", [])
    except UnansweredError as error:
        complain(str(error))
        return error.code
    if args.json:
        print_json(rows)
    else:
        print("\n".join(_lines(rows)) if rows else "no condition stands in the devices")
    return OK


def run_act(args: argparse.Namespace) -> int:
    """Have the running gateway acknowledge, confirm or comment."""
    names = list(dict.fromkeys(args.conditions))
    return verdict(ask(args, [{"action": args.conditions_verb, "condition": name} for name in names]), len(names))


def _lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows for a person."""
    width = max(len(row["condition"]) for row in rows)
    return [
        f"{row.get('severity', 0):4}  {row['condition']:{width}}  {_state(row):22}  {row['since'][:19]}  "
        f"{row.get('source', '')}  {row['text']}"
        for row in rows
    ]


def _state(row: Mapping[str, Any]) -> str:
    """In the words of alarms (ISA-18.2), as far as the server says."""
    active = "active" if row.get("active") else "returned"
    acked = "acknowledged" if row.get("acked") else "unacknowledged"
    return f"{active}-{acked}" if "active" in row or "acked" in row else "stands"
