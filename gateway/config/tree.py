"""What was read: plain data, and of each value and key the file, line and column where it was written.

A document may be put together from several files; each value keeps the place that a person would look at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

from gateway.config.problems import Key, Path, Place, Source

MAX_DEPTH: Final = 40
MAX_VALUES: Final = (
    2_000_000  # once aliases, includes and templates are followed: a few kilobytes can stand for billions
)
ROOT: Final = "\0"  # key of the whole document in its holder
_T = TypeVar("_T")


class Spot(NamedTuple):
    """Where something is written. `given` is where the value of the parameter that stands here was written."""

    line: int
    column: int
    source: Source
    given: "Spot | None" = None

    @property
    def place(self) -> Place:
        """Line and column."""
        return self.line, self.column

    def __str__(self) -> str:
        """As in messages."""
        return f"{self.source.file}:{self.line}:{self.column}"


Marks = dict[int, dict[Key, tuple[Spot, Spot]]]  # id of container: of each key in it the key's spot and the value's


@dataclass(frozen=True, slots=True)
class SecretRef:
    """What stands in the data for `!secret name` until it is resolved."""

    name: str


@dataclass(frozen=True, slots=True)
class FileRef:
    """What stands in the data for `!include file` and `!csv file` until the file is read."""

    kind: str
    name: str


@dataclass(slots=True)
class Use:
    """What was made of a template or of a `for`, and where it stands in the document and in its file.

    Attributes:
        who: "device pump-7".
        spot: of the table that asked for it.
        path: of what was made, in the document.
        written: the path as it is written in the file.
        many: whether others were made of the same lines.
    """

    who: str
    spot: Spot
    path: Path = ()
    written: Path = ()
    many: bool = False


@dataclass(slots=True)
class Document:
    """One document: plain data, the spot of each value, and what was made of templates in it."""

    source: Source
    holder: dict[str, Any] = field(default_factory=dict)
    marks: Marks = field(default_factory=dict)
    uses: dict[Path, Use] = field(default_factory=dict)
    tagged: bool = True  # whether it may hold references to secrets or files
    kept: list[Any] = field(default_factory=list)  # containers with marks: were one gone, another would bear its id
    named: dict[Path, str] = field(default_factory=dict)  # the names of the secrets that were looked up

    @property
    def data(self) -> Any:
        """Dicts, lists and scalars."""
        return self.holder.get(ROOT)

    @property
    def secrets(self) -> list[tuple[Any, Key, Path]]:
        """The references to secrets: container, key in it, path."""
        return list(find(self.holder, SecretRef)) if self.tagged else []

    def places(self, container: Any) -> dict[Key, tuple[Spot, Spot]]:
        """Where the spots of what is put into a new container belong."""
        self.kept.append(container)
        self.marks[id(container)] = {}
        return self.marks[id(container)]

    def spot(self, path: Path, *, of_key: bool = False) -> Spot:
        """Where the value at `path` or its key is written; of the last that exists on the way."""
        marks, data = self.marks[id(self.holder)][ROOT], self.data
        for step in path:
            inside = self.marks.get(id(data), {}) if isinstance(data, dict | list) else {}
            if step not in inside:
                return marks[0]
            marks, data = inside[step], data[step]
        return marks[0] if of_key else marks[1]

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Line and column, from 1, of what `spot` means."""
        return self.spot(path, of_key=of_key).place

    def note(self, path: Path, message: str, hint: str = "", *, of_key: bool = False) -> None:
        """Note a problem with the value at `path`, in the file where it is written."""
        self.note_at(self.spot(path, of_key=of_key), path, message, hint)

    def note_at(self, spot: Spot, path: Path, message: str, hint: str = "") -> None:
        """Note a problem at `spot`."""
        shown, user = self.told(spot, path)
        spot.source.add(spot.place, shown, message, hint, user)

    def warn(self, path: Path, message: str, hint: str = "") -> None:
        """Note what is odd about the value at `path`, and stops nothing; told without the path."""
        spot = self.spot(path)
        spot.source.warn(spot.place, (), message, hint, self.told(spot, path)[1])

    def told(self, spot: Spot, path: Path) -> tuple[Path, str]:
        """The path as the file at `spot` knows it, and who is concerned. One fault of a template is one problem."""
        use = next((self.uses[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.uses), None)
        elsewhere = spot.source is not self.source
        if spot.source.cells is not None and spot.line == 1 and path and isinstance(path[-1], str):
            return path[-1:], ""  # the head of a sheet stands for all rows
        if not (elsewhere or (use and use.many)):
            return path, ""
        if use is None:
            return path, f"{self.source.file}:{self.spot(()).line}"
        inside = path[len(use.path) :]
        return (inside if elsewhere else (*use.written, *inside)), f"{use.who} ({_line(spot.given or use.spot)})"


def _line(spot: Spot) -> str:
    return f"{spot.source.file}:{spot.line}"


def find(holder: Any, kind: type[_T]) -> Iterator[tuple[Any, Key, Path]]:
    """Every value of type `kind`: container, key in it, path. What aliases share is looked at once."""
    left: list[tuple[Any, Path]] = [(holder, ())]
    seen = {id(holder)}
    while left:
        data, path = left.pop()
        inner: list[tuple[Any, Path]] = []
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            if isinstance(value, kind):
                yield data, key, (*path, key)[1:]
            elif isinstance(value, dict | list) and id(value) not in seen:
                seen.add(id(value))
                inner.append((value, (*path, key)))
        left.extend(reversed(inner))
