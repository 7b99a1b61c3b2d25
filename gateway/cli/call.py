"""`fieldgate call METHOD`: have the running gateway call one method of a device, or say what it takes."""

import argparse
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json, state_folder
from gateway.cli.write import user, value_of
from gateway.config.load import load
from gateway.config.schema import Root
from gateway.deliver.event import rfc3339
from gateway.ingest.registry import Registry
from gateway.operators.calling import CALLS
from gateway.ops.inbox import Inbox
from gateway.sdk import Given
from gateway.sdk.errors import FieldgateError
from gateway.stages.calling import CALL, LOOK

_WELL: Final = ("done", "looked")
_WITHIN: Final = 20.0  # s


class UsageError(FieldgateError):
    """What is asked for cannot be read; the message says why."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("call", help="call one method of a device; shows what it takes without --yes")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    parser.add_argument("method", metavar="METHOD", help="device.method, as `methods` of the device names it")
    parser.add_argument("arguments", metavar="NAME=VALUE", nargs="*", help="number, true, false, text, or a list in []")
    parser.add_argument("--yes", action="store_true", help="call it; without this only say what it takes")
    add_who(parser)
    parser.set_defaults(func=run)


def add_who(parser: argparse.ArgumentParser) -> None:
    """Who asks, why, and how long they wait."""
    parser.add_argument("--for-id", dest="id", default="", metavar="ID", help="id of the command (default: by chance)")
    parser.add_argument("--by", metavar="WHO", default=user(), help="who does it (default: %(default)s)")
    parser.add_argument("--comment", metavar="TEXT", default="", help="why")
    parser.add_argument(
        "--within", type=float, default=_WITHIN, metavar="SECONDS", help="longest wait (default: %(default)g)"
    )


def run(args: argparse.Namespace) -> int:
    """Leave the command for the gateway, and print what it says."""
    given = dict(map(_argument, args.arguments))
    answers = ask(args, [{"action": CALL if args.yes else LOOK, "method": args.method, "arguments": given}])
    for answer in answers or ():
        if not args.json and answer["result"] == "looked":
            print("--yes calls it")
        for name, value in ({} if args.json else answer.get("output", {})).items():
            print(f"  {name} = {value}")
    return verdict(answers, 1)


def ask(args: argparse.Namespace, tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """Leave commands for the gateway of `args`, and print its answers; None where nothing may be called."""
    root = load(args.config, Registry().models()).root
    if not root.writes.enabled:
        complain("nothing may be called: writes.enabled is false in the configuration")
        return None
    inbox = Inbox(state_folder(args.state, root.gateway.state), CALLS)
    try:
        tickets = [inbox.leave(_note(args, table, root)) for table in tables]
    except OSError as error:
        complain(f"{inbox.folder}: {error.strerror}")
        return None
    until = time.monotonic() + args.within
    answers = [inbox.answered(ticket, max(until - time.monotonic(), 0.0)) for ticket in tickets]
    found = [answer for answer in answers if answer is not None]
    for answer in found:
        _show(answer, json=args.json)
    if len(found) < len(tables):
        complain("no gateway has answered; the command expires now, and is not carried out later")
    return found


def verdict(answers: Sequence[Mapping[str, Any]] | None, asked: int) -> int:
    """What the verb exits with."""
    if answers is None:
        return FAILED
    if len(answers) < asked:
        return TRY_LATER
    return OK if all(answer["result"] in _WELL for answer in answers) else FAILED


def _note(args: argparse.Namespace, table: Mapping[str, Any], root: Root) -> dict[str, Any]:
    lasts = min(args.within, root.writes.expires)
    note = {
        **table, "by": args.by, "comment": args.comment, "id": args.id or f"cli-{secrets.token_hex(8)}",
        "expires": rfc3339(time.time_ns() + round(lasts * 1e9)),
    }  # fmt: skip
    return {name: value for name, value in note.items() if value not in ("", {})}


def _show(answer: Mapping[str, Any], *, json: bool) -> None:
    if json:
        print_json(answer)
    elif answer["result"] in _WELL:
        print(answer["text"] + (" (this id has come before; nothing was done now)" if answer["repeated"] else ""))
    else:
        complain(f"{answer['text']} ({answer['result']}: {answer['reason']})")


def _argument(text: str) -> tuple[str, Given]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"{text}: an argument is written NAME=VALUE")
    if not value.startswith("["):
        return name, value_of(value)
    try:
        listed: list[Any] = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{text}: a list is written [1, 2]: {error}") from error
    return name, listed
