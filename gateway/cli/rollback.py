"""`fieldgate history`, `fieldgate rollback N`: the configurations that have run, and the way back to one of them.

The daemon never writes a configuration file; a person who goes back does, by this verb.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from gateway.cli.apply import ask, duration
from gateway.cli.common import FAILED, OK, TRY_LATER, add_config, add_json, complain, print_json, state_of
from gateway.cli.plan import summary
from gateway.cli.write import user
from gateway.config.compare import Side, compare, counted, words
from gateway.config.files import FOLDER
from gateway.config.load import load_written
from gateway.config.problems import ConfigErrors
from gateway.config.shelf import Disk
from gateway.ingest.registry import Registry
from gateway.state.configurations import ConfigurationMissingError, Configurations


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verbs."""
    history = subparsers.add_parser("history", help="list the configurations that have run, or what one has changed")
    history.add_argument(
        "number", metavar="N", type=int, nargs="?", help="show what this one changed of the one before"
    )
    rollback = subparsers.add_parser("rollback", help="put the files of an earlier configuration back, and apply them")
    rollback.add_argument("number", metavar="N", type=int, help="number, as `fieldgate history` lists it")
    rollback.add_argument("--confirm", metavar="TIME", type=duration, help="on trial; see apply")
    rollback.add_argument("--by", metavar="WHO", default=user(), help="who does it (default: %(default)s)")
    rollback.add_argument("--yes", action="store_true", help="write the files; without this only say what would change")
    for parser, func in ((history, run_history), (rollback, run_rollback)):
        add_config(parser)
        add_json(parser)
        parser.add_argument("--state", type=Path, help="state folder of the gateway (default: of the configuration)")
        parser.set_defaults(func=func)


def run_history(args: argparse.Namespace) -> int:
    """List, or show one."""
    kept = Configurations(state_of(args))
    if args.number is not None:
        return _show(args, kept)
    records, latest = kept.records(), kept.latest()
    if args.json:
        print_json([{name: getattr(one, name) for name in one.__slots__} | {"runs": one == latest} for one in records])
        return OK
    for one in records:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.applied))
        said = "  ".join(filter(None, (one.comment, f"taken back: {one.end}" if one.end else "")))
        print(f"{'*' if one == latest else ' '} {one.number:4}  {when}  {one.by or '-':12} {said}".rstrip())
    if not records:
        print("no configuration has run on this state folder")
    return OK


def _show(args: argparse.Namespace, kept: Configurations) -> int:
    numbers = [record.number for record in kept.records() if record.number <= args.number and not record.end]
    before = [number for number in numbers if number < args.number][-1:]
    try:
        sides = [_side(args.config, kept, number) for number in (*before, args.number)]
    except ConfigurationMissingError as error:
        complain(str(error))
        return FAILED
    changes = compare(*sides) if len(sides) > 1 else []
    if args.json:
        print_json({"changes": [words(change) for change in changes], "counts": counted(changes)})
        return OK
    print("\n".join([*map(words, changes), summary(counted(changes)) if before else "the first that is known"]))
    return OK


def run_rollback(args: argparse.Namespace) -> int:
    """Show what would change; with --yes write the files, and have them applied."""
    kept, home = Configurations(state_of(args)), Path(os.path.abspath(args.config)).parent  # noqa: PTH100 - as load does
    try:
        content = kept.content(args.number)
        changes = _changes(args, kept)
    except ConfigurationMissingError as error:
        complain(str(error))
        return FAILED
    if not args.yes:
        print("\n".join([*map(words, changes), summary(counted(changes)), "--yes writes the files and applies them"]))
        return OK
    try:
        _write(home, content, _read_now(args.config))
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}; some files may be of configuration {args.number} already")
        return FAILED
    note: dict[str, Any] = {
        "verb": "apply",
        "by": args.by,
        "comment": f"back to {args.number}",
        "confirm": args.confirm,
    }
    code = ask(kept.folder.parent, note, json=args.json)
    return OK if code == TRY_LATER else code  # the files are what was asked for; a start takes them up


def _changes(args: argparse.Namespace, kept: Configurations) -> list[Any]:
    """What going back changes of what the files say; all that is known where the files are wrong."""
    there = _side(args.config, kept, args.number)
    try:
        found, written = load_written(args.config, Registry().models())
    except ConfigErrors:
        latest = kept.latest()
        here = _side(args.config, kept, latest.number) if latest else there
        return compare(here, there)
    return compare(Side(found, written, there.home), there)


def _side(path: Path, kept: Configurations, number: int) -> Side:
    found, written = load_written(path, Registry().models(), kept=kept.content(number))
    return Side(found, written, found.files[0].parent)


def _read_now(path: Path) -> list[str]:
    """Names of the files that belong to the configuration now; the main file alone where it cannot be read."""
    try:
        return list(load_written(path, Registry().models())[0].content)
    except ConfigErrors:
        home = Path(os.path.abspath(path)).parent  # noqa: PTH100 - as load does
        there = [one for one in Disk().names(home / FOLDER) if one.suffix == ".yaml" and not one.name.startswith(".")]
        return [one.relative_to(home).as_posix() for one in there]


def _write(home: Path, content: dict[str, bytes], now: list[str]) -> None:
    """Each file whole; then those that did not belong to it go."""
    for name, raw in content.items():
        path = (home / name).resolve()  # a link stays one
        if path.is_file() and path.read_bytes() == raw:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        with draft.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            before = path.stat()
            os.chown(draft, before.st_uid, before.st_gid)
            draft.chmod(before.st_mode & 0o777)
        draft.replace(path)
    for name in now:
        if name not in content:
            (home / name).unlink(missing_ok=True)
