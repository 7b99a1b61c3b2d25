"""`fieldgate write TAG VALUE`: have the running gateway write one tag, or say what it would write."""

import argparse
import getpass
import math
import secrets
import time
from pathlib import Path
from typing import Any, Final

from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json, state_folder
from gateway.config.load import load
from gateway.deliver.event import rfc3339
from gateway.ingest.registry import Registry
from gateway.operators.writing import WRITES
from gateway.ops.inbox import Inbox
from gateway.sdk import Value
from gateway.stages.writing import Action

_WELL: Final = ("done", "armed", "looked")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("write", help="write one tag, within what its table allows; shows it without --yes")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    parser.add_argument("tag", metavar="TAG", help="device.tag")
    parser.add_argument("value", metavar="VALUE", type=value_of, help="after scaling: a number, true, false, or text")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="write it; without this only say what would be written")
    how.add_argument("--arm", action="store_true", help="first of two steps, where the tag wants them: gives a token")
    parser.add_argument("--token", default="", help="second of two steps: the token that --arm gave")
    parser.add_argument("--for-id", dest="id", default="", metavar="ID", help="id of the command (default: by chance)")
    parser.add_argument("--by", metavar="WHO", default=user(), help="who does it (default: %(default)s)")
    parser.add_argument("--comment", metavar="TEXT", default="", help="why")
    parser.add_argument("--within", type=float, default=10.0, metavar="SECONDS", help="longest wait (default: 10)")
    parser.set_defaults(func=run)


def value_of(text: str) -> Value:
    """A value as a person writes it."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return text


def run(args: argparse.Namespace) -> int:
    """Leave the command for the gateway, and print what it says."""
    root = load(args.config, Registry().models()).root
    if not root.writes.enabled:
        complain("nothing may be written: writes.enabled is false in the configuration")
        return FAILED
    inbox = Inbox(state_folder(args.state, root.gateway.state), WRITES)
    try:
        ticket = inbox.leave(_note(args, min(args.within, root.writes.expires)))
    except OSError as error:
        complain(f"{inbox.folder}: {error.strerror}")
        return FAILED
    answer = inbox.answered(ticket, args.within)
    if answer is None:
        complain("no gateway has answered; the command expires now, and is not carried out later")
        return TRY_LATER
    return _report(answer, json=args.json)


def _note(args: argparse.Namespace, lasts: float) -> dict[str, Any]:
    action = Action.WRITE if args.yes else Action.ARM if args.arm else Action.LOOK
    note = {
        "action": str(action), "tag": args.tag, "value": args.value, "by": args.by, "comment": args.comment,
        "id": args.id or f"cli-{secrets.token_hex(8)}", "token": args.token,
        "expires": rfc3339(time.time_ns() + round(lasts * 1e9)),
    }  # fmt: skip
    return {name: value for name, value in note.items() if value != ""}


def _report(answer: dict[str, Any], *, json: bool) -> int:
    well = answer["result"] in _WELL
    if json:
        print_json(answer)
    elif not well:
        complain(f"{answer['text']} ({answer['result']}: {answer['reason']})")
    else:
        print("\n".join(_lines(answer)))
    return OK if well else FAILED


def _lines(answer: dict[str, Any]) -> list[str]:
    """For a person."""
    again = " (this id has come before; nothing was written now)" if answer["repeated"] else ""
    lines = [answer["text"] + again]
    if answer["result"] == "done":
        return lines
    lines += [f"  {name:8} {answer[name]}" for name in ("old", "raw", "limits", "token", "until") if name in answer]
    second = f"--yes --token {answer.get('token')}" if answer["result"] == "armed" else "--yes"
    first = answer.get("arm") and answer["result"] == "looked"
    return [*lines, "--arm arms it, the first of two steps" if first else f"{second} writes it"]


def user() -> str:
    """Who is at the keyboard; "" where that is not known."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return ""
