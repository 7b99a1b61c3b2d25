"""What may be written, across the files: each tag says what, interlocks and alarms name tags that exist and allow it.

Works on the data as written, as `references` does, so that one fault brings one problem.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.config.conditions import note_condition
from gateway.config.problems import Key, Path
from gateway.config.references import Tags, finding, table_at, tags_of
from gateway.config.tree import Document


def check_writes(main: Document, devices: Iterable[Document]) -> None:
    """Note writable tags without a limit, tags that do not exist, and what an alarm writes and may not."""
    devices = list(devices)
    tags = tags_of(devices)
    for device in devices:
        for name, tag in table_at(device.data, "tags").items():
            if isinstance(tag, dict) and isinstance(tag.get("write"), dict):
                _check_tag(device, ("tags", name), tag, tags)
    for path, then in _reactions(main):
        _check_then(main, path, then, tags)


def _check_tag(device: Document, path: Path, tag: Mapping[Key, Any], tags: Tags) -> None:
    write, path = tag["write"], (*path, "write")
    if not any((write.get("range"), write.get("values"), tag.get("range"))):
        device.note(path, "does not say what may be written", "range: [low, high], or values: [...]", of_key=True)
    low, high = _ends(write)
    if low > high:
        device.note((*path, "range"), "lets nothing through: the low end comes first")
    note_condition(device, (*path, "interlock"), write.get("interlock"), tags)


def _ends(table: Mapping[Key, Any]) -> tuple[float, float]:
    """The range that a table gives; without one all numbers."""
    given = table.get("range")
    numbers = isinstance(given, list) and len(given) == 2 and all(isinstance(end, int | float) for end in given)  # noqa: PLR2004 - low and high
    return (given[0], given[1]) if numbers else (-math.inf, math.inf)  # type: ignore[index]  # a list


def _reactions(main: Document) -> Iterator[tuple[Path, Mapping[Key, Any]]]:
    """Every entry of a `then`, and where it stands."""
    for asset, config in table_at(main.data, "assets").items():
        places: list[tuple[Path, Any]] = [(("assets", asset), config)]
        places += [(("assets", asset, "rules", name), rule) for name, rule in table_at(config, "rules").items()]
        for path, owner in places:
            listed = table_at(owner, "alarm").get("then")
            for number, then in enumerate(listed if isinstance(listed, list) else ()):
                if isinstance(then, dict):
                    yield (*path, "alarm", "then", number), then


def _check_then(main: Document, path: Path, then: Mapping[Key, Any], tags: Tags) -> None:
    name, path = then.get("write"), (*path, "write")
    if not isinstance(name, str):
        return  # the table has said so
    if found := finding(name, tags):
        main.note(path, *found)
        return
    device, _, word = name.partition(".")
    tag = tags[device][word]
    write = table_at(tag, "write")
    if "rule" not in (write.get("allow") or ()):
        main.note(path, f"'{name}' may not be written by an alarm", f"write: {{allow: [rule]}} at the tag {name}")
    elif write.get("arm") is True:
        main.note(path, f"'{name}' is written in two steps (arm), and an alarm has only one")
    elif why := _never(then.get("value"), tag, write):
        main.note((*path[:-1], "value"), f"{why}, so it would never be written")


def _never(value: Any, tag: Mapping[Key, Any], write: Mapping[Key, Any]) -> str:
    """Why the envelope of a tag never lets `value` through; empty where it may."""
    listed = write.get("values")
    if isinstance(listed, list) and value not in listed:
        return f"is none of the tag's values: {', '.join(map(str, listed))}"
    for low, high in (_ends(write), _ends(tag)) if isinstance(value, int | float) else ():
        if not low <= value <= high:
            return f"is not within {low:g} to {high:g}"
    return ""
