"""The command line: one file per family of verbs. Each module offers `add(subparsers)`, and is thin."""

from gateway.cli import check, demo, doctor, model, plugins, read, replay, run, schema, status

VERBS = (run, check, demo, read, doctor, replay, status, model, plugins, schema)
