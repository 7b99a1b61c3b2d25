"""Which files are read, each once, and how a path inside them is meant: relative to the file that it stands in."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.jsonschema import Pattern, match
from gateway.config.problems import Source, did_you_mean
from gateway.config.sheet import parse_sheet
from gateway.config.shelf import Disk, Shelf
from gateway.config.tree import Document, FileRef, Spot
from gateway.config.yaml import parse

FOLDER: Final = "devices.d"
TEMPLATES: Final = "templates"
Parser = Callable[[bytes, Source], list[Document]]
_PARSERS: Final[dict[str, Parser]] = {"include": parse, "csv": parse_sheet}


@dataclass(slots=True)
class File:
    """One file of the configuration: what it says, and what is wrong or odd in it."""

    path: Path
    source: Source
    raw: bytes = b""
    documents: list[Document] = field(default_factory=list)


@dataclass(slots=True)
class Library:
    """The files below `home`, the folder of the main file. Each is read once, when it is asked for."""

    home: Path
    shelf: Shelf = field(default_factory=Disk)
    files: dict[tuple[Path, Parser], File] = field(default_factory=dict)

    def read(self, path: Path, parser: Parser = parse) -> File:
        """The file at `path`, named in messages as seen from `home`. What cannot be read is noted in its source."""
        if (path, parser) not in self.files:
            self.files[path, parser] = self._read(path, parser)
        return self.files[path, parser]

    def content(self) -> dict[str, bytes]:
        """What was read, by path as seen from `home`."""
        return {path.relative_to(self.home).as_posix(): file.raw for (path, _), file in self.files.items()}

    def sources(self) -> list[Source]:
        """The sources of all files that were read."""
        return [file.source for file in self.files.values()]

    def device_files(self, main: File) -> list[File]:
        """The files of `devices.d`, by name. Hidden files are left alone; a name that looks like a slip is noted."""
        return [self.read(path) for path in self._listed(self.home / FOLDER, main.source)]

    def templates(self, main: File) -> dict[str, Path]:
        """The files of `templates`, by name."""
        return {path.stem: path for path in self._listed(self.home / TEMPLATES, main.source)}

    def included(self, ref: FileRef, spot: Spot) -> File | str:
        """The file that `ref` at `spot` means, or what is wrong with its name."""
        path = Path(os.path.normpath(Path(spot.source.folder) / ref.name))
        if not path.is_relative_to(os.path.normpath(self.home)):
            return f"'{ref.name}' lies outside the folder of fieldgate.yaml; only files below it are read"
        if "\0" in ref.name or not self.shelf.there(path):
            hint = did_you_mean(path.name, self._beside(path))
            return f"there is no file '{ref.name}'" + (f"; {hint}" if hint else "")
        return self.read(path, _PARSERS[ref.kind])

    def _read(self, path: Path, parser: Parser) -> File:
        source = Source(path.relative_to(self.home).as_posix(), path.parent)
        file = File(path, source)
        try:
            file.raw = self.shelf.read(path)
            file.documents = [document for document in parser(file.raw, source) if document.data is not None]
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            source.readable = False
            source.add((0, 0), (), f"cannot be read: {getattr(error, 'strerror', None) or error}", str(path))
        if source.readable and not file.documents:
            source.warn((0, 0), (), "is empty")
        return file

    def _listed(self, folder: Path, main: Source) -> list[Path]:
        """The *.yaml in `folder`, by name."""
        try:
            found = self.shelf.names(folder)
        except OSError as error:
            main.add((0, 0), (), f"{folder.name} cannot be read: {error.strerror}", str(folder))
            return []
        for path in found:
            if path.suffix in (".yml", ".YAML", ".YML"):
                main.warn((0, 0), (f"{folder.name}/{path.name}",), "is not read", "its name must end in .yaml")
        return [path for path in found if path.suffix == ".yaml" and not path.name.startswith(".")]

    def _beside(self, path: Path) -> list[str]:
        try:
            return [found.name for found in self.shelf.names(path.parent)]
        except OSError:
            return []


def secrets_dir(main: File) -> Path | None:
    """`gateway.secrets_dir` as written, before anything is checked: secrets are needed for the check itself."""
    return _folder(main, "secrets_dir")


def state_dir(main: File) -> Path | None:
    """`gateway.state` as written, whatever else is wrong."""
    return _folder(main, "state")


def _folder(main: File, option: str) -> Path | None:
    data = main.documents[0].data if main.documents else None
    gateway = data.get("gateway") if isinstance(data, dict) else None
    folder = gateway.get(option) if isinstance(gateway, dict) else None
    return main.path.parent / folder if isinstance(folder, str) else None


def make_absolute(document: Document, paths: Iterable[Pattern], credentials: Path | None = None) -> None:
    """Every one of `paths` in `document`, taken from the folder of the file in which it was written.

    A name without a folder that lies among systemd's `credentials` is that: so a service gets a private key that its
    user may not read where it lies (systemd.exec(5), LoadCredential=).
    """
    for pattern in paths:
        for path, holder, key in match(document.data, pattern):
            if isinstance(holder[key], str):
                spot = document.spot(path)
                folder = Path((spot.given or spot).source.folder)
                holder[key] = str(_handed_over(holder[key], credentials) or folder.absolute() / holder[key])


def _handed_over(name: str, credentials: Path | None) -> Path | None:
    if credentials is None or "/" in name or "\0" in name or name in {"", ".", ".."}:
        return None
    return found if (found := credentials / name).is_file() else None
