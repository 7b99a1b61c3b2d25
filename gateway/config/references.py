"""What one part of the configuration says of another: device names stand once, and assets name tags that exist.

Works on the data as written, so that a fault inside a device does not bring a second one at every asset that uses it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.config.problems import Key, Path, Place, Source, did_you_mean
from gateway.config.yaml import Document


def device_name(document: Document) -> str | None:
    """The name of the device that `document` describes, if it has one."""
    name = document.data.get("device") if isinstance(document.data, dict) else None
    return name if isinstance(name, str) else None


def check_names(devices: Iterable[tuple[Document, Source]]) -> None:
    """Note every device that bears the name of an earlier one."""
    first: dict[str, tuple[str, Place]] = {}
    for document, source in devices:
        name, place = device_name(document), document.place(("device",))
        if name in first:
            file, (line, column) = first[name]
            source.add(place, ("device",), f"there is a device '{name}' already, at {file}:{line}:{column}")
        elif name is not None:
            first[name] = source.file, place


def check_assets(main: Document, devices: Iterable[Document], source: Source) -> None:
    """Note every tag of an asset that no device has, or that the asset names twice."""
    tags = {name: _table(device.data, "tags") for device in devices if (name := device_name(device)) is not None}
    for asset, config in _table(main.data, "assets").items():
        listed = config.get("tags") if isinstance(config, dict) else None
        seen: dict[Any, Path] = {}
        for index, tag in enumerate(listed if isinstance(listed, list) else ()):
            path: Path = ("assets", asset, "tags", index)
            if not isinstance(tag, str):
                continue  # the table has said so
            if tag in seen:
                source.add(main.place(path), path, f"'{tag}' is listed twice")
            elif finding := _finding(tag, tags):
                source.add(main.place(path), path, *finding)
            seen[tag] = path
        _check_rules(main, asset, config, tags, source)


def _check_rules(
    main: Document, asset: Key, config: Any, tags: Mapping[str, Mapping[Key, Any]], source: Source
) -> None:
    for name, rule in _table(config, "rules").items():
        for word in ("tag", "ratio", "residual"):
            tag = rule.get(word) if isinstance(rule, dict) else None
            path: Path = ("assets", asset, "rules", name, word)
            if isinstance(tag, str) and (finding := _finding(tag, tags)):
                source.add(main.place(path), path, *finding)


def _finding(tag: str, tags: Mapping[str, Mapping[Key, Any]]) -> tuple[str, str] | None:
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


def _table(data: Any, key: str) -> dict[Key, Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}
