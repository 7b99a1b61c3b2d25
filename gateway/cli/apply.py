"""`fieldgate apply`, `reload`, `confirm`, `revert`: have the running gateway take up what its files say."""

import argparse
import math
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from gateway.changes import CHANGES
from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json, state_of
from gateway.cli.plan import summary
from gateway.cli.write import user
from gateway.ops.inbox import Inbox
from gateway.sdk.config import Duration

_WITHIN: Final = 120.0  # s for the gateway to read, compare and change
_VERBS: Final = {
    "apply": "have the gateway run what its files say, device by device, while the rest runs on",
    "reload": "the same as apply, at once and for good; as SIGHUP does",
    "confirm": "keep the configuration that is on trial",
    "revert": "take the former configuration back, instead of the one that is on trial",
}


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verbs."""
    for verb, help_ in _VERBS.items():
        parser = subparsers.add_parser(verb, help=help_)
        add_config(parser)
        add_json(parser)
        parser.add_argument("--state", type=Path, help="state folder of the gateway")
        parser.add_argument("--by", metavar="WHO", default=user(), help="who does it (default: %(default)s)")
        parser.add_argument("--comment", metavar="TEXT", default="", help="why")
        if verb == "apply":
            parser.add_argument(
                "--confirm", metavar="TIME", type=duration,
                help="on trial: the former one comes back after this time (5m), or when data stops, unless confirmed",
            )  # fmt: skip
        parser.set_defaults(func=run, verb=verb)


def duration(text: str) -> float:
    """Seconds, of a time as the configuration writes it."""
    try:
        seconds: float = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text} is no time; 90s, 5m and 1h are") from error
    if not 1 <= seconds <= 24 * 3600 or not math.isfinite(seconds):
        raise argparse.ArgumentTypeError("between 1s and 24h")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Leave the note for the gateway, and print what it says."""
    verb = "apply" if args.verb == "reload" else args.verb
    note = {"verb": verb, "by": args.by, "comment": args.comment, "confirm": getattr(args, "confirm", None)}
    return ask(state_of(args), note, json=args.json)


def ask(state: Path, note: dict[str, Any], *, json: bool) -> int:
    """Ask the gateway on this state folder, wait for its answer, and print it."""
    inbox = Inbox(state, CHANGES)
    try:
        ticket = inbox.leave(note)
    except OSError as error:
        complain(f"{inbox.folder}: {error.strerror}")
        return FAILED
    answer = inbox.answered(ticket, _WITHIN)
    if answer is None:
        complain("no gateway has answered; what was asked for is done when there is one")
        return TRY_LATER
    return _report(answer, json=json)


def _report(answer: dict[str, Any], *, json: bool) -> int:
    refused = answer.get("result") == "refused"
    if json:
        print_json(answer)
    elif refused:
        complain(answer["text"])
    else:
        print("\n".join(_lines(answer)))
    return FAILED if refused else OK


def _lines(answer: dict[str, Any]) -> list[str]:
    lines = [*answer.get("changes", ()), summary(answer["counts"])] if answer.get("changes") else []
    if answer.get("restart"):
        lines.append(f"waits for a restart of the gateway: {', '.join(answer['restart'])}")
    return [*lines, str(answer["text"])]
