"""Starts that came to nothing: counted in a small file, so that a gateway that keeps dying young ends in safe mode.

Only under a supervisor that starts it again (systemd, a container engine), which says so by STATE_DIRECTORY. A start
counts until the gateway has run for a minute, or has ended in order; one of another boot does not count: a power cut is
no fault of ours. Architecture: "Processes and threads".
"""

import contextlib
import hashlib
import traceback
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from gateway import __version__
from gateway.sdk.errors import ConfigError

FILE: Final = "starts.json"
LIMIT: Final = 5  # starts in a row that may come to nothing
SETTLED: Final = 60.0  # s of running after which a start has been one
_KERNEL: Final = Path("/proc/sys/kernel/random/boot_id")  # proc(5)


@dataclass(slots=True)
class Record:
    """What the file holds.

    Attributes:
        boot: of the machine, in which the starts were counted.
        fast: starts in a row that came to nothing, the present one included until it has settled.
        errors: how those ended that could tell, the latest last.
        good: of the last start that settled: version, gateway, and the files of its configuration with their SHA-256.
    """

    boot: str = ""
    fast: int = 0
    errors: list[str] = field(default_factory=list)
    good: dict[str, Any] = field(default_factory=dict)


class Starts:
    """The count of one state folder, kept while the gateway runs: `with starts: …`."""

    def __init__(self, state: Path, boot: str) -> None:
        self.folder, self._path = state, state / FILE
        self._boot = boot
        self.record = _read(self._path)

    @classmethod
    def of(cls, environ: Mapping[str, str], state: Path | None) -> "Starts | None":
        """The count in the folder that a supervisor gave; None without one, or where `state` was given by hand."""
        given = environ.get("STATE_DIRECTORY", "").split(":")[0]
        return cls(Path(given), _boot(environ)) if given and state is None else None

    def begin(self) -> bool:
        """Count this start. Whether it should be one in safe mode."""
        if self.record.boot != self._boot:
            self.record.boot, self.record.fast, self.record.errors = self._boot, 0, []
        self.record.fast += 1
        self._write()
        return self.record.fast > LIMIT

    def settled(self, gateway: str, files: Sequence[Path]) -> None:
        """The gateway has run for a minute with the configuration in `files`: the count is 0 again."""
        digests = {str(path): digest for path in files if (digest := _digest(path))}
        self.record.good = {"version": __version__, "gateway": gateway, "files": digests}
        self.clear()

    def clear(self) -> None:
        """An end in order: the next start is the first again."""
        self.record.fast, self.record.errors = 0, []
        self._write()

    def once_more(self) -> None:
        """Let the next start try it, once."""
        self.record.fast = LIMIT - 1
        self._write()

    def changes(self) -> list[str]:
        """What is not as it was when the gateway last ran well, a line each."""
        good = self.record.good
        if not good:
            return ["it has never run for a minute with this state"]
        then = [f"version {good['version']} ran then, now {__version__}"] if good["version"] != __version__ else []
        files: dict[str, str] = good["files"]
        known = {Path(name) for name in files}
        new = sorted({path for one in known for path in one.parent.glob("*.yaml")} - known)
        return [
            *then,
            *(f"{name} has changed" for name, digest in files.items() if _digest(Path(name)) != digest),
            *(f"{path} is new" for path in new),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """An end by a fault is noted; one in order, or for a person to repair, is none."""
        if error is None or isinstance(error, ConfigError):
            self.clear()
            return
        place = traceback.extract_tb(trace)[-1]
        words = f"{type(error).__name__}: {error}"[:300]
        self.record.errors = [*self.record.errors, f"{words} ({Path(place.filename).name}:{place.lineno})"][-LIMIT:]
        self._write()

    def _write(self) -> None:
        """The file as a whole. A disk that is full or read-only must not keep the gateway from starting."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = self._path.with_suffix(".part")
            draft.write_bytes(orjson.dumps(asdict(self.record)))
            draft.replace(self._path)


def _boot(environ: Mapping[str, str]) -> str:
    """What tells this boot from another: a word in the folder that systemd makes anew, else the kernel's.

    The unit may not see the kernel's (ProcSubset=pid); its RuntimeDirectory lasts over restarts, not over a boot.
    """
    folder = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    with contextlib.suppress(OSError):
        path = Path(folder) / "boot" if folder else _KERNEL
        if folder and not path.is_file():
            path.write_text(uuid.uuid4().hex)
        return path.read_text().strip()
    return ""


def _read(path: Path) -> Record:
    """What the file says; one that cannot be read counts from 0."""
    try:
        return Record(**orjson.loads(path.read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return Record()


def _digest(path: Path) -> str:
    """SHA-256 of a file; "" where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
