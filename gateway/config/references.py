"""What one part of the configuration says of another: device names stand once, and assets name tags that exist.

Works on the data as written, so that a fault inside a device does not bring a second one at every asset that uses it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.config.fill import TooMuchError
from gateway.config.loops import MAX_MADE
from gateway.config.problems import Key, Path, did_you_mean
from gateway.config.tree import Document, Spot

MAX_TAGS: Final = 300_000
Tags = Mapping[str, Mapping[Key, Any]]  # by device and name, as written


def device_name(document: Document) -> str | None:
    """The name of the device that `document` describes, if it has one."""
    name = document.data.get("device") if isinstance(document.data, dict) else None
    return name if isinstance(name, str) else None


def check_size(devices: int, made: Sequence[Document], tags: int) -> int:
    """How many tags were `made`, after `tags` others. Raises TooMuchError for too many of them, or of `devices`."""
    found = sum(len(table_at(device.data, "tags")) for device in made)
    if devices > MAX_MADE:
        raise TooMuchError(f"is device {MAX_MADE + 1}; at most {MAX_MADE} can be configured")
    if tags + found > MAX_TAGS:
        raise TooMuchError(f"brings the tags to {tags + found}; at most {MAX_TAGS} can be configured")
    return found


def check_names(devices: Iterable[Document]) -> None:
    """Note every device that bears the name of an earlier one."""
    first: dict[str, Spot] = {}
    for document in devices:
        name, spot = device_name(document), document.spot(("device",))
        if name in first:
            document.note(("device",), f"there is a device '{name}' already, at {first[name]}")
        elif name is not None:
            first[name] = spot


def tags_of(devices: Iterable[Document]) -> Tags:
    """The tags of all devices that have a name."""
    return {name: table_at(device.data, "tags") for device in devices if (name := device_name(device)) is not None}


def check_assets(main: Document, devices: Iterable[Document]) -> None:
    """Note every tag of an asset that no device has, or that the asset names twice."""
    tags = tags_of(devices)
    for asset, config in table_at(main.data, "assets").items():
        listed = config.get("tags") if isinstance(config, dict) else None
        seen: dict[Any, Path] = {}
        for index, tag in enumerate(listed if isinstance(listed, list) else ()):
            path: Path = ("assets", asset, "tags", index)
            if not isinstance(tag, str):
                continue  # the table has said so
            if tag in seen:
                main.note(path, f"'{tag}' is listed twice")
            elif wrong := finding(tag, tags):
                main.note(path, *wrong)
            seen[tag] = path
        _check_rules(main, asset, config, tags)


def _check_rules(main: Document, asset: Key, config: Any, tags: Tags) -> None:
    for name, rule in table_at(config, "rules").items():
        for word in ("tag", "ratio", "residual"):
            tag = rule.get(word) if isinstance(rule, dict) else None
            path: Path = ("assets", asset, "rules", name, word)
            if isinstance(tag, str) and (wrong := finding(tag, tags)):
                main.note(path, *wrong)


def finding(tag: str, tags: Tags) -> tuple[str, str] | None:
    """What is wrong with `tag` as the name of one of `tags`, and a hint; None when it is one."""
    device, dot, name = tag.partition(".")
    if not dot:
        return f"'{tag}' is no tag; a tag is written device.tag", ""
    if device not in tags:
        hint = did_you_mean(device, tags) if tags else "no device is configured"
        return f"there is no device '{device}'", hint
    if name not in tags[device]:
        near = did_you_mean(name, map(str, tags[device]))
        return f"device '{device}' has no tag '{name}'", near
    return None


def table_at(data: Any, key: str) -> dict[Key, Any]:
    """The table at `key` of `data`; an empty one where there is none."""
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}
