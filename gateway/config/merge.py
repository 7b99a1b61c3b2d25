"""What a device says itself, laid over what its templates say.

As in JSON Merge Patch (RFC 7396): tables merge, key by key and at every depth; null takes away; all else replaces.
"""

from collections.abc import Iterator
from typing import Any, Final

from gateway.config.problems import Path
from gateway.config.tree import Marks

Tree = dict[str, Any]
USE, WITH, FOR = "use", "with", "for"
PARAMETERS: Final = "parameters"  # what a template declares
WORDS: Final = frozenset(
    {USE, WITH, FOR}
)  # what a device or an asset says of its templates; no option may be called so


def merge(base: Tree, over: Tree, marks: Marks) -> Tree:
    """`base` with `over` laid upon it; changes `base`. A value keeps the marks of the table it comes from."""
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value, marks)
        elif value is None and key in base:
            del base[key], marks[id(base)][key]
        else:
            base[key] = value
            marks[id(base)][key] = marks[id(over)][key]
    return base


def conflicts(one: Tree, other: Tree, own: Any, path: Path = ()) -> Iterator[Path]:
    """Where two templates say different things and the device does not decide."""
    for key, value in other.items():
        if key not in one:
            continue
        says = isinstance(own, dict) and key in own
        if isinstance(value, dict) and isinstance(one[key], dict):
            if not says or isinstance(own[key], dict):
                yield from conflicts(one[key], value, own[key] if says else None, (*path, key))
        elif not says and not _same(one[key], value):
            yield (*path, key)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
