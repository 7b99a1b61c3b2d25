"""Device files: what a person would have written. The same devices give the same bytes."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.config.tree import SecretRef
from gateway.config.yaml import scalar
from gateway.importing.found import Found
from gateway.sdk.errors import ConfigError

_BMP: Final = 0xFFFF
_PLAIN: Final = re.compile(r"[A-Za-z_](?:[\w./:?&=+-]*[\w/])?|\d+m?s", re.ASCII)  # needs no quotes, if no word of YAML


def text(device: Found, origin: str) -> str:
    """The file of one device; `origin` says what it was made from."""
    return "\n".join(_lines(device, origin)) + "\n"


def write(devices: Sequence[Found], folder: Path, origin: str, *, force: bool) -> list[Path]:
    """Write a file for each device into `folder`; none, where one is there already and `force` is not given.

    Raises:
        ConfigError: a file is there already, or cannot be written.
    """
    files = {folder / f"{device.name}.yaml": text(device, origin) for device in devices}
    there = [path.name for path in files if path.exists()]
    if there and not force:
        raise ConfigError(f"{folder}: {', '.join(there[:5])} is there already; nothing was written: --force replaces")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from error
    return list(files)


def _lines(device: Found, origin: str) -> Iterator[str]:
    yield f"# By `fieldgate import`, from {_plain(origin)}. Try it with `fieldgate check`."
    yield f"device: {_scalar(device.name)}"
    yield f"adapter: {_scalar(device.adapter)}"
    for key, value in device.options.items():
        yield f"{key}: {_scalar(value)}"
    yield "tags:"
    for name, tag in device.tags.items():
        yield f"  {_scalar(name)}: {{{', '.join(f'{key}: {_scalar(value)}' for key, value in tag.items())}}}"


def _plain(origin: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in origin)


def _scalar(value: Any) -> str:
    """As YAML: JSON is, but for signs that do not print; `${` would be a parameter."""
    if isinstance(value, SecretRef):
        return f"!secret {value.name}"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and scalar(value) == value:
        return value
    shown = json.dumps(value, ensure_ascii=False).replace("${", "$${")
    return "".join(sign if sign.isprintable() else _escaped(ord(sign)) for sign in shown)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}"
