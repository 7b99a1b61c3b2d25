"""What became of a foreign configuration: mapped, changed in meaning, not supported, secrets to supply."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from gateway.config.problems import masked

Kind = Literal["mapped", "changed", "lost", "secret"]
HEADINGS: Final[dict[Kind, str]] = {
    "mapped": "mapped", "changed": "changed in meaning", "lost": "not supported", "secret": "secrets to supply",
}  # fmt: skip
_LONGEST: Final = 300  # characters of one sentence


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that is told.

    Attributes:
        kind: mapped, changed, lost, or secret.
        place: in the foreign file: file and line, or file and path.
        text: a sentence; never a secret.
    """

    kind: Kind
    place: str
    text: str


@dataclass(slots=True)
class Report:
    """All that is told about one import, in the order of the files."""

    notes: list[Note] = field(default_factory=list)
    _told: set[Note] = field(default_factory=set)

    def mapped(self, place: str, text: str) -> None:
        """What stands at `place` is `text` here, and means the same."""
        self._add("mapped", place, text)

    def changed(self, place: str, text: str) -> None:
        """What stands at `place` was taken over and does not mean quite the same."""
        self._add("changed", place, text)

    def lost(self, place: str, text: str) -> None:
        """What stands at `place` has no counterpart here."""
        self._add("lost", place, text)

    def secret(self, place: str, name: str, what: str) -> None:
        """What stands at `place` is to be supplied as the secret `name`."""
        self._add("secret", place, f"{name}: {what}")

    @property
    def complete(self) -> bool:
        """Whether nothing was lost."""
        return all(note.kind != "lost" for note in self.notes)

    def counts(self) -> dict[Kind, int]:
        """How many notes there are of each kind."""
        found = Counter(note.kind for note in self.notes)
        return {kind: found[kind] for kind in HEADINGS}

    def as_json(self) -> list[dict[str, Any]]:
        """The notes as plain tables, for machines."""
        return [asdict(note) for note in self.notes]

    def lines(self, *, every: bool = False) -> Iterator[str]:
        """For people: by kind; a sentence about several places stands once, unless `every` place is asked for."""
        for kind, heading in HEADINGS.items():
            notes = [note for note in self.notes if note.kind == kind]
            if notes and (every or kind != "mapped"):
                yield f"{heading}:"
                yield from _each(notes) if every else _grouped(notes)

    def _add(self, kind: Kind, place: str, text: str) -> None:
        note = Note(kind, _plain(place), _plain(text))
        if note not in self._told:
            self._told.add(note)
            self.notes.append(note)


def _each(notes: list[Note]) -> Iterator[str]:
    return (f"  {note.place}: {note.text}" for note in notes)


def _grouped(notes: list[Note]) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    for note in notes:
        places.setdefault(note.text, []).append(note.place)
    for text, where in places.items():
        yield f"  {where[0]}{f' and {len(where) - 1} more' if len(where) > 1 else ''}: {text}"


def _plain(text: str) -> str:
    """One line of printable text, whatever stood in the foreign file."""
    text = "".join(sign if sign.isprintable() else " " for sign in masked(text))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
