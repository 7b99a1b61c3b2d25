"""What a verb asks of the running gateway itself: a note in its state folder, and the answer."""

import argparse
from pathlib import Path
from typing import Final

from gateway.cli.common import FAILED, OK, TRY_LATER, complain, print_json, state_folder
from gateway.config.load import load
from gateway.ingest.defence import OPERATIONS
from gateway.ingest.registry import Registry
from gateway.ops.inbox import Inbox, Note

ANSWER_WITHIN: Final = 5.0  # s; a running gateway looks every second


def place(args: argparse.Namespace) -> Path:
    """The state folder: as given, else as the configuration says."""
    given: Path | None = args.state
    return given or state_folder(None, load(args.config, Registry().models()).root.gateway.state)


def ask(state: Path, note: Note, *, json: bool = False) -> int:
    """Leave `note`, wait for the answer, and print it; the exit code."""
    inbox = Inbox(state, OPERATIONS)
    try:
        answer = inbox.answered(inbox.leave(note), ANSWER_WITHIN)
    except OSError as error:
        complain(f"{state}: {error.strerror}")
        return FAILED
    if answer is None:
        complain("no gateway has answered; it is done when one starts on this state")
        return TRY_LATER
    done = answer["result"] == "done"
    if json:
        print_json(answer)
    else:
        print(answer["text"]) if done else complain(answer["text"])
    return OK if done else FAILED
