"""`fieldgate status`: how a running gateway is doing, from its own /status."""

import argparse
import time
from typing import Any, Final

from gateway.cli.asking import UnansweredError, add_gateway, asked
from gateway.cli.common import OK, complain, print_json

_SHORT: Final = 12  # digits that tell one digest from another


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("status", help="show how a running gateway is doing")
    add_gateway(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Ask the gateway and print."""
    try:
        document = asked(args, "/status")
    except UnansweredError as error:
        complain(str(error))
        return error.code
    if args.json:
        print_json(document)
    else:
        print("\n".join(lines(document)))
    return OK


def lines(document: dict[str, Any]) -> list[str]:
    """The document for a person."""
    out = [
        f"{document['gateway']}  {document['state']}  up {document['uptime']:.0f} s  version {document['version']}",
        *_configuration(document.get("configuration")),
        "",
    ]
    out += [
        f"  {p['state']:9} {p['name']}" + (f"  {p['why']} → {p['remedy']}" if p["why"] else "")
        for p in document["parts"]
    ]
    out += ["", "  asset                 phase        score  threshold  alarm"]
    out += [
        f"  {a['asset']:20}  {a['phase']:11} {_cell(a['score'])} {_cell(a['threshold'])}  {a['alarm']}"
        for a in document["assets"]
    ]
    out += _alarms(document.get("alarms") or {})
    out += _writes(document.get("writes") or {})
    queued = sum(queue["queued"] for queue in document["outbox"]["classes"].values())
    broker = document["broker"]
    out += [
        "",
        f"  broker {'connected' if broker['connected'] else 'away: ' + str(broker['why'])}, {queued} messages wait",
    ]
    return out


def _configuration(edition: dict[str, Any] | None) -> list[str]:
    """Which one runs, and whether the files say something else."""
    if not edition:
        return []
    name = f"configuration {edition['number'] or '(not kept)'}, {edition['digest'][:_SHORT]}"
    since = f", since {_when(edition['since'])}" if edition["since"] else ""
    differs = "; the files on disk say something else → fieldgate plan" if edition["differs"] else ""
    return [f"  {name}{since}{differs}"]


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _alarms(figures: dict[str, Any]) -> list[str]:
    """The figures of ISA-18.2 in one line, and what they are of, where there is anything."""
    if not figures:
        return []
    count = {name: sum(figure.values()) for name, figure in figures.items() if isinstance(figure, dict)}
    standing = ", ".join(f"{number} {severity}" for severity, number in figures["standing"].items() if number)
    now = (
        f"{count['standing']} standing{f' ({standing})' if standing else ''}, {count['unacknowledged']} "
        f"unacknowledged, {count['shelved']} shelved, {count['chattering']} chattering"
    )
    lately = f"{count['hour']} in the last hour, {count['ten_minutes']} in ten minutes"
    return ["", f"  alarms: {now}; {lately} (peak {figures['ten_minutes_peak']})"]


def _writes(figures: dict[str, Any]) -> list[str]:
    """What came of writes, where they are allowed."""
    if not figures:
        return []
    results = ", ".join(f"{count} {result}" for result, count in figures["results"].items())
    return ["", f"  writes: {results}, {sum(figures['refused'].values())} refused; audit {figures['audit']}"]


def _cell(value: float | None) -> str:
    return f"{value:9.3f}" if value is not None else "        -"
