"""The pieces of a support bundle, each gathered on its own: what cannot be had is replaced by the reason."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import orjson

from gateway import __version__
from gateway.cli.outbox import figures
from gateway.deliver.event import Class
from gateway.deliver.inspect import look
from gateway.ops.clock import SystemClock

LINES: Final = 20_000  # of the log
_WITHIN: Final = 10.0  # s for an answer, and for journald
_JOURNAL: Final = ("journalctl", "--unit=fieldgate", "--unit=fieldgate@*", "--output=short-iso", "--no-pager")
_PATHS: Final = {
    "status.json": "/status", "metrics.txt": "/metrics", "healthz.json": "/healthz", "readyz.json": "/readyz",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of the bundle."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Around:
    """Where to look: configuration, state, the address that the configuration names, and a file of the log."""

    config: Path
    state: Path
    listen: str | None
    log: Path | None


def pieces(around: Around) -> Iterator[Piece]:
    """All but the configuration and the recording."""
    yield _tried("versions.json", _versions)
    yield _tried("machine.json", lambda: _machine(around.state))
    where = _where(around)
    for name, path in _PATHS.items():
        yield _tried(name, lambda path=path: _asked(where, path))  # type: ignore[misc]
    yield _tried("outbox.json", lambda: _outbox(around.state / "outbox"))
    yield _tried("state-files.txt", lambda: _listing(around.state))
    yield _tried("configuration-files.txt", lambda: _listing(around.config.absolute().parent))
    if (around.state / "starts.json").is_file():
        yield _tried("starts.json", (around.state / "starts.json").read_bytes)
    yield _tried("log.txt", lambda: _tail(around.log) if around.log else _journal())


def recording(state: Path, most: int) -> Iterator[Piece]:
    """The latest segments of the recordings, at most `most` bytes in all, and the names of their tags."""
    folder = state / "recording"
    for path in sorted(folder.glob("*/tags.json")):
        yield Piece(f"recording/{path.relative_to(folder)}", path.read_bytes())
    segments = sorted(folder.glob("*/*.rec"), key=lambda path: path.stat().st_mtime, reverse=True)
    left = most

    def fits(path: Path) -> bool:
        nonlocal left
        left -= path.stat().st_size
        return left >= 0

    for path in takewhile(fits, segments):
        yield Piece(f"recording/{path.relative_to(folder)}", path.read_bytes())


def _tried(name: str, gather: Callable[[], bytes]) -> Piece:
    try:
        return Piece(name, gather())
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Piece(f"{name}.missing", f"{error}\n".encode())


def _versions() -> bytes:
    found = {dist.name: dist.version for dist in importlib.metadata.distributions()}
    return _json({"fieldgate": __version__, "python": platform.python_version(), "packages": found})


def _machine(state: Path) -> bytes:
    disk = shutil.disk_usage(next(one for one in (state, *state.parents) if one.exists()))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _json({
        "platform": platform.platform(), "machine": platform.machine(), "processors": os.cpu_count(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME"), "memory_bytes": memory, "load": os.getloadavg(),
        "state_disk": {"total": disk.total, "free": disk.free},
    })  # fmt: skip


def _where(around: Around) -> str | None:
    """Where the gateway said that it listens, else where it should."""
    told = around.state / "listen"
    try:
        return told.read_text().strip()
    except OSError:
        return around.listen


def _asked(where: str | None, path: str) -> bytes:
    if where is None:
        raise ValueError("the gateway does not listen: metrics.listen is not set")
    try:
        with urllib.request.urlopen(f"http://{where}{path}", timeout=_WITHIN) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:  # 503 is an answer too
        with error:
            return error.read()


def _outbox(folder: Path) -> bytes:
    contents, now = look(folder, SystemClock()), SystemClock().monotonic()
    found = contents.recovery
    return _json({
        "epoch": found.epoch, "classes": {cls.value: figures(contents, cls, now) for cls in Class},
        "damages": [one._asdict() for one in found.damages], "errors": found.errors,
    })  # fmt: skip


def _listing(folder: Path) -> bytes:
    """Size, time of change (Unix s) and name of each file; no content."""
    lines = []
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        lines.append(f"{about.st_size:12} {about.st_mtime:.0f} {oct(about.st_mode)[-4:]} {path}\n")
    return "".join(lines).encode()


def _journal() -> bytes:
    done = subprocess.run([*_JOURNAL, f"--lines={LINES}"], capture_output=True, timeout=_WITHIN, check=True)  # noqa: S603
    return done.stdout


def _tail(path: Path) -> bytes:
    return b"".join(path.read_bytes().splitlines(keepends=True)[-LINES:])


def _json(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"
