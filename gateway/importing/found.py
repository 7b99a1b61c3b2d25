"""What a reader has found: devices as a person would write them here, under names that are safe and unique."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

_LONGEST: Final = 64  # letters of a name, as gateway.sdk.config.Name has it
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9-]+")
_LIFTED: Final = ("every", "order")  # what most tags say is said once, by their device
_SHORT: Final = range(1, 8)  # letters: an order of eight is of one tag


class Names:
    """Names that are safe, unique, and the same each time."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, *texts: str) -> str:
        """The first of `texts` that is still free; the last one with a number where none is."""
        names = [safe(text) for text in texts]
        free = next((name for name in names if name not in self._taken), None) or self._numbered(names[-1])
        self._taken.add(free)
        return free

    def _numbered(self, name: str) -> str:
        number = 2
        while (made := f"{name[: _LONGEST - 6]}-{number}") in self._taken:
            number += 1
        return made


def safe(text: str) -> str:
    """`text` as a name: letters, digits, `_` and `-`."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("_", plain).strip("_-")[-_LONGEST:].strip("_-") or "unnamed"


@dataclass(slots=True)
class Found:
    """One device.

    Attributes:
        name: as it will be called, before it is made unique.
        adapter: that reads it.
        place: where it stands in the foreign file.
        options: of the device, as a device file has them; a secret is a SecretRef.
        tags: options of each tag, by name.
        places: where each tag stands in the foreign file.
    """

    name: str
    adapter: str
    place: str
    options: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    _names: Names = field(default_factory=Names)

    def add(self, place: str, tag: dict[str, Any], *names: str) -> str:
        """Take up a tag under the first of `names` that is free; what is None or "" is left out."""
        name = self._names.of(*[text for text in names if text] or ["unnamed"])
        self.tags[name] = {key: value for key, value in tag.items() if value not in (None, "")}
        self.places[name] = place
        return name

    def table(self) -> dict[str, Any]:
        """The device as a table."""
        return {"device": self.name, "adapter": self.adapter, **self.options, "tags": self.tags}

    def settle(self) -> None:
        """Leave out what says nothing, and say once for the device what most of its tags say."""
        self.options = {key: value for key, value in self.options.items() if value not in (None, "")}
        self._lift()

    def _lift(self) -> None:
        for key in _LIFTED:
            said = Counter(tag[key] for tag in self.tags.values() if len(tag.get(key, "")) in _SHORT)
            if said and (key == "order" or said.total() == len(self.tags)):  # order is nothing to a coil
                common = said.most_common(1)[0][0]
                self.options[key] = common
                for tag in self.tags.values():
                    if tag.get(key) == common:
                        del tag[key]
        if self.options.get("order") == "ABCD":
            del self.options["order"]


def named(devices: Iterable[Found]) -> list[Found]:
    """The devices, each under a name of its own, with what their tags share lifted."""
    names, found = Names(), list(devices)
    for device in found:
        device.name = names.of(device.name)
        device.settle()
    return found
