"""The page itself: the files of `static/`, read once and served from memory: no path of a request meets a disk.

Those of another folder likewise.
"""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

INDEX: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2",
    ".ico": "image/x-icon",
}  # fmt: skip
_PLAIN: Final = "text/plain; charset=utf-8"
_PACKED: Final = (".png", ".woff2")  # smaller than gzip makes them
_CACHED: Final = "no-cache"  # kept, and asked about each time: after an upgrade nobody sees yesterday's page


@dataclass(frozen=True, slots=True)
class File:
    """One file: its bytes, the same by gzip (empty where that is no smaller), its type and its mark."""

    content: bytes
    packed: bytes
    kind: str
    tag: str


class Files:
    """All files of a folder, by their path below it."""

    def __init__(self, folder: Traversable | None = None) -> None:
        """Reads them; `static/` unless told."""
        self._files = dict(_read(folder or files("gateway.console").joinpath("static"), ""))

    def answer(self, path: str, request: Request) -> Response:
        """The file at `path`; 304 where the browser has it, 404 where there is none."""
        file = self._files.get(path)
        if file is None:
            return Response("there is no such file\n", HTTPStatus.NOT_FOUND, media_type="text/plain")
        headers = {"etag": file.tag, "cache-control": _CACHED, "vary": "accept-encoding"}
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        headers["content-type"] = file.kind
        if file.packed and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.packed, headers=headers | {"content-encoding": "gzip"})
        return Response(file.content, headers=headers)

    @property
    def paths(self) -> Mapping[str, File]:
        """All of them."""
        return self._files


def _read(folder: Traversable, path: str) -> Iterator[tuple[str, File]]:
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_dir():
            yield from _read(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", _file(entry.name, entry.read_bytes())


def _file(name: str, content: bytes) -> File:
    ending = f".{name.rpartition('.')[2]}"
    packed = b"" if ending in _PACKED else gzip.compress(content, mtime=0)
    tag = hashlib.sha256(content).hexdigest()[:32]
    return File(content, packed if len(packed) < len(content) else b"", _TYPES.get(ending, _PLAIN), f'"{tag}"')
