"""`!include file`, `!csv file`: the content of another file where one value stands, each value with its own place."""

from pathlib import Path as FilePath
from typing import Any, Final

from gateway.config.files import File, Library
from gateway.config.fill import Budget, Copier, Given
from gateway.config.problems import Key, Path
from gateway.config.tree import Document, FileRef, Spot, find

MAX_INCLUDES: Final = 10  # files inside each other


class Includer:
    """Puts included files in their places. `complete` says whether all of them could be read."""

    def __init__(self, library: Library, budget: Budget) -> None:
        self._library, self._budget = library, budget
        self._done: dict[int, Document] = {}  # without open references, by id: kept, or another would bear its id
        self.complete = True

    def resolve(self, document: Document, inside: tuple[FilePath, ...] = ()) -> Document:
        """`document` itself, its references replaced. Raises TooMuchError."""
        if id(document) in self._done:
            return document
        for holder, key, path in list(find(document.holder, FileRef)) if document.tagged else ():
            self._put(document, holder, key, path, inside)
        self._done[id(document)] = document
        return document

    def _put(self, document: Document, holder: Any, key: Key, path: Path, inside: tuple[FilePath, ...]) -> None:
        key_spot, spot = document.marks[id(holder)][key]
        given = self._content(document, holder[key], spot, path, inside)
        if given is None:
            self.complete = False
            holder[key] = None
            return
        holder[key], inner = Copier(document, self._budget).copy(given, path)
        document.marks[id(holder)][key] = key_spot, inner

    def _content(
        self, document: Document, ref: FileRef, spot: Spot, path: Path, inside: tuple[FilePath, ...]
    ) -> Given | None:
        """What stands in the file; None where it cannot be had, which is noted."""
        file = self._library.included(ref, spot)
        if isinstance(file, str):
            spot.source.add(spot.place, path, file)
            return None
        here = (*inside, FilePath(document.source.folder) / FilePath(document.source.file).name)
        if finding := _nesting(file, here):
            spot.source.add(spot.place, path, *finding)
            return None
        if len(file.documents) != 1:
            if file.source.readable:
                said = "is empty" if not file.documents else "holds several documents; one can be included"
                spot.source.add(spot.place, path, f"'{ref.name}' {said}")
            return None
        inner = self.resolve(file.documents[0], here)
        return Given(inner.data, inner.spot(()), inner.marks)


def _nesting(file: File, here: tuple[FilePath, ...]) -> tuple[str, str] | None:
    if file.path in here:
        around = " -> ".join(path.name for path in (*here[here.index(file.path) :], file.path))
        return "the file includes itself", around
    if len(here) > MAX_INCLUDES:
        return f"files included more than {MAX_INCLUDES} deep", ""
    return None
