"""Secrets by reference: `!secret name` is read from systemd's credentials, else `secrets_dir`; shown nowhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from gateway.config.jsonschema import Pattern, match
from gateway.config.problems import Source
from gateway.config.yaml import Document, SecretRef

MAX_BYTES: Final = 64 * 1024
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
        for folder in (self.credentials, self.directory):
            if folder is not None and (folder / name).is_file():
                return _content(folder / name)
        tried = [
            str(self.credentials / name) if self.credentials else f"$CREDENTIALS_DIRECTORY/{name} (not set)",
            str(self.directory / name) if self.directory else f"secrets_dir/{name} (not set)",
        ]
        raise SecretError(f"secret '{name}' was not found", f"tried {tried[0]} and {tried[1]}")

    def resolve(self, document: Document, source: Source) -> None:
        """Put the values in the place of the references of `document`."""
        for holder, key, path in document.secrets:
            ref = holder[key]
            if not isinstance(ref, SecretRef):
                continue
            try:
                holder[key] = self.read(ref.name)
            except SecretError as error:
                holder[key] = _UNSET
                source.add(document.place(path), path, *error.args)


def refuse_plain(document: Document, secrets: Iterable[Pattern], source: Source) -> None:
    """Note every one of `secrets` that is written in plain text, and hide its place from all output."""
    for pattern in secrets:
        for path, holder, key in match(document.data, pattern):
            if holder[key] is None or isinstance(holder[key], SecretStr):
                continue
            place = document.place(path)
            source.hidden.add(place)
            source.add(place, path, "must not stand here in plain text", "write !secret NAME")
            holder[key] = _UNSET


def secret_words(secrets: Iterable[Pattern]) -> set[str]:
    """The names of the options that hold `secrets`."""
    return {step for pattern in secrets for step in pattern[-2:] if step is not None}


def _content(path: Path) -> SecretStr:
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SecretError(f"secret '{path.name}' cannot be read", f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SecretError(f"secret '{path.name}' is not UTF-8 text", str(path)) from None  # the error holds the bytes
    if not text or len(raw) > MAX_BYTES:
        size = "is empty" if not text else f"is larger than {MAX_BYTES // 1024} KiB"
        raise SecretError(f"secret '{path.name}' {size}", str(path))
    return SecretStr(text)
