"""Templates: `templates/NAME.yaml` or `NAME@VERSION.yaml`, a device or an asset with `parameters:` to be filled in.

`parameters: {host: {description: …}, unit: {default: 1}, port: 502}`: without a default it must be given; the short
form is the default itself.
"""

from dataclasses import dataclass
from typing import Any, Final

from gateway.config.files import File, Library
from gateway.config.fill import Given
from gateway.config.include import Includer
from gateway.config.merge import PARAMETERS
from gateway.config.problems import Path, did_you_mean
from gateway.config.tree import Document, Spot

_WORDS: Final = frozenset({"default", "description"})


@dataclass(frozen=True, slots=True)
class Parameter:
    """What may be filled in: where it is declared, what is said of it, and its value where none is given."""

    spot: Spot
    description: str = ""
    default: Given | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be used: its parameters, and whether the files that it includes could be read."""

    name: str
    document: Document
    parameters: dict[str, Parameter]
    complete: bool

    def note_unused(self, used: set[str]) -> None:
        """Note the parameters that stand nowhere in it."""
        for name in self.parameters.keys() - used:
            spot = self.parameters[name].spot
            spot.source.add(spot.place, (PARAMETERS, name), "is not used", f"write ${{{name}}} where it belongs")


class Templates:
    """The templates of a configuration; each is read when it is first used."""

    def __init__(self, library: Library, main: File, includer: Includer) -> None:
        self._library, self._includer = library, includer
        self._paths = library.templates(main)
        self._known: dict[str, Template | None] = {}

    def find(self, name: Any, spot: Spot, path: Path, user: Document) -> Template | None:
        """The template called `name`, which `user` asks for at `spot`; None where it cannot be used, which is noted."""
        if not isinstance(name, str):
            user.note_at(spot, path, "must be the name of a template, or a list of names")
            return None
        if name not in self._paths:
            hint = did_you_mean(name, self._paths) or "known: " + (", ".join(list(self._paths)[:12]) or "none")
            user.note_at(spot, path, f"there is no template '{name}' in templates/", hint)
            return None
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> Template | None:
        file = self._library.read(self._paths[name])
        source = file.source
        if not file.documents:
            if source.readable:
                source.add((1, 1), (), "the template is empty")
            return None
        for document in file.documents[1:]:
            source.add(document.place(()), (), "one template in a file")
        document = self._includer.resolve(file.documents[0])
        if not isinstance(document.data, dict):
            document.note((), "must be a table: parameters, and what a device says")
            return None
        return Template(name, document, _parameters(document), self._includer.complete)


def _parameters(document: Document) -> dict[str, Parameter]:
    declared = document.data.get(PARAMETERS)
    if not isinstance(declared, dict):
        if PARAMETERS in document.data and declared is not None:
            document.note((PARAMETERS,), "must be a table: names, each with its default or description")
        return {}
    return {name: _parameter(document, name, declared[name]) for name in declared}


def _parameter(document: Document, name: str, said: Any) -> Parameter:
    path: Path = (PARAMETERS, name)
    spot = document.spot(path, of_key=True)
    if said is None:
        return Parameter(spot)
    if not isinstance(said, dict):
        return Parameter(spot, "", Given(said, document.spot(path), document.marks))
    for word in said.keys() - _WORDS:
        hint = did_you_mean(word, _WORDS) or "known: default, description"
        document.note((*path, word), "unknown key", hint, of_key=True)
    default = None
    if "default" in said:
        default = Given(said["default"], document.spot((*path, "default")), document.marks)
    return Parameter(spot, str(said.get("description") or ""), default)
