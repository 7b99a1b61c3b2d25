"""The configurations that have run, as files: each in a folder of its own, to be looked at, compared and gone back to.

STATE/configurations/000012/ holds `record.json` and, below `files/`, what was read, as it was. No secret is among it:
secrets stand elsewhere and are only named. A configuration that was tried and not confirmed is in doubt: a start does
not run it, as long as the files say the same.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.config.shelf import digest
from gateway.ops.files import give
from gateway.sdk.errors import FieldgateError

FOLDER: Final = "configurations"
MOST: Final = 50  # that are kept; the eldest go
_RECORD, _FILES, _DOUBT = "record.json", "files", "doubt.json"


class ConfigurationMissingError(FieldgateError):
    """There is no such configuration, or it cannot be read; the message says where it was looked for."""


@dataclass(frozen=True, slots=True)
class Record:
    """One configuration that has run.

    Attributes:
        number: counted up from 1.
        digest: of its files; see gateway.config.shelf.
        applied: when it took over, Unix s.
        by: who had it applied.
        comment: why.
        end: what came of it: empty while it holds or has been followed by the next, else why it was taken back.
    """

    number: int
    digest: str
    applied: float
    by: str = ""
    comment: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Files with this digest are not to be run; number `instead` is. `why` is a sentence."""

    digest: str
    instead: int
    why: str


class Configurations:
    """Those of one state folder. Whatever is written is on disk when a call returns, or OSError is raised."""

    def __init__(self, state: Path) -> None:
        self._state, self.folder = state, state / FOLDER

    # -- what has run ------------------------------------------------------------------------------------------------

    def records(self) -> list[Record]:
        """All that are kept, the eldest first."""
        found = sorted(path for path in self.folder.glob("[0-9]*") if (path / _RECORD).is_file())
        return [record for path in found if (record := _read(path / _RECORD)) is not None]

    def latest(self) -> Record | None:
        """The last one that has not been taken back."""
        return next((record for record in reversed(self.records()) if not record.end), None)

    def content(self, number: int) -> dict[str, bytes]:
        """The files of a configuration, by name. Raises ConfigurationMissingError."""
        folder = self._of(number) / _FILES
        try:
            found = {
                path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
            }
        except OSError as error:
            raise ConfigurationMissingError(f"{folder}: {error.strerror}") from error
        if not found:
            raise ConfigurationMissingError(f"there is no configuration {number} in {self.folder}")
        return found

    def keep(self, content: Mapping[str, bytes], record: Record) -> Record:
        """Keep one; the record with the number that it got."""
        self._make(self.folder)
        number = max((one.number for one in self.records()), default=0) + 1
        record = replace(record, number=number, digest=digest(content))
        draft = self.folder / ".draft"
        shutil.rmtree(draft, ignore_errors=True)
        for name, raw in content.items():
            path = draft / _FILES / name
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            _write(path, raw)
        _write(draft / _RECORD, orjson.dumps(asdict(record)))
        for path in (draft, *draft.rglob("*")):
            give(path, self._state)
        shutil.rmtree(self._of(number), ignore_errors=True)  # one without a record
        draft.rename(self._of(number))
        _settle(self.folder)
        for old in self.records()[:-MOST]:
            shutil.rmtree(self._of(old.number), ignore_errors=True)
        return record

    def take_back(self, number: int, why: str) -> None:
        """Note that a configuration was taken back."""
        record = _read(self._of(number) / _RECORD)
        if record is not None:
            self._put(self._of(number) / _RECORD, asdict(replace(record, end=why)))

    def disown(self, running: str, why: str) -> None:
        """Take back whatever was kept after the one that runs, which has this digest."""
        for record in reversed(self.records()):
            if record.digest == running:
                return
            if not record.end:
                self.take_back(record.number, why)

    # -- what is not to run ------------------------------------------------------------------------------------------

    def doubt(self) -> Doubt | None:
        """What is in doubt, if anything is."""
        try:
            return Doubt(**orjson.loads((self.folder / _DOUBT).read_bytes()))
        except (OSError, orjson.JSONDecodeError, TypeError):
            return None

    def put_in_doubt(self, doubt: Doubt) -> None:
        """From now on no start runs it."""
        self._make(self.folder)
        self._put(self.folder / _DOUBT, asdict(doubt))

    def believe(self) -> None:
        """Nothing is in doubt any more."""
        (self.folder / _DOUBT).unlink(missing_ok=True)
        if self.folder.is_dir():
            _settle(self.folder)

    def _of(self, number: int) -> Path:
        return self.folder / f"{number:06}"

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o750, parents=True)
            give(folder, self._state)

    def _put(self, path: Path, content: Mapping[str, Any]) -> None:
        """Whole, or not at all."""
        draft = path.with_name(f".{path.name}.part")
        _write(draft, orjson.dumps(content))
        give(draft, self._state)
        draft.replace(path)
        _settle(path.parent)


def _read(path: Path) -> Record | None:
    try:
        return Record(**orjson.loads(path.read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None


def _write(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
