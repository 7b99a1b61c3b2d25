"""`fieldgate outbox stat|verify|export`: what waits on disk for the broker, whether it is whole, and what it says."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from gateway.cli.common import FAILED, OK, add_config, add_json, complain, print_json, state_folder
from gateway.config.load import load
from gateway.deliver.event import Class
from gateway.deliver.inspect import Contents, look
from gateway.deliver.ledger import Record, Tally
from gateway.deliver.sparkplug.telemetry import shown
from gateway.deliver.voice import SPARKPLUG
from gateway.ingest.registry import Registry
from gateway.ops.clock import SystemClock


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("outbox", help="look at what waits on disk for the broker")
    verbs = parser.add_subparsers(dest="outbox_verb", metavar="VERB", required=True)
    for name, text, work in (
        ("stat", "how much there is of each class, and since when", _stat),
        ("verify", "read every record; tell what is damaged, with exit code 1", _verify),
        ("export", "write the messages, one JSON object a line", _export),
    ):
        one = verbs.add_parser(name, help=text)
        add_config(one)
        one.add_argument("--state", type=Path, help="state folder of the gateway; then no configuration is read")
        if name == "export":
            one.add_argument("--class", dest="cls", type=Class, choices=list(Class), help="only of this class")
            one.add_argument("--all", action="store_true", help="those too that the broker has acknowledged already")
        else:
            add_json(one)
        one.set_defaults(func=run, work=work)


def run(args: argparse.Namespace) -> int:
    """Look, and tell."""
    state = args.state or state_folder(None, load(args.config, Registry().models()).root.gateway.state)
    folder = state / "outbox"
    if not folder.is_dir():
        complain(f"{folder}: there is no outbox; name the state folder with --state")
        return FAILED
    try:
        return int(args.work(look(folder, SystemClock()), args))
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        return OK


def _stat(contents: Contents, args: argparse.Namespace) -> int:
    now = time.monotonic()
    classes = {cls.value: figures(contents, cls, now) for cls in Class}
    if args.json:
        print_json({"epoch": contents.recovery.epoch, "classes": classes})
        return OK
    print(f"epoch {contents.recovery.epoch}")
    for name, one in classes.items():
        since = f", the oldest of {one['oldest_s'] / 60:.0f} min ago" if one["messages"] else ""
        print(f"{name:10} {one['messages']} messages ({one['readings']} readings) wait{since}; "
              f"{one['bytes']} bytes in {one['segments']} segments")  # fmt: skip
    return OK


def figures(contents: Contents, cls: Class, now: float) -> dict[str, Any]:
    """What waits of one class, and since when."""
    one = contents.classes[cls]
    left = sum(one.left.values(), Tally())
    waiting = [segment.born for segment in one.segments if one.left[segment.number].records]
    return {
        "messages": left.records, "readings": left.readings, "bytes": contents.bytes(cls),
        "segments": len(one.segments), "acknowledged": one.acked, "last": one.last,
        "oldest_s": round(now - min(waiting), 1) if waiting else 0.0,
    }  # fmt: skip


def _verify(contents: Contents, args: argparse.Namespace) -> int:
    found = contents.recovery
    damages = [one._asdict() for one in found.damages]
    if args.json:
        print_json({"damages": damages, "errors": found.errors, "newer": found.ignored, "unfinished": found.torn_bytes})
        return FAILED if found.damaged else OK
    for one in found.damages:
        between = f"{one.name} messages {one.after + 1} to {one.before - 1} may be lost"
        print(between if one.end == one.start else f"{between}: no record in bytes {one.start} to {one.end}")
    for text in found.errors:
        print(text)
    for name in found.ignored:
        print(f"{name} is of a newer version and was not read")
    if found.torn_bytes:
        print(f"{found.torn_bytes} bytes at an end are unfinished: being written now, or never accepted")
    if not found.damaged:
        print(f"whole: {sum(len(one.segments) for one in contents.classes.values())} segments")
    return FAILED if found.damaged else OK


def _export(contents: Contents, args: argparse.Namespace) -> int:
    for cls in [args.cls] if args.cls else Class:
        for record in contents.records(cls, everything=args.all):
            sys.stdout.write(_line(record, contents.recovery.epoch))
    sys.stdout.flush()
    return OK


def _line(record: Record, epoch: str) -> str:
    """The message within what the outbox knows of it. Our bodies are JSON; metrics of an edge node are put into it."""
    head = {"class": record.cls.value, "epoch": epoch, "sequence": record.sequence, "topic": record.topic}
    if record.topic.startswith(SPARKPLUG):
        return orjson.dumps({**head, "metrics": shown(record.body)}).decode() + "\n"
    return orjson.dumps({**head, "message": orjson.Fragment(record.body)}).decode() + "\n"
