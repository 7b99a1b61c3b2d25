"""What must not leave the machine is taken out of text: the secrets that it knows, and what looks like one.

A secret is looked for as it is, as JSON writes it, as an address writes it, and in base64. One shorter than four
characters is not, for it would tear holes into everything.
"""

import base64
import json
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gateway.cli.common import DEFAULT_CONFIG
from gateway.config.problems import SECRET_WORDS
from gateway.config.secrets import MAX_BYTES

SHORTEST: Final = 4
HIDDEN: Final = b"***"
_USER: Final = re.compile(rb"(\w://)[^\s\"'/@]+@")
_SAID: Final = re.compile(
    rb"""((?:%s)\\?["']?\s*[=:]\s*\\?["']?)(?!!secret\b|\*\*\*|null\b|none\b)[^\s"',;}\\]+"""
    % "|".join(sorted(SECRET_WORDS)).encode(),
    re.IGNORECASE,
)
_KEY: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


class Scrub:
    """Takes the secrets out of one piece of text after the other."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        # The longest first: one may be a part of another.
        pattern = b"|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        self._known = re.compile(pattern) if forms else None

    def __call__(self, content: bytes) -> bytes:
        """`content` without them."""
        if self._known:
            content = self._known.sub(HIDDEN, content)
        content = _KEY.sub(HIDDEN, content)
        return _SAID.sub(rb"\g<1>" + HIDDEN, _USER.sub(rb"\g<1>" + HIDDEN + b"@", content))


def secret_folders(config: Path, own: Path | None) -> Iterator[Path | None]:
    """Where secrets may lie: systemd's, `own` (`gateway.secrets_dir`), and those that the documentation advises."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    yield Path(credentials) if credentials else None
    yield own
    yield config.absolute().parent / "secrets"
    yield DEFAULT_CONFIG.parent / "secrets"


def secrets_in(folders: Iterable[Path | None]) -> Iterator[str]:
    """The content of each small file in `folders`, where they can be read, and each line of it."""
    for folder in folders:
        if folder is None or not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            try:
                text = path.read_bytes()[:MAX_BYTES].decode(errors="ignore").strip()
            except OSError:
                continue
            yield from {text, *text.splitlines()}


def _forms(secret: str) -> Iterator[bytes]:
    """How a secret may stand in text."""
    plain = secret.encode()
    yield plain
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(secret, ensure_ascii=False)[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield urllib.parse.quote_plus(secret).encode()
    yield base64.b64encode(plain).rstrip(b"=")
    yield base64.urlsafe_b64encode(plain).rstrip(b"=")
