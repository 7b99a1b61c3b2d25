"""`fieldgate why TAG|ASSET`: what is in the way of a value or an alarm, asked of the running gateway."""

import argparse
import time
from typing import Any

from gateway.cli.asking import UnansweredError, add_gateway, asked
from gateway.cli.common import OK, complain, print_json

_MARKS = {"ok": "✓", "explains": "·", "stops": "✗"}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("why", help="tell what is in the way of a value or an alarm")
    add_gateway(parser)
    parser.add_argument("name", metavar="TAG|ASSET", help="as in pump-7.flow, or the name of an asset")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Ask, and print the way."""
    try:
        way = asked(args, "/why", name=args.name)
    except UnansweredError as error:
        complain(str(error))
        return error.code
    if args.json:
        print_json(way)
    else:
        print("\n".join(lines(way, time.time())))
    return OK


def lines(answer: dict[str, Any], now: float) -> list[str]:
    """The way for a person; `now` in Unix s."""
    out = [f"{answer['kind']} {answer['name']}: {answer['verdict']}", ""]
    for step in answer["steps"]:
        since = f"  ({_age(now - step['since'])})" if step["since"] else ""
        counts = ", ".join(f"{name} {count}" for name, count in step["counts"].items() if count)
        out.append(
            f"  {_MARKS[step['stand']]} {step['step']:9} {step['text']}{since}" + (f"  [{counts}]" if counts else "")
        )
    return out


def _age(seconds: float) -> str:
    for limit, unit in ((120, 1), (7200, 60), (172800, 3600)):
        if seconds < limit:
            return f"for {max(0.0, seconds) / unit:.0f} {({1: 's', 60: 'min', 3600: 'h'})[unit]}"
    return f"for {seconds / 86400:.0f} days"
