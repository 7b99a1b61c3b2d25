"""What would change: two configurations, both checked, compared by what they mean and told in the words of their files.

An option that is written out at its default is no change, nor is a file that lies elsewhere under the same name.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from gateway.config.load import Configuration
from gateway.config.problems import Path, masked, spell
from gateway.config.tree import Document

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
LASTING: Final = ("gateway", "outbox", "writes", "metrics", "limits", "log", "console")  # only a start reads them
_SIGNS: Final = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
_DEFAULT: Final = "its default"
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is added, removed or changed.

    Attributes:
        kind: added, removed or changed.
        what: device, tag, asset or option.
        name: of it; device.tag for a tag.
        options: of what is changed: each option with its old and its new value, as written.
    """

    kind: str
    what: str
    name: str
    options: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two configurations: checked, as written, and the folder that it lies in."""

    found: Configuration
    written: list[Document]
    home: FilePath

    def table(self, model: BaseModel, document: Document, path: Path, leave_out: str) -> "_Table":
        """What `model`, written at `path` of `document`, says, without one of its options."""
        values = {
            name: _plain(getattr(model, name), self.home)
            for name in (*type(model).model_fields, *(model.model_extra or {}))
            if name != leave_out
        }
        return _Table(dict(_flat(values)), document, path)


@dataclass(frozen=True, slots=True)
class _Table:
    values: dict[Path, Any]
    document: Document
    path: Path

    def word(self, path: Path, secret: str) -> Any:
        """The value as it is written, `secret` in the place of one."""
        if isinstance(self.values.get(path), SecretStr):
            return secret
        data = self.document.data
        for step in (*self.path, *path):
            if not isinstance(data, dict) or step not in data:
                return _DEFAULT
            data = data[step]
        return data


def compare(old: Side, new: Side) -> list[Change]:
    """All changes: options of the gateway, devices with their tags, assets."""
    mains = [side.table(side.found.root, side.written[0], (), "assets") for side in (old, new)]
    options = [Change(CHANGED, "option", name, {name: words}) for name, words in _options(*mains).items()]
    return [*options, *_devices(old, new), *_assets(old, new)]


def words(change: Change) -> str:
    """A change on one line, without any secret."""
    head = f"{_SIGNS[change.kind]} {change.what} {change.name}"
    if change.what == "option":
        head = f"{_SIGNS[change.kind]} {change.what}"
    said = "; ".join(f"{option} {word(old)} -> {word(new)}" for option, (old, new) in change.options.items())
    return f"{head}: {said}" if said else head


def word(value: Any) -> str:
    """The value of an option, as a person writes it."""
    return "null" if value is None else masked(str(value).lower() if isinstance(value, bool) else str(value))


def told(changes: list[Change]) -> dict[str, Any]:
    """Changes for people and programs, and which of them wait for a restart."""
    waits = [
        option for change in changes if change.what == "option" for option in change.options
        if option.partition(".")[0] in LASTING
    ]  # fmt: skip
    return {"changes": [words(change) for change in changes], "counts": counted(changes), "restart": waits}


def counted(changes: list[Change]) -> dict[str, int]:
    """How many there are of each kind: "devices added"."""
    return dict(Counter(f"{change.what}s {change.kind}" for change in changes))


def _devices(old: Side, new: Side) -> Iterator[Change]:
    before, after = (
        {
            device.device: (device, document)
            for device, document in zip(side.found.devices, side.written[1:], strict=True)
        }
        for side in (old, new)
    )
    for kind, name in _names(before, after):
        if kind != CHANGED:
            yield Change(kind, "device", name, {})
            continue
        sides = [(side, *known[name]) for side, known in ((old, before), (new, after))]
        yield from _changed("device", name, *(side.table(device, doc, (), "tags") for side, device, doc in sides))
        tags = [device.tags for _, device, _ in sides]
        for tag_kind, tag in _names(*tags):
            if tag_kind != CHANGED:
                yield Change(tag_kind, "tag", f"{name}.{tag}", {})
                continue
            tables = (side.table(device.tags[tag], doc, ("tags", tag), "") for side, device, doc in sides)
            yield from _changed("tag", f"{name}.{tag}", *tables)


def _assets(old: Side, new: Side) -> Iterator[Change]:
    for kind, name in _names(old.found.root.assets, new.found.root.assets):
        if kind != CHANGED:
            yield Change(kind, "asset", name, {})
            continue
        tables = (
            side.table(side.found.root.assets[name], side.written[0], ("assets", name), "") for side in (old, new)
        )
        yield from _changed("asset", name, *tables)


def _names(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every name of either, in their order, and whether it is added, removed, or may be changed."""
    for name in dict.fromkeys((*old, *new)):
        yield (REMOVED if name not in new else ADDED if name not in old else CHANGED), name


def _changed(what: str, name: str, old: _Table, new: _Table) -> Iterator[Change]:
    if options := _options(old, new):
        yield Change(CHANGED, what, name, options)


def _options(old: _Table, new: _Table) -> dict[str, tuple[Any, Any]]:
    """The options that are not the same, as written."""
    paths = dict.fromkeys((*old.values, *new.values))
    return {
        spell(path): (old.word(path, "a secret"), new.word(path, "another secret"))
        for path in paths
        if old.values.get(path, _ABSENT) != new.values.get(path, _ABSENT)
    }


def _plain(value: Any, home: FilePath) -> Any:
    """`value` in tables and lists; a path below `home` as seen from there."""
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name), home) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, home) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, home) for inner in value]
    if isinstance(value, FilePath) and value.is_relative_to(home):
        return value.relative_to(home)
    return value


def _flat(table: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*path, name))
        else:
            yield (*path, name), value
