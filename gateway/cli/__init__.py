"""The command line: one file per family of verbs. Each module offers `add(subparsers)`, and is thin."""

from gateway.cli import check, demo, plugins, read, replay, run, schema, status

VERBS = (run, check, demo, read, replay, status, plugins, schema)
