"""The command line: one file per family of verbs. Each module offers `add(subparsers)`, and is thin."""

import gc
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

# Each verb and its module, in the order of the help.
VERBS: Final = {
    "run": "run",
    "check": "check",
    "bench": "bench",
    "plan": "plan",
    "apply": "apply",
    "reload": "apply",
    "confirm": "apply",
    "revert": "apply",
    "history": "rollback",
    "rollback": "rollback",
    "demo": "demo",
    "read": "read",
    "write": "write",
    "call": "call",
    "browse": "browse",
    "certs": "certs",
    "scan": "scan",
    "import": "importing",
    "doctor": "doctor",
    "sim": "sim",
    "fit": "fit",
    "replay": "replay",
    "status": "status",
    "why": "why",
    "alarms": "alarms",
    "conditions": "conditions",
    "audit": "audit",
    "outbox": "outbox",
    "bundle": "bundle",
    "console": "console",
    "asset": "asset",
    "model": "model",
    "plugins": "plugins",
    "quarantine": "quarantine",
    "log": "log",
    "schema": "schema",
    "docs": "docs",
}


def load(words: Sequence[str] = ()) -> list[Any]:
    """The modules whose verbs a command line may mean: one where its first word is a verb, else all.

    A service that was killed is back the sooner for it. The collector rests meanwhile: what modules make stays, and
    looking through it again and again takes a fifth of the time.
    """
    named = VERBS.get(words[0]) if words else None
    gc.disable()
    try:
        return [import_module(f"gateway.cli.{name}") for name in ([named] if named else dict.fromkeys(VERBS.values()))]
    finally:
        gc.enable()
