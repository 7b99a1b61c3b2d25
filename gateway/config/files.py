"""Which files are read, and how a path inside them is meant: relative to the file that it stands in."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.jsonschema import Pattern, match
from gateway.config.problems import Source
from gateway.config.yaml import Document, parse

FOLDER: Final = "devices.d"


@dataclass(slots=True)
class File:
    """One file of the configuration: what it says, what is wrong in it, and what is only odd."""

    path: Path
    source: Source
    odd: Source
    documents: list[Document] = field(default_factory=list)


def read(path: Path, home: Path) -> File:
    """The file at `path`, named in messages as seen from `home`. What cannot be read is noted in its source."""
    source = Source(path.relative_to(home).as_posix())
    file = File(path, source, Source(source.file))
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError(0, "it is no file")  # a pipe or a device would not end
        file.documents = [document for document in parse(path.read_bytes(), source) if document.data is not None]
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        source.readable = False
        source.add((0, 0), (), f"cannot be read: {getattr(error, 'strerror', None) or error}", str(path))
    file.odd.lines = source.lines
    if source.readable and not file.documents:
        file.odd.add((0, 0), (), "is empty")
    return file


def device_files(home: Path, main: File) -> list[Path]:
    """The files of `devices.d`, by name. Hidden files are left alone; a name that looks like a slip is noted."""
    folder = home / FOLDER
    try:
        found = sorted(folder.iterdir()) if folder.exists() else []
    except OSError as error:
        main.source.add((0, 0), (), f"{FOLDER} cannot be read: {error.strerror}", str(folder))
        return []
    for path in found:
        if path.suffix in (".yml", ".YAML", ".YML"):
            main.odd.add((0, 0), (f"{FOLDER}/{path.name}",), "is not read", "its name must end in .yaml")
    return [path for path in found if path.suffix == ".yaml" and not path.name.startswith(".")]


def secrets_dir(main: File) -> Path | None:
    """`gateway.secrets_dir` as written, before anything is checked: secrets are needed for the check itself."""
    data = main.documents[0].data if main.documents else None
    gateway = data.get("gateway") if isinstance(data, dict) else None
    folder = gateway.get("secrets_dir") if isinstance(gateway, dict) else None
    return main.path.parent / folder if isinstance(folder, str) else None


def make_absolute(document: Document, paths: Iterable[Pattern], folder: Path) -> None:
    """Every one of `paths` in `document`, taken from `folder`."""
    for pattern in paths:
        for _, holder, key in match(document.data, pattern):
            if isinstance(holder[key], str):
                holder[key] = str(folder.absolute() / holder[key])
