"""`fieldgate check`: is the configuration right, what does it come to, and what will it take. Opens no connection."""

import argparse
import os
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gateway.cli.bench import kept
from gateway.cli.common import CONFIGURATION, OK, add_config, add_json, print_json, state_folder
from gateway.cli.estimate import Load, estimated, sentence, warnings
from gateway.config.expanded import as_json, as_yaml
from gateway.config.load import Configuration, load_written
from gateway.config.problems import ConfigErrors
from gateway.ingest.registry import Registry
from gateway.sdk.config import DeviceConfig, TagConfig


@runtime_checkable
class Addresses(Protocol):
    """A device whose addresses on the wire are not the ones that people write."""

    def wire_addresses(self) -> dict[str, str]:
        """Address on the wire, by name of tag."""


@runtime_checkable
class Describes(Protocol):
    """A tag that can say in a few words what is read for it."""

    def describe(self) -> str:
        """The words."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("check", help="check the configuration; exit code 78 when it is wrong")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--verbose", action="store_true", help="list every device and tag, with addresses on the wire")
    parser.add_argument(
        "--expanded", action="store_true", help="print what templates and included files come to, and where it stands"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Load and report."""
    try:
        found, written = load_written(args.config, Registry().models())
    except ConfigErrors as errors:
        _report_errors(errors, as_json=args.json)
        return CONFIGURATION
    if args.json:
        more = {"listing": listing(found)} if args.verbose else {}
        more |= {"expanded": as_json(written)} if args.expanded else {}
        print_json({"ok": True, **report(found), "estimate": expected(found), "problems": [], **more})
        return OK
    if args.expanded:
        print(as_yaml(written), end="")
        return OK
    for problem in found.warnings:
        print(f"warning: {problem.render()}")
    if args.verbose:
        _print_listing(found)
    told = expected(found)
    for text in told["warnings"]:
        print(f"warning: {text}")
    print(told["sentence"])
    print(summary(found))
    return OK


def summary(found: Configuration) -> str:
    """One line: what the configuration comes to."""
    counts = counted(found)
    parts = [f"{count} {word if count != 1 else word.removesuffix('s')}" for word, count in counts.items()]
    return "ok: " + ", ".join(parts)


def counted(found: Configuration) -> dict[str, int]:
    """How many there are of everything."""
    connections = {
        (device.adapter, device.connection()) for device in found.devices if device.device not in found.broken
    }
    warned = {"warnings": len(found.warnings)} if found.warnings else {}
    return {
        "devices": len(found.devices),
        "connections": len(connections),
        "tags": sum(len(device.tags) for device in found.devices),
        "assets": len(found.root.assets),
        **warned,
    }


def report(found: Configuration) -> dict[str, Any]:
    """The report for machines."""
    return {
        "counts": counted(found),
        "adapters": dict(Counter(device.adapter for device in found.devices)),
        "broken": dict(found.broken),
        "warnings": [asdict(problem) for problem in found.warnings],
        "files": [str(path) for path in found.files],
    }


def expected(found: Configuration) -> dict[str, Any]:
    """What the configuration takes of this machine, and what of that is near its bound."""
    state = state_folder(None, found.root.gateway.state)
    load = Load.of(found)
    estimate = estimated(found, load, kept(state))
    near = list(warnings(found, estimate, os.cpu_count() or 1, _free(state)))
    return {**asdict(load), **asdict(estimate), "warnings": near, "sentence": sentence(load, estimate)}


def _free(folder: Path) -> int | None:
    """Bytes that are free where `folder` lies or will lie."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            return shutil.disk_usage(place).free
    return None


def listing(found: Configuration) -> list[dict[str, Any]]:
    """Every device with its connection and what is read for each of its tags."""
    return [
        {
            "device": device.device,
            "adapter": device.adapter,
            "connection": device.connection(),
            "tags": _described(device),
        }
        for device in found.devices
        if device.device not in found.broken
    ]


def _described(device: DeviceConfig) -> dict[str, str]:
    wire = device.wire_addresses() if isinstance(device, Addresses) else {}
    return {name: wire.get(name) or _words(tag) for name, tag in device.tags.items()}


def _words(tag: TagConfig) -> str:
    return tag.describe() if isinstance(tag, Describes) else ""


def _print_listing(found: Configuration) -> None:
    for device in listing(found):
        print(f"{device['device']}  ({device['adapter']}, {device['connection']})")
        width = max(map(len, device["tags"]))
        for name, words in device["tags"].items():
            print(f"  {name:{width}}  {words}".rstrip())


def _report_errors(errors: ConfigErrors, *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": False, "problems": errors.as_json()})
        return
    count, files = len(errors.problems), len({problem.file for problem in errors.problems})
    print(errors.render())
    print(f"\n{_many(count, 'problem')} in {_many(files, 'file')}")


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
