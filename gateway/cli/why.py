"""`fieldgate why TAG|ASSET`: what is in the way of a value or an alarm, asked of the running gateway."""

import argparse
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json
from gateway.cli.status import address

_MARKS = {"ok": "✓", "explains": "·", "stops": "✗"}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("why", help="tell what is in the way of a value or an alarm")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the gateway listens")
    parser.add_argument("name", metavar="TAG|ASSET", help="as in pump-7.flow, or the name of an asset")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Ask, and print the way."""
    where = args.listen or address(args)
    if where is None:
        complain("the gateway does not listen; set metrics.listen in the configuration, or run it with --listen")
        return TRY_LATER
    try:
        answer = ask(where, args.name)
    except urllib.error.HTTPError as error:
        complain(json.load(error)["error"])
        return FAILED if error.code == HTTPStatus.NOT_FOUND else TRY_LATER
    except (OSError, ValueError) as error:
        complain(f"no answer from http://{where}/why: {error}")
        return TRY_LATER
    if args.json:
        print_json(answer)
    else:
        print("\n".join(lines(answer, time.time())))
    return OK


def ask(where: str, name: str) -> dict[str, Any]:
    """The way of `name` in the gateway that listens at host:port. Raises URLError, and HTTPError for a wrong name."""
    query = urllib.parse.urlencode({"name": name})
    with urllib.request.urlopen(f"http://{where}/why?{query}", timeout=5.0) as answer:
        way: dict[str, Any] = json.load(answer)
        return way


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
