"""What the command line leaves for a running gateway: notes as files in a folder of the state, and their answers.

A note is JSON in a file that appears whole, so that no socket is needed, and what is left while the gateway is down is
done when it is up. Its answer is a file of the same name in `.answers`.
"""

import os
import time
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.ops.files import give

_KEPT: Final = 50  # answers that nobody has fetched
_LARGEST: Final = 65536  # bytes of a note
_MOST: Final = 100  # notes that are taken at once
_POLL: Final = 0.05  # s between two looks for an answer

Note = dict[str, Any]


class Inbox:
    """One folder of notes.

    Attributes:
        unreadable: names of notes that could not be taken at the last look, such as those of another user.
        alien: those among them that were not so at the look before.
    """

    def __init__(self, state: Path, name: str) -> None:
        """The notes in STATE/NAME. Nothing is made before the first note."""
        self._state, self.folder = state, state / name
        self.unreadable: set[str] = set()
        self.alien: set[str] = set()

    def leave(self, note: Note) -> str:
        """Leave a note; the name of its answer. Raises OSError where the folder cannot be written."""
        name = f"{time.time_ns()}-{os.getpid()}"
        self._write(self.folder / name, note)
        return name

    def collect(self) -> list[tuple[str, Note]]:
        """(name, note) of those that wait, the eldest first; they are gone from the folder. No JSON table: empty.

        What cannot be read or removed stays, and is noted in `unreadable`.
        """
        if not self.folder.is_dir():
            return []
        waiting = sorted(path for path in self.folder.iterdir() if path.is_file() and not path.name.startswith("."))
        before, self.unreadable, found = self.unreadable, set(), []
        for path in waiting:
            try:
                found.append((path.name, _take(path)))
            except OSError:
                self.unreadable.add(path.name)
            if len(found) == _MOST:
                break
        self.alien = self.unreadable - before
        return found

    def answer(self, name: str, content: Note) -> None:
        """Answer a note. Answers that nobody fetches are removed in time. Raises OSError, as on a full disk."""
        folder = self.folder / ".answers"
        self._write(folder / name, content)
        for path in sorted(folder.iterdir())[:-_KEPT]:
            path.unlink(missing_ok=True)

    def answered(self, name: str, within: float) -> Note | None:
        """The answer to a note, as soon as there is one; None when there is none after `within` seconds. Blocks."""
        path, until = self.folder / ".answers" / name, time.monotonic() + within
        while not path.is_file():
            if time.monotonic() > until:
                return None
            time.sleep(_POLL)
        return _take(path)

    def _write(self, path: Path, content: Note) -> None:
        for folder in (self.folder, path.parent):
            if not folder.is_dir():
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                give(folder, self._state)
        draft = path.with_name(f".{path.name}.part")
        draft.write_bytes(orjson.dumps(content, default=str))
        give(draft, self._state)
        draft.replace(path)


def _take(path: Path) -> Note:
    """What a file says; it is gone then."""
    content = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
    path.unlink()
    try:
        note = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return note if isinstance(note, dict) else {}
