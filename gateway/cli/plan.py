"""`fieldgate plan NEW`: what a new configuration would change of the present one. Needs no running gateway."""

import argparse
from pathlib import Path
from typing import Any

from gateway.cli.common import OK, add_config, add_json, print_json
from gateway.config.compare import ADDED, CHANGED, REMOVED, Change, Side, compare, counted
from gateway.config.load import load_written
from gateway.config.problems import masked
from gateway.ingest.registry import Registry

_SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
MAIN = "fieldgate.yaml"


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("plan", help="show what a new configuration changes: devices, tags, assets, options")
    parser.add_argument("new", metavar="NEW", type=Path, help="the new configuration: its folder, or its main file")
    add_config(parser)
    add_json(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Load both, compare, print. A wrong configuration is reported as `check` does."""
    changes = compare(_side(args.config), _side(args.new))
    if args.json:
        print_json({"changes": [_as_json(change) for change in changes], "counts": counted(changes)})
        return OK
    for change in changes:
        print(words(change))
    print(", ".join(_many(what, count) for what, count in counted(changes).items()) or "nothing changes")
    return OK


def words(change: Change) -> str:
    """A change on one line."""
    head = f"{_SIGNS[change.kind]} {change.what} {change.name}"
    if change.what == "option":
        head = f"{_SIGNS[change.kind]} {change.what}"
    said = "; ".join(f"{option} {_word(old)} -> {_word(new)}" for option, (old, new) in change.options.items())
    return f"{head}: {said}" if said else head


def _side(path: Path) -> Side:
    path = path / MAIN if path.is_dir() else path
    found, written = load_written(path, Registry().models())
    return Side(found, written, found.files[0].parent)


def _many(what: str, count: int) -> str:
    things, _, kind = what.partition(" ")
    return f"{count} {things if count != 1 else things.removesuffix('s')} {kind}"


def _word(value: Any) -> str:
    return "null" if value is None else masked(str(value).lower() if isinstance(value, bool) else str(value))


def _as_json(change: Change) -> dict[str, Any]:
    options = {option: {"old": _word(old), "new": _word(new)} for option, (old, new) in change.options.items()}
    return {"kind": change.kind, "what": change.what, "name": change.name, "options": options}
