"""`fieldgate plan [NEW]`: what a new configuration would change of the one that runs. Needs no running gateway."""

import argparse
from pathlib import Path
from typing import Any

from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json, state_folder
from gateway.cli.trying import Tried, touched, tried
from gateway.config.compare import Change, Side, compare, counted, word, words
from gateway.config.load import load_written
from gateway.ingest.registry import Registry
from gateway.state.configurations import ConfigurationMissingError, Configurations

MAIN = "fieldgate.yaml"


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("plan", help="show what a configuration changes: devices, tags, assets, options")
    parser.add_argument(
        "new", metavar="NEW", type=Path, nargs="?",
        help="the new configuration: its folder, or its main file (default: what the files say against what runs)",
    )  # fmt: skip
    add_config(parser)
    add_json(parser)
    parser.add_argument("--state", type=Path, help="state folder of the gateway")
    parser.add_argument("--read", action="store_true", help="read the devices that change once, and say what answers")
    parser.add_argument("--within", type=float, default=10.0, metavar="SECONDS", help="longest wait (default: 10)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Load both, compare, print. A wrong configuration is reported as `check` does."""
    try:
        old, new = (_side(args.config), _side(args.new)) if args.new else _of_running(args)
    except ConfigurationMissingError as error:
        complain(f"it is not known what runs: {error}")
        return FAILED
    changes = compare(old, new)
    state = state_folder(args.state, new.found.root.gateway.state)
    answers = tried(new.found, touched(changes), state, args.within) if args.read else []
    if args.json:
        print_json(_as_json(changes, answers if args.read else None))
    else:
        print("\n".join([*map(words, changes), summary(counted(changes)), *map(str, answers)]))
    return OK if all(one.good == one.tags for one in answers) else TRY_LATER


def summary(counts: dict[str, int]) -> str:
    """How many there are of each kind, on one line."""
    return ", ".join(_many(what, count) for what, count in counts.items()) or "nothing changes"


def _of_running(args: argparse.Namespace) -> tuple[Side, Side]:
    """What ran last, and what the files say. Raises ConfigurationMissingError."""
    new = _side(args.config)
    kept = Configurations(state_folder(args.state, new.found.root.gateway.state))
    latest = kept.latest()
    if latest is None:
        raise ConfigurationMissingError(f"no gateway has run on {kept.folder.parent}")
    found, written = load_written(args.config, Registry().models(), kept=kept.content(latest.number))
    return Side(found, written, new.home), new


def _side(path: Path) -> Side:
    path = path / MAIN if path.is_dir() else path
    found, written = load_written(path, Registry().models())
    return Side(found, written, found.files[0].parent)


def _many(what: str, count: int) -> str:
    things, _, kind = what.partition(" ")
    return f"{count} {things if count != 1 else things.removesuffix('s')} {kind}"


def _as_json(changes: list[Change], answers: list[Tried] | None) -> dict[str, Any]:
    told = [
        {
            "kind": change.kind,
            "what": change.what,
            "name": change.name,
            "options": {option: {"old": word(old), "new": word(new)} for option, (old, new) in change.options.items()},
        }
        for change in changes
    ]
    read = {} if answers is None else {"read": [one._asdict() for one in answers]}
    return {"changes": told, "counts": counted(changes), **read}
