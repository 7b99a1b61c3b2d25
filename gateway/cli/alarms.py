"""`fieldgate alarms …`: what stands, what has happened, and what operators do about it."""

import argparse
import getpass
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.cli.common import (
    FAILED,
    OK,
    TRY_LATER,
    add_again,
    add_config,
    add_json,
    complain,
    print_json,
    state_folder,
)
from gateway.config.load import load
from gateway.config.schema import Root
from gateway.deliver.event import rfc3339
from gateway.ingest.registry import Registry
from gateway.models.ruled import expanded
from gateway.operators.desk import COMMANDS
from gateway.ops.inbox import Inbox
from gateway.sdk.config import seconds
from gateway.sdk.errors import FieldgateError
from gateway.stages.states import UNACKNOWLEDGED, State
from gateway.state import history

ANSWER_WITHIN: Final = 5.0  # s; a running gateway looks every second
_ACTIONS: Final = {
    "ack": "say that you know of it",
    "shelve": "silence it for a time",
    "unshelve": "end shelving",
    "disable": "take it out of service, for maintenance",
    "enable": "put it back into service",
}
Row = dict[str, Any]


class UsageError(FieldgateError):
    """What is asked for cannot be done; the message says why."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb and its own verbs."""
    parser = subparsers.add_parser("alarms", help="list, acknowledge, shelve and look back at alarms")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    parser.set_defaults(func=run_list)
    verbs = parser.add_subparsers(dest="alarms_verb", metavar="VERB")
    listing = verbs.add_parser("list", help="alarms that are not normal (without a verb, too)")
    add_again(listing)
    listing.set_defaults(func=run_list)
    past = verbs.add_parser("history", help="changes of alarms' states, the latest last")
    add_again(past)
    past.add_argument("alarms", metavar="NAME", nargs="*", help="of these alarms; of all unless given")
    past.add_argument("--since", metavar="DURATION", default="1d", help="how far back: 1h, 1d, 1w (default: 1d)")
    past.add_argument("--most", metavar="N", type=int, default=1000, help="at most so many (default: 1000)")
    past.set_defaults(func=run_history)
    for name, text in _ACTIONS.items():
        _add_action(verbs.add_parser(name, help=text), name)


def _add_action(parser: argparse.ArgumentParser, action: str) -> None:
    add_again(parser)
    parser.add_argument("alarms", metavar="NAME", nargs="*" if action == "ack" else "+", help="name of the alarm")
    parser.add_argument("--by", metavar="WHO", default=_user(), help="who does it (default: %(default)s)")
    parser.add_argument("--comment", metavar="TEXT", default="", help="why")
    if action == "ack":
        parser.add_argument("--all", action="store_true", help="all that nobody has acknowledged")
    if action == "shelve":
        parser.add_argument(
            "--for", dest="lasts", metavar="DURATION", help="how long: 30min, 8h (default: alarms.shelve)"
        )
    parser.set_defaults(func=run_action)


def run_list(args: argparse.Namespace) -> int:
    """What is not normal, from the state folder: a gateway that is down has alarms, too."""
    root, state = _place(args)
    rows = _standing(root, state)
    if args.json:
        print_json(rows)
    else:
        print("\n".join(_lines(rows)) if rows else "no alarm stands")
    return OK


def run_history(args: argparse.Namespace) -> int:
    """What has happened."""
    root, state = _place(args)
    _check_names(root, args.alarms)
    try:
        since = time.time_ns() - round(seconds(args.since) * 1e9)
    except ValueError as error:
        raise UsageError(f"--since: {error}") from error
    changes = history.read(state / "state.db", args.alarms, since, args.most)
    if args.json:
        print_json([_row(change) for change in changes])
    else:
        for one in changes:
            print(f"{_when(one.time)}  {one.severity:8}  {one.state:23}  {one.message}")
    return OK


def run_action(args: argparse.Namespace) -> int:
    """Leave commands for the gateway, and wait for what it says to them."""
    root, state = _place(args)
    names = _names(args, root, state)
    inbox = Inbox(state, COMMANDS)
    given = {"action": args.alarms_verb, "by": args.by, "comment": args.comment, "for": getattr(args, "lasts", None)}
    note = {name: value for name, value in given.items() if value}
    try:
        tickets = {name: inbox.leave(note | {"asset": name}) for name in names}
    except OSError as error:
        complain(f"{state}: {error.strerror}")
        return FAILED
    until = time.monotonic() + ANSWER_WITHIN
    answers = [inbox.answered(ticket, max(until - time.monotonic(), 0.0)) for ticket in tickets.values()]
    return _report([answer for answer in answers if answer is not None], len(names), json=args.json)


def _report(answers: Sequence[Row], asked: int, *, json: bool) -> int:
    if json:
        print_json(answers)
    elif not asked:
        print("nothing to acknowledge")
    for answer in [] if json else answers:
        print(answer["text"]) if answer["result"] == "done" else complain(answer["text"])
    if len(answers) < asked:
        complain("no gateway has answered; the command waits and is carried out when one runs on this state")
        return TRY_LATER
    return OK if all(answer["result"] == "done" for answer in answers) else FAILED


def _names(args: argparse.Namespace, root: Root, state: Path) -> list[str]:
    """The alarms that are meant."""
    if getattr(args, "all", False):
        words = [one.word for one in UNACKNOWLEDGED]
        return [row["asset"] for row in _standing(root, state) if row["state"] in words]
    if not args.alarms:
        raise UsageError("name an alarm, or give --all")
    _check_names(root, args.alarms)
    return list(dict.fromkeys(args.alarms))


def _standing(root: Root, state: Path) -> list[Row]:
    """The alarms that are not normal, the most urgent first."""
    path = state / "state.db"
    latest, configs = history.latest(path), expanded(root.assets)[0]
    rows = []
    for name, text in history.states(path).items():
        record = orjson.loads(text)
        word = State[str(record["state"]).upper()].word
        if word == State.NORMAL.word or name not in configs:
            continue
        told = _row(latest[name]) if name in latest else {}
        until = rfc3339(record["until"]) if word == State.SHELVED.word and record["until"] > 0 else None
        severity = configs[name].alarm.severity.value
        rows.append({**told, "asset": name, "state": word, "severity": severity, "until": until})
    return sorted(rows, key=lambda row: (-_URGENCY.index(row["severity"]), row.get("time", "")))


_URGENCY: Final = ("low", "medium", "high", "critical")


def _row(change: history.Change) -> Row:
    names = ("asset", "previous", "state", "severity", "score", "threshold", "by", "comment", "message")
    return {"time": rfc3339(change.time)} | {name: getattr(change, name) for name in names}


def _lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Rows for a person."""
    width = max(len(row["asset"]) for row in rows)
    return [
        f"{row['severity']:8}  {row['asset']:{width}}  {row['state']:23}  {_local(row.get('time'))}  "
        + (f"until {_local(row['until'])}" if row["until"] else row.get("message", ""))
        for row in rows
    ]


def _local(text: str | None) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else "-" * 19


def _when(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _place(args: argparse.Namespace) -> tuple[Root, Path]:
    root = load(args.config, Registry().models()).root
    return root, state_folder(args.state, root.gateway.state)


def _check_names(root: Root, names: Sequence[str]) -> None:
    known = expanded(root.assets)[0]
    for name in names:
        if name not in known:
            raise UsageError(f"there is no alarm '{name}'; there are {', '.join(known) or 'none'}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        return ""
