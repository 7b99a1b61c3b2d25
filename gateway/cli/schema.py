"""`fieldgate schema`: the JSON Schema of what may be written, for editors that check while one types.

fieldgate schema > fieldgate.schema.json
# yaml-language-server: $schema=fieldgate.schema.json
"""

import argparse
import json

from gateway.cli.common import CONFIGURATION, OK, USAGE, add_json, complain, print_json
from gateway.config.jsonschema import Schema, device_schema, main_schema, template_schema
from gateway.config.problems import PluginError, did_you_mean
from gateway.ingest.registry import Registry
from gateway.sdk.config import DeviceConfig

ALL = "all"


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    parser = subparsers.add_parser(
        "schema", help="print the JSON Schema of fieldgate.yaml, of a device's file or of a template"
    )
    add_json(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--device", metavar="ADAPTER", nargs="?", const=ALL, help="of a device's file: one adapter's, or all"
    )
    which.add_argument("--template", metavar="ADAPTER", nargs="?", const=ALL, help="of a template: likewise")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Print the schema; it is JSON with and without --json, on one line with it."""
    registry, wanted = Registry(), args.device or args.template
    if wanted not in (None, ALL, *registry.names):
        hint = did_you_mean(wanted, registry.names) or "installed: " + ", ".join(registry.names)
        complain(f"there is no adapter '{wanted}' ({hint})")
        return USAGE
    made = template_schema if args.template else device_schema
    try:
        schema = main_schema() if wanted is None else made(_tables(registry, wanted))
    except PluginError as error:
        complain(str(error))
        return CONFIGURATION
    _print(schema, one_line=args.json)
    return OK


def _tables(registry: Registry, wanted: str) -> dict[str, type[DeviceConfig]]:
    """The tables asked for. Of all, one that cannot be used is told and left out; alone it raises PluginError."""
    if wanted != ALL:
        return {wanted: registry.models()[wanted]}
    tables = {}
    for name in registry.names:
        try:
            tables[name] = registry.models()[name]
        except PluginError as error:
            complain(f"left out: {error}")
    return tables


def _print(schema: Schema, *, one_line: bool) -> None:
    if one_line:
        print_json(schema)
    else:
        print(json.dumps(schema, indent=2, ensure_ascii=False))
