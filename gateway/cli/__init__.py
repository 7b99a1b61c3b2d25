"""The command line: one file per family of verbs. Each module offers `add(subparsers)`, and is thin."""

from gateway.cli import asset, check, demo, doctor, fit, model, plugins, read, replay, run, schema, sim, status

VERBS = (run, check, demo, read, doctor, sim, fit, replay, status, asset, model, plugins, schema)
