"""`fieldgate plugins`: the adapters that are installed, and where they come from. Imports them only when asked to.

`--lock` prints what stands in plugins.lock to approve them as they are now.
"""

import argparse
from dataclasses import asdict
from importlib.metadata import distribution
from typing import Any

from gateway.cli.common import FAILED, OK, add_json, complain, print_json
from gateway.config.problems import PluginError
from gateway.ingest.approved import OWN, digest
from gateway.ingest.registry import Registry
from gateway.sdk.adapter import API_VERSION

COLUMNS = ("name", "distribution", "version", "api")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("plugins", help="list the adapters that are installed")
    add_json(parser)
    parser.add_argument("--verify", action="store_true", help="import each one; exit code 1 when one cannot be used")
    parser.add_argument("--lock", action="store_true", help="print what approves the plugins as they are now")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """List, and import when asked to."""
    if args.lock:
        return lock(Registry())
    rows = listed(Registry(), verify=args.verify)
    if args.json:
        print_json({"api_version": API_VERSION, "plugins": rows})
    else:
        print("\n".join(table(rows)))
    return FAILED if any(row.get("fault") for row in rows) else OK


def lock(registry: Registry) -> int:
    """The content of plugins.lock for what is installed besides the gateway itself."""
    code = OK
    for name, version in sorted({(plugin.distribution, plugin.version) for plugin in registry.plugins}):
        try:
            if name != OWN:
                print(f"{digest(distribution(name))}  {name} {version}")
        except ValueError as error:
            code = FAILED
            complain(f"{name}: {error}")
    return code


def listed(registry: Registry, *, verify: bool) -> list[dict[str, Any]]:
    """One row an adapter. Its API version is known only after an import; without, `api` is None."""
    rows: list[dict[str, Any]] = [asdict(plugin) | {"api": None} for plugin in registry.plugins]
    for row in rows if verify else ():
        try:
            row["api"] = registry.adapter(row["name"]).api_version
        except PluginError as error:
            row["fault"] = error.reason
    return rows


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows for a person."""
    cells = [COLUMNS, *([_cell(row[column]) for column in COLUMNS] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    faults = ["", *(f"  {row['fault']}" if row.get("fault") else "" for row in rows)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + fault
        for line, fault in zip(cells, faults, strict=True)
    ]


def _cell(value: Any) -> str:
    return "-" if value is None else str(value)
