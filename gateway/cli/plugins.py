"""`fieldgate plugins`: the adapters that are installed, and where they come from. Imports them only when asked to."""

import argparse
from dataclasses import asdict
from typing import Any

from gateway.cli.common import FAILED, OK, add_json, print_json
from gateway.config.problems import PluginError
from gateway.ingest.registry import Registry
from gateway.sdk.adapter import API_VERSION

COLUMNS = ("name", "distribution", "version", "api")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser("plugins", help="list the adapters that are installed")
    add_json(parser)
    parser.add_argument("--verify", action="store_true", help="import each one; exit code 1 when one cannot be used")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """List, and import when asked to."""
    rows = listed(Registry(), verify=args.verify)
    if args.json:
        print_json({"api_version": API_VERSION, "plugins": rows})
    else:
        print("\n".join(table(rows)))
    return FAILED if any(row.get("fault") for row in rows) else OK


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
