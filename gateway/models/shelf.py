"""Where bundles and their records lie: STATE/models/NAME/VERSION.tar, record.json and report.*.

What `fieldgate model` asks for is a note in STATE/model-commands (gateway.ops.inbox).
"""

import os
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.models.bundle import LIMIT, Bundle, open_bundle
from gateway.models.lifecycle import Record, decode
from gateway.models.manifest import BundleError
from gateway.models.signing import Keys
from gateway.ops.files import give
from gateway.ops.inbox import Inbox

_COMMANDS: Final = "model-commands"


class Shelf:
    """The folder STATE/models.

    Attributes:
        inbox: commands, and their answers.
    """

    def __init__(self, state: Path, trusted: Keys, limit: int = LIMIT) -> None:
        """`trusted` keys must have signed what is taken down; a model has at most `limit` bytes."""
        self.folder, self._trusted, self._limit = state / "models", trusted, limit
        self.inbox = Inbox(state, _COMMANDS)

    # -- bundles -----------------------------------------------------------------------------------------------------

    def open(self, path: Path) -> Bundle:
        """A bundle from anywhere. Raises BundleError."""
        return open_bundle(path, self._trusted, self._limit)

    def take(self, name: str, version: str) -> Bundle:
        """A bundle from the shelf, checked anew. Raises BundleError."""
        bundle = self.open(self._archive(name, version))
        if (bundle.manifest.name, bundle.manifest.version) != (name, version):
            raise BundleError("tampered", f"{name}/{version}.tar holds {bundle.label}")
        return bundle

    def put(self, bundle: Bundle) -> None:
        """Lay a bundle on the shelf. Raises BundleError when another lies there under its name and version."""
        path, content = self._archive(bundle.manifest.name, bundle.manifest.version), bundle.archive()
        if not path.exists():
            self._write(path, content)
        elif path.read_bytes() != content:
            raise BundleError("layout", f"another bundle is installed as {bundle.label}; give this one a new version")

    def versions(self, name: str) -> list[str]:
        """The versions that lie there."""
        folder = self.folder / name
        return sorted(path.stem for path in folder.glob("*.tar")) if folder.is_dir() else []

    def names(self) -> list[str]:
        """The models that have a record or a bundle."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))

    # -- records -----------------------------------------------------------------------------------------------------

    def record(self, name: str) -> Record:
        """The record of a model; an empty one where there is none, or where it is damaged."""
        path = self.folder / name / "record.json"
        try:
            return decode(path.read_bytes())
        except FileNotFoundError:
            return Record(name)
        except ValueError:
            path.replace(path.with_suffix(".damaged"))
            return Record(name)

    def keep(self, record: Record) -> None:
        """Keep the record, whole or not at all."""
        self._write(self.folder / record.name / "record.json", record.encode())

    def keep_report(self, name: str, report: dict[str, Any], text: str) -> None:
        """Keep the latest comparison, for programs and for people."""
        self._write(self.folder / name / "report.json", orjson.dumps(report, option=orjson.OPT_INDENT_2))
        self._write(self.folder / name / "report.txt", text.encode())

    def report(self, name: str) -> str:
        """The latest comparison for people; empty where there is none."""
        path = self.folder / name / "report.txt"
        return path.read_text() if path.is_file() else ""

    # -- files -------------------------------------------------------------------------------------------------------

    def _archive(self, name: str, version: str) -> Path:
        return self.folder / name / f"{version}.tar"

    def _write(self, path: Path, content: bytes) -> None:
        """A file that is there whole or not at all, after a power cut too; owned as the state folder is."""
        self._make_folder(path.parent)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        give(draft, self.folder.parent)
        draft.replace(path)
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _make_folder(self, folder: Path) -> None:
        for one in (self.folder, folder):
            if not one.is_dir():
                one.mkdir(mode=0o750, parents=True, exist_ok=True)
                give(one, self.folder.parent)
