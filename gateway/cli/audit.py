"""`fieldgate audit …`: whether the audit of writes, or of the console, is whole, and what stands in it."""

import argparse
from pathlib import Path
from typing import Any

from gateway.cli.common import FAILED, OK, add_again, add_config, add_json, complain, print_json, state_folder
from gateway.config.load import load
from gateway.console.audit import FILE as CONSOLE
from gateway.ingest.registry import Registry
from gateway.operators.writing import AUDIT
from gateway.sdk.errors import FieldgateError
from gateway.state.audit import read, verify


class UsageError(FieldgateError):
    """What is asked for cannot be done; the message says why."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb and its own verbs."""
    parser = subparsers.add_parser("audit", help="check, list and export the audit of writes, or of the console")
    parser.add_argument("--console", action="store_true", help="that of the web console, not that of writes")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    verbs = parser.add_subparsers(dest="audit_verb", metavar="VERB", required=True)
    checking = verbs.add_parser("verify", help="whether a record was changed, taken out or moved")
    checking.add_argument(
        "--seal", metavar="NUMBER:SEAL", action="append", default=[],
        help="a seal that was noted elsewhere, as in messages and exports; may be given more than once",
    )  # fmt: skip
    checking.set_defaults(func=run_verify)
    listing = verbs.add_parser("list", help="the latest records, the latest last")
    listing.add_argument("--most", metavar="N", type=int, default=50, help="at most so many (default: 50)")
    listing.set_defaults(func=run_list)
    export = verbs.add_parser("export", help="every record with its seal, one JSON table a line")
    export.add_argument("--since", metavar="NUMBER", type=int, default=0, help="from this record on")
    export.set_defaults(func=run_export)
    for verb in (checking, listing, export):
        add_again(verb)


def run_verify(args: argparse.Namespace) -> int:
    """Check the chain; 1 when something is wrong with it."""
    count, findings = verify(_path(args), dict(map(_seal, args.seal)))
    if args.json:
        print_json({"records": count, "findings": [{"number": one.number, "text": one.text} for one in findings]})
    else:
        for one in findings:
            complain(one.text)
        if not findings:
            print(f"{count} records; the chain is whole")
    return FAILED if findings else OK


def run_list(args: argparse.Namespace) -> int:
    """The latest records."""
    rows = [_row(record.number, record.seal, record.content) for record in read(_path(args), most=args.most)]
    if args.json:
        print_json(rows)
    else:
        for row in rows:
            print(_line(row))
    return OK


def run_export(args: argparse.Namespace) -> int:
    """All records, as they are sealed: `body` is what the seal is over."""
    for record in read(_path(args), args.since):
        print_json({"number": record.number, "seal": record.seal, "body": record.body})
    return OK


def _path(args: argparse.Namespace) -> Path:
    root = load(args.config, Registry().models()).root
    return state_folder(args.state, root.gateway.state) / (CONSOLE if args.console else AUDIT)


def _seal(text: str) -> tuple[int, str]:
    number, colon, seal = text.partition(":")
    if not (colon and number.isdecimal()):
        raise UsageError(f"--seal {text}: it is written NUMBER:SEAL")
    return int(number), seal


def _row(number: int, seal: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"number": number, **content, "seal": seal}


def _line(row: dict[str, Any]) -> str:
    """For a person."""
    who = " ".join(part for part in (row.get("via", ""), row.get("by", "")) if part)
    what = row.get("text") or f"{row.get('tag', '')} = {row.get('value', '')}"
    if row["kind"] == "trimmed":
        what = f"records up to {row['through']} were let go (writes.audit, console.audit)"
    result = row.get("reason") or row.get("result", "")
    return f"{row['number']:>7}  {row.get('time', '')[:19]:19}  {row['kind']:8}  {result:14}  {who:20}  {what}"
