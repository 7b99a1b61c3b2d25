"""Secrets by reference: `!secret name` is read from systemd's credentials, else `secrets_dir`; shown nowhere."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from gateway.config.jsonschema import Pattern, match
from gateway.config.tree import Document, Spot

MAX_BYTES: Final = 64 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_UNSET: Final = SecretStr("")  # keeps the place of a secret that was not found, so that the other checks go on


class SecretError(LookupError):
    """There is no such secret; `args` are the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The folders where secrets lie, in the order in which they are tried."""

    credentials: Path | None  # systemd: LoadCredential= and SetCredential=, systemd.exec(5)
    directory: Path | None  # `gateway.secrets_dir`

    @classmethod
    def of(cls, environ: Mapping[str, str], directory: Path | None) -> "Secrets":
        """From the environment that systemd gives, and the folder of the configuration."""
        credentials = environ.get("CREDENTIALS_DIRECTORY")
        return cls(Path(credentials) if credentials else None, directory)

    def read(self, name: str) -> SecretStr:
        """The secret called `name`, without the newline at its end. Raises SecretError."""
        if not _NAME.fullmatch(name):
            raise SecretError(f"'{name}' is no name of a secret", "letters, digits, '_', '-' and '.'")
        for folder in (self.credentials, self.directory):
            raw = _content(folder / name) if folder is not None else None
            if raw is not None:
                return _secret(name, raw)
        tried = [
            str(self.credentials / name) if self.credentials else f"$CREDENTIALS_DIRECTORY/{name} (not set)",
            str(self.directory / name) if self.directory else f"secrets_dir/{name} (not set)",
        ]
        raise SecretError(f"secret '{name}' was not found", f"tried {tried[0]} and {tried[1]}")

    def resolve(self, document: Document) -> None:
        """Put the values in the place of the references of `document`."""
        for holder, key, path in document.secrets:
            document.named[path] = holder[key].name
            try:
                holder[key] = self.read(holder[key].name)
            except SecretError as error:
                holder[key] = _UNSET
                document.note(path, *error.args)


def refuse_plain(document: Document, secrets: Iterable[Pattern]) -> None:
    """Note every one of `secrets` that is written in plain text, and hide its place from all output."""
    for pattern in secrets:
        for path, holder, key in match(document.data, pattern):
            if holder[key] is None or isinstance(holder[key], SecretStr):
                continue
            _hide(document.spot(path))
            document.note(path, "must not stand here in plain text", "write !secret NAME")
            holder[key] = _UNSET


def _hide(spot: Spot | None) -> None:
    """No message shows the line from here on; that of the parameter which was filled in likewise."""
    while spot is not None:
        spot.source.hidden.add(spot.place)
        spot = spot.given


def secret_words(secrets: Iterable[Pattern]) -> set[str]:
    """The names of the options that hold `secrets`."""
    named = ([step for step in pattern if step is not None] for pattern in secrets)
    return {steps[-1] for steps in named if steps}


def _content(path: Path) -> bytes | None:
    """What is in the file; None where there is no such file. Raises SecretError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise SecretError(f"secret '{path.name}' cannot be read", str(error)) from error


def _secret(name: str, raw: bytes) -> SecretStr:
    if len(raw) > MAX_BYTES:
        raise SecretError(f"secret '{name}' is larger than {MAX_BYTES // 1024} KiB")
    try:
        text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise SecretError(f"secret '{name}' is not UTF-8 text") from None  # the error holds the bytes
    if not text:
        raise SecretError(f"secret '{name}' is empty")
    return SecretStr(text)
